//! Exchanges and circuits at several engines of one peer: who is asked, who answers, who is told.
//!
//! An exchange lives at its *home*, which follows from the pseudo-identity; its number carries the home's. Where circuit
//! and home are at the same engine, which they always are if there is only one, everything is a call; else it is a parcel.

use super::claim::Claim;
use super::{End, ExchangeId, Parting};
use crate::control::{Denial, Response};
use crate::engine::{Engine, Slot};
use crate::outbox::Outbox;
use crate::parcel::{CircuitAt, Parcel};
use crate::peer::Identity;
use cell::layout::Datagram;
use std::time::Duration;

/// Where the home's number begins in that of an exchange.
const HOME_AT: u32 = 56;

/// What a builder asks its last hop for that concerns an exchange.
pub enum Wish {
    /// To have the callers of a pseudo-identity.
    Register {
        /// Whose.
        pseudo_identity: Identity,
        /// By what right, checked.
        claim: Claim,
        /// By whose link.
        neighbour: Identity,
    },
    /// To be spliced to the owner of a pseudo-identity.
    Connect {
        /// Whose.
        pseudo_identity: Identity,
        /// The caller's secret.
        token: [u8; 32],
        /// Zero bits of its answer to a puzzle.
        worked: u8,
    },
    /// To hear that what it has is still there.
    Ping {
        /// What it has.
        end: End,
    },
}

impl End {
    /// The engine where the exchange is, where there is one.
    fn home(self) -> Option<usize> {
        match self {
            Self::Open | Self::Asked => None,
            Self::Incoming { exchange } | Self::Outgoing { exchange, .. } => {
                Some((exchange >> HOME_AT) as usize)
            }
        }
    }
}

impl Engine {
    /// A number for a new exchange of this engine's.
    pub(super) fn new_exchange_id(&mut self) -> ExchangeId {
        self.last_exchange += 1;
        u64::from(self.shard.index) << HOME_AT | self.last_exchange
    }

    fn home_of(&self, wish: &Wish) -> usize {
        match wish {
            Wish::Register { pseudo_identity, .. } | Wish::Connect { pseudo_identity, .. } => {
                usize::from(pseudo_identity[0] % self.shard.count)
            }
            Wish::Ping { end } => end.home().unwrap_or(self.here()),
        }
    }

    fn here(&self) -> usize {
        usize::from(self.shard.index)
    }

    /// A circuit of this engine's, as others know it.
    pub(crate) fn circuit_at(&self, slot: Slot) -> Option<CircuitAt> {
        let relayed = self.relayed.get(slot)?;
        Some(CircuitAt { shard: self.shard.index, slot, serial: relayed.serial })
    }

    /// The slot of a circuit of this engine's that is still there.
    fn slot_of(&self, at: CircuitAt) -> Option<Slot> {
        self.relayed.get(at.slot).filter(|relayed| relayed.serial == at.serial).map(|_| at.slot)
    }

    /// A request of the builder's that an exchange must answer; the answer goes to the builder now or when it is here.
    pub(crate) fn ask_exchange(
        &mut self,
        now: Duration,
        slot: Slot,
        request: u16,
        wish: Wish,
        out: &mut Outbox,
    ) {
        let Some(relayed) = self.relayed.get(slot) else { return };
        let is_ping = matches!(wish, Wish::Ping { .. });
        if !is_ping && !relayed.is_open() {
            return self.respond(now, slot, request, &Response::Denied(Denial::Invalid), out);
        }
        let from = CircuitAt { shard: self.shard.index, slot, serial: relayed.serial };
        let home = self.home_of(&wish);
        if home == self.here() {
            let (response, end) = self.grant(now, from, wish, out);
            return self.settle(now, from, request, &response, end, out);
        }
        if !is_ping {
            self.set_end(slot, End::Asked);
        }
        out.parcels.push((home, Parcel::Asked { from, request, wish: Box::new(wish) }));
    }

