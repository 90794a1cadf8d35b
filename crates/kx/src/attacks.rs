//! A peer that lies: hooks with which tests and attackers alter what an otherwise honest engine does.
//!
//! Only with the feature `attacks`, which is never shipped. A hook may alter, hold back, repeat or invent cells; it sees
//! what the peer itself sees and no more.

use crate::engine::{Engine, Slot};
use crate::event::TunnelId;
use crate::outbox::Outbox;
use cell::layout::{DATAGRAM_BYTES, Datagram, PAYLOAD_BYTES, body_mut, write_body};
use std::net::SocketAddr;
use std::time::Duration;

/// What becomes of a cell.
pub type Tamper = Box<dyn FnMut(Datagram) -> Vec<Datagram> + Send>;

/// What a builder says in place of a request.
pub type TamperRequest = Box<dyn FnMut(Vec<u8>) -> Vec<u8> + Send>;

/// Where a peer lies.
#[derive(Default)]
pub struct Attacks {
    /// On every cell that it sends on a link which is up, before the link seals it.
    pub cell: Option<Tamper>,
    /// As exchange point, on recognised end-to-end bodies before they are spliced.
    pub splice: Option<Tamper>,
}

impl Engine {
    /// From now on this peer lies.
    pub fn attack(&mut self, attacks: Attacks) {
        self.links.tamper = attacks.cell;
        self.tamper_splice = attacks.splice;
    }

    /// As builder: looks at, or alters, each request before it goes out.
    pub fn attack_requests(&mut self, tamper: TamperRequest) {
        self.tamper_request = Some(tamper);
    }

    /// As exchange point: forgets who is registered; the circuits stay.
    pub fn forget_registrations(&mut self) {
        self.registrations.clear();
        self.exchanges.clear();
    }

    /// Sends the cell in `datagram` as it stands on the link to `to`; `false` where there is none that is up.
    pub fn send_cell(
        &mut self,
        now: Duration,
        to: SocketAddr,
        datagram: &mut Datagram,
        out: &mut Outbox,
    ) -> bool {
        self.links.up_to(to).is_some_and(|link| self.links.send(now, link, datagram, out))
    }

    /// As builder: sends a recognisable body down a tunnel's circuit. `payload` is cut to what fits.
    pub fn send_body(
        &mut self,
        now: Duration,
        tunnel: TunnelId,
        command: u8,
        payload: &[u8],
        out: &mut Outbox,
    ) {
        let known = self.tunnels.get(&tunnel);
        if let Some(slot) = known.and_then(|known| known.current.or(known.successor)) {
            let mut datagram = body_of(command, payload);
            self.send_forward(now, slot, &mut datagram, out);
        }
    }

    /// As last hop: sends a recognisable body back on every circuit that passes here.
    pub fn send_body_back(&mut self, now: Duration, command: u8, payload: &[u8], out: &mut Outbox) {
        let slots: Vec<Slot> = self.relayed.iter().map(|(slot, _)| slot).collect();
        for slot in slots {
            let mut datagram = body_of(command, payload);
            self.send_backward(now, slot, &mut datagram, out);
        }
    }
}

fn body_of(command: u8, payload: &[u8]) -> Datagram {
    let mut datagram = [0; DATAGRAM_BYTES];
    write_body(body_mut(&mut datagram), command, &payload[..payload.len().min(PAYLOAD_BYTES)]);
    datagram
}
