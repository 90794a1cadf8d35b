//! A peer that lies: hooks with which tests and attackers alter what an otherwise honest engine does.
//!
//! Only with the feature `attacks`, which is never shipped. A hook may alter, hold back, repeat or invent cells; it sees
//! what the peer itself sees and no more.

mod done;
mod lie;

use crate::control::REQUEST;
use crate::engine::{Engine, Slot};
use crate::event::TunnelId;
use crate::exchange::ExchangeId;
use crate::outbox::Outbox;
use crate::peer::Identity;
use cell::layout::{DATAGRAM_BYTES, Datagram, PAYLOAD_BYTES, body_mut, write_body};
pub use done::{Count, Done};
pub(crate) use lie::Liar;
pub use lie::{Attack, Lie};
use std::net::SocketAddr;
use std::time::Duration;

/// Between two turns of an attack that sends by itself.
const TURN_EVERY: Duration = Duration::from_millis(10);

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

    /// From now on this peer lies by itself, until another lie is ordered.
    pub(crate) fn begin_lie(&mut self, now: Duration, attack: Attack) {
        let sends = matches!(attack.lie, Lie::Flood(_) | Lie::Malformed(_));
        self.next_lie = sends.then_some(now);
        self.links.liar = Some(Box::new(Liar::new(attack)));
    }

    /// When [`Engine::go_on_lying`] has something to do.
    pub(crate) fn next_lie(&self) -> Option<Duration> {
        [self.next_lie, self.links.liar.as_ref()?.next_due()].into_iter().flatten().min()
    }

    /// Sends what was held for long enough, and what the lie sends by itself.
    pub(crate) fn go_on_lying(&mut self, now: Duration, out: &mut Outbox) {
        let Some(mut liar) = self.links.liar.take() else { return };
        while let Some((link, mut cell)) = liar.take_due(now) {
            self.links.send(now, link, &mut cell, out);
        }
        if self.next_lie.is_some_and(|at| at <= now) {
            self.next_lie = Some(now + TURN_EVERY);
            match liar.attack.lie {
                Lie::Flood(per_second) => self.flood(now, per_turn(per_second), &mut liar, out),
                Lie::Malformed(per_second) => self.send_malformed(now, per_turn(per_second), &mut liar, out),
                _ => {}
            }
        }
        self.links.liar = Some(liar);
    }

    fn flood(&mut self, now: Duration, cells: u32, liar: &mut Liar, out: &mut Outbox) {
        for link in self.links.all_up() {
            for _ in 0..cells {
                self.links.send(now, link, &mut liar.stray_cell(), out);
                liar.attack.done.cells_flooded.add(1);
            }
        }
    }

    /// On links, as last hop and as builder.
    fn send_malformed(&mut self, now: Duration, cells: u32, liar: &mut Liar, out: &mut Outbox) {
        for _ in 0..cells {
            for link in self.links.all_up() {
                self.links.send(now, link, &mut liar.malformed_cell(), out);
                liar.attack.done.cells_malformed.add(1);
            }
            let (command, payload) = liar.malformed_body();
            self.send_body_back(now, command, &payload, out);
            for tunnel in self.tunnels() {
                self.send_body(now, tunnel, command, &payload, out);
                self.send_body(now, tunnel, REQUEST, &payload, out);
                liar.attack.done.cells_malformed.add(2);
            }
        }
    }

    /// As exchange point: whom a caller gets.
    pub(crate) fn exchange_of(&self, pseudo_identity: &Identity) -> Option<ExchangeId> {
        let asked = self.registrations.get(pseudo_identity);
        if let Some(Liar { attack: Attack { lie: Lie::Hijack(own), done, .. }, .. }) =
            self.links.liar.as_deref()
            && let Some(&stolen) = self.registrations.get(own)
            && asked != Some(&stolen)
        {
            done.callers_stolen.add(1);
            return Some(stolen);
        }
        asked.copied()
    }

    /// As builder: looks at, or alters, each request before it goes out.
    pub fn attack_requests(&mut self, tamper: TamperRequest) {
        self.tamper_request = Some(tamper);
    }

    /// As exchange point: forgets who is registered; the circuits stay.
    pub fn forget_registrations(&mut self) {
        self.registrations.clear();
        self.exchanges.clear();
        self.places = Default::default();
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

fn per_turn(per_second: u32) -> u32 {
    (f64::from(per_second) * TURN_EVERY.as_secs_f64()).ceil() as u32
}

fn body_of(command: u8, payload: &[u8]) -> Datagram {
    let mut datagram = [0; DATAGRAM_BYTES];
    write_body(body_mut(&mut datagram), command, &payload[..payload.len().min(PAYLOAD_BYTES)]);
    datagram
}