    /// The home's decision.
    fn grant(
        &mut self,
        now: Duration,
        from: CircuitAt,
        wish: Wish,
        out: &mut Outbox,
    ) -> (Response, Option<End>) {
        let granted = match wish {
            Wish::Register { pseudo_identity, claim, neighbour } => {
                self.register(now, from, pseudo_identity, (claim, neighbour), out).map_err(Response::Denied)
            }
            Wish::Connect { pseudo_identity, token, worked } => {
                self.splice(from, pseudo_identity, token, worked)
            }
            Wish::Ping { end } => return (self.pong(end), None),
        };
        match granted {
            Ok(end) => (Response::Done, Some(end)),
            Err(response) => (response, None),
        }
    }

    /// What the home has decided: the circuit ends there from now on, where it is still there.
    fn settle(
        &mut self,
        now: Duration,
        to: CircuitAt,
        request: u16,
        response: &Response,
        end: Option<End>,
        out: &mut Outbox,
    ) {
        let Some(slot) = self.slot_of(to) else {
            if let Some(end) = end {
                self.leave_exchange(now, to, end, Parting::Broken, out);
            }
            return;
        };
        if let Some(relayed) = self.relayed.get_mut(slot) {
            match end {
                Some(end) => relayed.end = end,
                None if relayed.end == End::Asked => relayed.end = End::Open,
                None => {}
            }
        }
        self.respond(now, slot, request, response, out);
    }

    /// End-to-end bytes from a circuit that ends here.
    pub(super) fn send_to_exchange(
        &mut self,
        now: Duration,
        end: End,
        datagram: &mut Datagram,
        out: &mut Outbox,
    ) {
        match end.home() {
            Some(home) if home == self.here() => self.exchange_cell(now, end, datagram, out),
            Some(home) => out.parcels.push((home, Parcel::Arrived { end, datagram: *datagram })),
            None => {}
        }
    }

    /// A recognisable body for the builder of a circuit.
    pub(super) fn send_to_circuit(
        &mut self,
        now: Duration,
        to: CircuitAt,
        datagram: &mut Datagram,
        out: &mut Outbox,
    ) {
        if usize::from(to.shard) != self.here() {
            out.parcels.push((usize::from(to.shard), Parcel::Backward { to, datagram: *datagram }));
        } else if let Some(slot) = self.slot_of(to) {
            self.send_backward(now, slot, datagram, out);
        }
    }

    /// A circuit that ended at an exchange is gone.
    pub(crate) fn leave_exchange(
        &mut self,
        now: Duration,
        from: CircuitAt,
        end: End,
        parting: Parting,
        out: &mut Outbox,
    ) {
        match end.home() {
            Some(home) if home == self.here() => self.unsplice(now, from, end, parting, out),
            Some(home) => out.parcels.push((home, Parcel::Gone { from, end, parting })),
            None => {}
        }
    }

    /// A circuit that ends at an exchange is of no use any more.
    pub(super) fn end_circuit(&mut self, now: Duration, to: CircuitAt, parting: Parting, out: &mut Outbox) {
        if usize::from(to.shard) != self.here() {
            out.parcels.push((usize::from(to.shard), Parcel::Over { to, parting }));
        } else if let Some(slot) = self.slot_of(to) {
            self.remove_relayed(now, slot, parting, out);
        }
    }

    /// Something from another engine of this peer.
    pub fn handle_parcel(&mut self, now: Duration, parcel: Parcel, out: &mut Outbox) {
        match parcel {
            Parcel::Asked { from, request, wish } => {
                let (response, end) = self.grant(now, from, *wish, out);
                let answer = Parcel::Answered { to: from, request, response, end };
                out.parcels.push((usize::from(from.shard), answer));
            }
            Parcel::Answered { to, request, response, end } => {
                self.settle(now, to, request, &response, end, out);
            }
            Parcel::Arrived { end, mut datagram } => self.exchange_cell(now, end, &mut datagram, out),
            Parcel::Backward { to, mut datagram } => self.send_to_circuit(now, to, &mut datagram, out),
            Parcel::Gone { from, end, parting } => self.unsplice(now, from, end, parting, out),
            Parcel::Over { to, parting } => self.end_circuit(now, to, parting, out),
        }
        self.schedule(now);
    }
}
