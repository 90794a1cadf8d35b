//! Flows: end-to-end sessions and the addresses that stand for them on this machine.
//!
//! An outgoing tunnel has one flow; an incoming one has one for each caller. Delivery is narrow: only TCP and UDP, only
//! to this machine's own TUN address, only to the tunnel's own port, or to ports that the rules or our own packets have
//! opened. What leaves by a flow is not in here: see `sending`.

mod sending;

use crate::endpoint::{ANSWER, CALL, CALL_KNOWN, Endpoint, KIND_AT, MESSAGE_AT, SEALED};
use crate::engine::{Engine, Slot};
use crate::event::{Event, Failure, TunnelId, TunnelKey};
use crate::ip::{build, check_transport, ports};
use crate::loss::Loss;
use crate::noise::{Handshake, Pattern};
use crate::outbox::Outbox;
use crate::own::{Goal, Own};
use crate::pieces::{Reassembly, read_report, write_report};
use cell::layout::{PAYLOAD_BYTES, read_u32};
use std::net::IpAddr;
use std::time::Duration;

const MAX_FLOWS: usize = 4096;
/// As many as an exchange point splices to one registration.
const MAX_FLOWS_PER_TUNNEL: usize = 256;
const REPEAT_AFTER: Duration = Duration::from_millis(600);
/// How much later than expected the answer to a call may come, after the exchange point has spliced.
const PATIENCE: Duration = Duration::from_millis(20);
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// Longer than an unused outgoing tunnel lives (an hour): its caller may still speak.
const FLOW_IDLE: Duration = Duration::from_secs(65 * 60);

enum Session {
    Calling {
        handshake: Box<Handshake>,
        kind: u8,
        message: Vec<u8>,
        started: Duration,
        repeat_at: Duration,
        wait: Duration,
    },
    /// `answered`: message 1 and our answer, repeated while the caller repeats itself.
    Up { endpoint: Box<Endpoint>, answered: Option<(Vec<u8>, Vec<u8>)> },
}

/// One end-to-end session.
pub struct Flow {
    pub(crate) tunnel: TunnelId,
    number: u32,
    session: Session,
    address: IpAddr,
    outgoing: bool,
    /// Local ports that have sent into an outgoing flow, newest first.
    opened: Vec<(u8, u16)>,
    reassembly: Reassembly,
    next_packet: u16,
    pub(crate) last_used: Duration,
    loss: Loss,
}

impl Engine {
    /// Starts the end-to-end handshake as the caller, right behind the request to be spliced, which saves a round trip to the
    /// exchange point: it serves its circuits in order. Where the one overtakes the other, it is repeated soon after ([`Self::go_on_calling`]).
    pub(crate) fn call_flow(&mut self, now: Duration, tunnel: TunnelId, out: &mut Outbox) {
        let known = self.tunnels.get(&tunnel).and_then(|known| known.extension.key.as_ref());
        let (begun, kind) = match known {
            Some(key) => (Handshake::initiate_to(key.bytes()), CALL_KNOWN),
            None => (Handshake::initiate(Pattern::EndToEnd, None), CALL),
        };
        let Ok((handshake, message)) = begun else {
            return self.fail_tunnel(now, tunnel, Failure::Refused, out);
        };
        let session = Session::Calling {
            handshake: Box::new(handshake),
            kind,
            message,
            started: now,
            repeat_at: now + REPEAT_AFTER,
            wait: REPEAT_AFTER,
        };
        match self.insert_flow(now, tunnel, 0, session, true) {
            Some(flow) => self.send_call(now, flow, out),
            None => self.fail_tunnel(now, tunnel, Failure::Exhausted, out),
        }
    }

