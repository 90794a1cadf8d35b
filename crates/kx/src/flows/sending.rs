//! What leaves by a flow: packets from the TUN device, cut into cells and sealed in place.
//!
//! A cell is laid out, sealed end to end and wrapped in one buffer on the stack: nothing is allocated for a packet.

use super::Session;
use crate::control;
use crate::endpoint::Endpoint;
use crate::engine::{Engine, Slot};
use crate::event::TunnelId;
use crate::ip::{TCP, parse, ports};
use crate::outbox::Outbox;
use crate::pieces::{Content, MAX_PACKET_BYTES};
use crate::tcp::{MAX_HEADER_BYTES, header_bytes, normalise};
use cell::layout::{DATAGRAM_BYTES, begin_full_body, body_mut, write_body};
use std::time::Duration;

/// Ports that a caller's machine keeps open into a tunnel.
const RECENT_PORTS: usize = 32;

impl Engine {
    /// A packet from the TUN device.
    pub fn handle_packet(&mut self, now: Duration, bytes: &[u8], out: &mut Outbox) {
        self.counters.packets_from_tun += 1;
        if self.send_packet(now, bytes, out).is_none() {
            self.counters.packets_from_tun_dropped += 1;
        }
    }

    fn send_packet(&mut self, now: Duration, bytes: &[u8], out: &mut Outbox) -> Option<()> {
        let packet = parse(bytes)?;
        if self.tun.as_ref()?.address != packet.source || packet.transport.len() + 1 > MAX_PACKET_BYTES {
            return None;
        }
        let slot = *self.flow_addresses.get(&packet.destination)?;
        let flow = self.flows.get_mut(slot)?;
        if !matches!(flow.session, Session::Up { .. }) {
            return None;
        }
        flow.last_used = now;
        if flow.outgoing {
            let port = (packet.protocol, ports(packet.transport).0);
            if !flow.opened.contains(&port) {
                flow.opened.truncate(RECENT_PORTS - 1);
                flow.opened.insert(0, port);
            }
        }
        let (tunnel, number) = (flow.tunnel, flow.next_packet);
        flow.next_packet = flow.next_packet.wrapping_add(1);
        // Lost while there is no circuit.
        let circuit = self.tunnels.get(&tunnel).and_then(|known| known.current);
        self.note_use(now, circuit);
        let mut head = [0; 1 + MAX_HEADER_BYTES];
        head[0] = packet.protocol;
        let mut tail = packet.transport;
        let mut head_bytes = 1;
        if packet.protocol == TCP {
            let (header, payload) = tail.split_at(header_bytes(tail));
            let fresh = &mut head[1..1 + header.len()];
            fresh.copy_from_slice(header);
            head_bytes += normalise(fresh);
            tail = payload;
        }
        let content = Content { head: &head[..head_bytes], tail };
        for index in 0..content.pieces() {
            let mut datagram = [0; DATAGRAM_BYTES];
            let payload = begin_full_body(body_mut(&mut datagram), control::DATA);
            content.write(Endpoint::plain_mut(payload), number, index);
            let flow = self.flows.get_mut(slot)?;
            let Session::Up { endpoint, .. } = &mut flow.session else { return None };
            endpoint.seal(flow.number, payload);
            if let Some(circuit) = circuit {
                self.send_forward(now, circuit, &mut datagram, out);
            }
        }
        Some(())
    }

    /// Over the circuit that carries the tunnel now, or is about to for the first time; lost while there is none.
    pub(super) fn send_payload(&mut self, now: Duration, tunnel: TunnelId, payload: &[u8], out: &mut Outbox) {
        let Some(known) = self.tunnels.get(&tunnel) else { return };
        let Some(circuit) = known.current.or(known.successor.filter(|_| !known.ready)) else { return };
        self.note_use(now, Some(circuit));
        let mut datagram = [0; DATAGRAM_BYTES];
        write_body(body_mut(&mut datagram), control::DATA, payload);
        self.send_forward(now, circuit, &mut datagram, out);
    }

    /// What is sent to the other end of a tunnel belongs to a call.
    fn note_use(&mut self, now: Duration, circuit: Option<Slot>) {
        if let Some(own) = circuit.and_then(|circuit| self.own.get_mut(circuit)) {
            own.pulse.used(now);
            self.links.raise_cover(now, own.link);
        }
    }
}