    /// The exchange point has spliced.
    pub(crate) fn go_on_calling(&mut self, now: Duration, tunnel: TunnelId, out: &mut Outbox) {
        let Some(&slot) = self.flow_numbers.get(&(tunnel, 0)) else {
            return self.call_flow(now, tunnel, out);
        };
        match self.flows.get_mut(slot) {
            // The answer came before the word that we are spliced.
            Some(Flow { session: Session::Up { .. }, address, .. }) => {
                let address = *address;
                self.tell_ready(tunnel, Some(address), out);
            }
            // The other side is about as far from the exchange point as we are.
            Some(Flow { session: Session::Calling { started, repeat_at, .. }, .. }) => {
                let due = now + now.saturating_sub(*started) * 3 / 2 + PATIENCE;
                *repeat_at = due.min(*repeat_at);
            }
            None => {}
        }
    }

    fn send_call(&mut self, now: Duration, flow: Slot, out: &mut Outbox) {
        let Some(Flow { tunnel, number, session: Session::Calling { kind, message, .. }, .. }) =
            self.flows.get(flow)
        else {
            return;
        };
        let (tunnel, payload) = (*tunnel, handshake_payload(*number, *kind, message));
        self.send_payload(now, tunnel, &payload, out);
    }

    /// DATA from the last hop of one of our circuits.
    pub(crate) fn receive_flow(
        &mut self,
        now: Duration,
        tunnel: TunnelId,
        payload: &mut [u8],
        out: &mut Outbox,
    ) {
        if payload.len() < MESSAGE_AT {
            self.counters.cells_malformed += 1;
            return;
        }
        let number = read_u32(payload, 0);
        match payload[KIND_AT] {
            kind @ (CALL | CALL_KNOWN) => {
                self.receive_call(now, tunnel, number, kind, &payload[MESSAGE_AT..], out)
            }
            ANSWER => self.receive_answer(now, tunnel, number, &payload[MESSAGE_AT..], out),
            SEALED => self.receive_sealed_flow(now, tunnel, number, payload, out),
            _ => self.counters.cells_malformed += 1,
        }
    }

    fn receive_call(
        &mut self,
        now: Duration,
        tunnel: TunnelId,
        number: u32,
        kind: u8,
        message: &[u8],
        out: &mut Outbox,
    ) {
        let incoming = self
            .tunnels
            .get(&tunnel)
            .is_some_and(|known| known.ready && matches!(known.goal, Goal::Incoming { .. }));
        if !incoming {
            self.counters.flows_refused += 1;
            return;
        }
        if let Some(&flow) = self.flow_numbers.get(&(tunnel, number)) {
            if let Some(Flow { session: Session::Up { answered: Some((call, answer)), .. }, .. }) =
                self.flows.get(flow)
                && call == message
            {
                let payload = handshake_payload(number, ANSWER, answer);
                self.send_payload(now, tunnel, &payload, out);
            }
            return;
        }
        let known = self.tunnels.get(&tunnel);
        let key = known.and_then(|known| known.extension.key.as_ref()).map(TunnelKey::bytes);
        let secret = key.filter(|_| kind == CALL_KNOWN);
        if kind == CALL_KNOWN && secret.is_none() {
            self.counters.flows_refused += 1;
            return;
        }
        let Some((endpoint, answer)) = Endpoint::answer(message, secret) else {
            self.counters.flows_refused += 1;
            return;
        };
        let payload = handshake_payload(number, ANSWER, &answer);
        let session =
            Session::Up { endpoint: Box::new(endpoint), answered: Some((message.to_vec(), answer)) };
        if self.insert_flow(now, tunnel, number, session, false).is_some() {
            self.send_payload(now, tunnel, &payload, out);
        } else {
            self.counters.flows_refused += 1;
        }
    }

    fn receive_answer(
        &mut self,
        now: Duration,
        tunnel: TunnelId,
        number: u32,
        message: &[u8],
        out: &mut Outbox,
    ) {
        let Some(flow) = self.flow_numbers.get(&(tunnel, number)).and_then(|&flow| self.flows.get_mut(flow))
        else {
            return;
        };
        let Session::Calling { handshake, .. } = &mut flow.session else { return };
        let secrets = match handshake.read_answer(message) {
            Ok(_) => handshake.secrets(),
            Err(_) => None,
        };
        let Some(secrets) = secrets else {
            return self.fail_tunnel(now, tunnel, Failure::Refused, out);
        };
        flow.session = Session::Up { endpoint: Box::new(Endpoint::new(&secrets, true)), answered: None };
        let address = flow.address;
        if self.tunnels.get(&tunnel).is_some_and(|known| known.current.is_some()) {
            self.tell_ready(tunnel, Some(address), out);
        }
    }

    fn receive_sealed_flow(
        &mut self,
        now: Duration,
        tunnel: TunnelId,
        number: u32,
        payload: &mut [u8],
        out: &mut Outbox,
    ) {
        let Some(tun) = &self.tun else { return };
        let only_port = self.tunnels.get(&tunnel).and_then(|known| known.extension.port);
        let Some(flow) = self.flow_numbers.get(&(tunnel, number)).and_then(|&flow| self.flows.get_mut(flow))
        else {
            self.counters.tunnel_cells_refused += 1;
            return;
        };
        let Session::Up { endpoint, answered } = &mut flow.session else { return };
        let Some((counter, plain)) = endpoint.open(payload) else {
            self.counters.tunnel_cells_refused += 1;
            return;
        };
        *answered = None;
        let report = read_report(plain);
        flow.loss.opened(counter, report.is_none());
        if let Some(report) = report {
            if flow.loss.heard(now, report, endpoint.sealed()) {
                self.tell_lossy(now, tunnel, out);
            }
            return;
        }
        flow.last_used = now;
        let Some((&protocol, transport)) = flow.reassembly.take(plain).and_then(<[u8]>::split_first) else {
            return;
        };
        if !check_transport(protocol, transport) {
            self.counters.packets_to_tun_dropped += 1;
            return;
        }
        let port = ports(transport).1;
        let allowed = if flow.outgoing {
            flow.opened.contains(&(protocol, port))
        } else if let Some(only) = only_port {
            port == only
        } else {
            tun.allow.as_ref().is_none_or(|allow| allow.contains(&(protocol, port)))
        };
        if !allowed {
            self.counters.packets_to_tun_dropped += 1;
            return;
        }
        self.counters.packets_to_tun += 1;
        out.packet(|bytes| build(bytes, protocol, flow.address, tun.address, transport));
    }

    fn insert_flow(
        &mut self,
        now: Duration,
        tunnel: TunnelId,
        number: u32,
        session: Session,
        outgoing: bool,
    ) -> Option<Slot> {
        let of_tunnel = self.flow_numbers.keys().filter(|(other, _)| *other == tunnel).count();
        if of_tunnel >= MAX_FLOWS_PER_TUNNEL || self.flows.len() >= MAX_FLOWS {
            self.close_oldest_flow(tunnel)?;
        }
        let address = match self.free_address() {
            Some(address) => address,
            None => {
                self.close_oldest_flow(tunnel)?;
                self.free_address()?
            }
        };
        let flow = self.flows.insert(Flow {
            tunnel,
            number,
            session,
            address,
            outgoing,
            opened: Vec::new(),
            reassembly: Reassembly::default(),
            next_packet: 0,
            last_used: now,
            loss: Loss::default(),
        });
        self.flow_numbers.insert((tunnel, number), flow);
        self.flow_addresses.insert(address, flow);
        Some(flow)
    }

    /// A tunnel's callers crowd out only each other, the longest silent first: the exchange point's word that one has
    /// gone may have been lost.
    fn close_oldest_flow(&mut self, tunnel: TunnelId) -> Option<()> {
        let of_tunnel = self.flows.iter().filter(|(_, flow)| flow.tunnel == tunnel);
        let number = of_tunnel.min_by_key(|(_, flow)| flow.last_used).map(|(_, flow)| flow.number)?;
        self.close_flow(tunnel, number);
        Some(())
    }

    /// The exchange point says that a caller is gone.
    pub(crate) fn close_flow(&mut self, tunnel: TunnelId, number: u32) {
        let flow = self.flow_numbers.remove(&(tunnel, number)).and_then(|flow| self.flows.try_remove(flow));
        if let Some(flow) = flow {
            self.flow_addresses.remove(&flow.address);
            if let Some(known) = self.tunnels.get_mut(&tunnel) {
                known.used_at = known.used_at.max(flow.last_used);
            }
        }
    }

    /// A tunnel is gone.
    pub(crate) fn close_flows(&mut self, tunnel: TunnelId) {
        let numbers: Vec<u32> = self
            .flow_numbers
            .keys()
            .filter(|(other, _)| *other == tunnel)
            .map(|(_, number)| *number)
            .collect();
        for number in numbers {
            self.close_flow(tunnel, number);
        }
    }

    /// The address that stands for the callee of an outgoing tunnel.
    pub(crate) fn flow_address(&self, tunnel: TunnelId) -> Option<IpAddr> {
        let flow = self.flow_numbers.get(&(tunnel, 0))?;
        self.flows.get(*flow).map(|flow| flow.address)
    }

    /// Much of what one end says does not arrive at the other.
    fn tell_lossy(&mut self, now: Duration, tunnel: TunnelId, out: &mut Outbox) {
        self.counters.flows_lossy += 1;
        self.ask_for_other_hops(now, tunnel, out);
    }

    /// It is the other end that failed, or its exchange point: no hop before that is to be blamed.
    fn fail_tunnel(&mut self, now: Duration, tunnel: TunnelId, failure: Failure, out: &mut Outbox) {
        let known = self.tunnels.get(&tunnel);
        let circuit = known.and_then(|known| self.own.get(known.current.or(known.successor)?));
        let hop = circuit.map_or(0, Own::last_hop);
        out.events.push(Event::TunnelFailed { tunnel, failure, hop });
        self.close_tunnel(now, tunnel, out);
    }

    /// Repeats calls, forgets unused flows.
    pub(crate) fn tick_flows(&mut self, now: Duration, out: &mut Outbox) {
        let slots: Vec<Slot> = self.flows.iter().map(|(slot, _)| slot).collect();
        for slot in slots {
            let Some(flow) = self.flows.get_mut(slot) else { continue };
            let (tunnel, number) = (flow.tunnel, flow.number);
            match &mut flow.session {
                Session::Calling { started, repeat_at, wait, .. } => {
                    if now >= *started + CALL_TIMEOUT {
                        self.counters.flows_unanswered += 1;
                        self.fail_tunnel(now, tunnel, Failure::Timeout, out);
                    } else if now >= *repeat_at {
                        *wait = *wait * 3 / 2;
                        *repeat_at = now + *wait;
                        self.send_call(now, slot, out);
                    }
                }
                Session::Up { endpoint, .. } => {
                    if flow.loss.is_silent(now, endpoint.sealed()) {
                        self.tell_lossy(now, tunnel, out);
                        continue;
                    }
                    if let Some(report) = flow.loss.report(now) {
                        let mut payload = [0; PAYLOAD_BYTES];
                        write_report(Endpoint::plain_mut(&mut payload), &report);
                        endpoint.seal(number, &mut payload);
                        self.send_payload(now, tunnel, &payload, out);
                    } else if !flow.outgoing && now >= flow.last_used + FLOW_IDLE {
                        self.close_flow(tunnel, number);
                    }
                }
            }
        }
    }
}

fn handshake_payload(flow: u32, kind: u8, message: &[u8]) -> Vec<u8> {
    [&flow.to_be_bytes()[..], &[kind, 0, 0, 0], message].concat()
}
