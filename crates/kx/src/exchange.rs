//! The exchange point: who is registered here, and which circuits are spliced.
//!
//! An exchange belongs to a pseudo-identity, not to a circuit: its owner's circuit and its callers' circuits may be
//! replaced by newer ones that show the same token or registration key (rotation), and for a while be missing (repair).
//! Another owner gets it only with better right (`claim.rs`), and then begins without the callers. An exchange sees flow
//! numbers and sealed bytes, neither IP headers nor payload. A splice rewrites the flow number in place and sends the
//! same body on, so it allocates nothing. Where its circuits are is not known here (`shards.rs`).

pub mod claim;
pub(crate) mod places;
pub(crate) mod puzzle;
mod shards;

use crate::control::{self, Denial, Response};
use crate::engine::{Engine, Slot};
use crate::outbox::Outbox;
use crate::parcel::CircuitAt;
use crate::peer::Identity;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use cell::layout::{
    BODY_AT, BODY_HEADER_BYTES, DATAGRAM_BYTES, Datagram, body, body_mut, read_body, read_u32, write_body,
};
use claim::{Claim, Verdict};
pub use shards::Wish;
use std::collections::HashMap;
use std::time::Duration;

const MAX_EXCHANGES: usize = 4096;
const MAX_CALLERS: usize = 256;
const FLOW_AT: usize = BODY_AT + BODY_HEADER_BYTES;
/// How long an end whose circuit broke may take to come back over another one.
pub const GRACE: Duration = Duration::from_secs(20);

/// Never used twice, so a stale one finds nothing; the home's number at the top.
pub type ExchangeId = u64;

/// What a circuit that ends here is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Not decided: may be extended, register or connect.
    Open,
    /// An exchange at another engine was asked and has not answered yet.
    Asked,
    /// The owner's.
    Incoming {
        /// Which exchange.
        exchange: ExchangeId,
    },
    /// A caller's.
    Outgoing {
        /// Which exchange.
        exchange: ExchangeId,
        /// The caller's number in it.
        flow: u32,
    },
}

/// Whether a circuit ended because its builder wanted it to, or because something broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Parting {
    /// It may come back over another circuit.
    Broken = 0,
    /// It is over.
    Finished = 1,
}

/// The circuit of one end: there, or missing since.
#[derive(Clone, Copy, Debug)]
enum Presence {
    Here(CircuitAt),
    Missing(Duration),
}

struct Caller {
    token: [u8; 32],
    presence: Presence,
}

/// One registered pseudo-identity.
pub struct Exchange {
    pseudo_identity: Identity,
    held_by: Claim,
    /// By whose link the owner's circuit came.
    neighbour: Identity,
    owner: Presence,
    callers: HashMap<u32, Caller>,
    /// Never 0, which is every caller's own number for its flow, and never used twice. It begins anywhere: the callee may keep flows
    /// of a time before this peer was started again.
    next_flow: u32,
}

impl Presence {
    fn circuit(self) -> Option<CircuitAt> {
        match self {
            Self::Here(circuit) => Some(circuit),
            Self::Missing(_) => None,
        }
    }

    fn is_over(self, now: Duration) -> bool {
        matches!(self, Self::Missing(since) if now >= since + GRACE)
    }
}

impl Engine {
    /// A REGISTER of an open circuit: a new exchange, its owner over a newer circuit, or an owner with better right.
    fn register(
        &mut self,
        now: Duration,
        from: CircuitAt,
        pseudo_identity: Identity,
        (claim, neighbour): (Claim, Identity),
        out: &mut Outbox,
    ) -> Result<End, Denial> {
        let unix_now = self.unix_start + now.as_secs();
        let known = self.registrations.get(&pseudo_identity).copied();
        if let Some((id, exchange)) = known.and_then(|id| Some((id, self.exchanges.get_mut(&id)?))) {
            match claim.against(&exchange.held_by, unix_now) {
                Verdict::Refused => {
                    self.counters.registrations_refused += 1;
                    return Err(Denial::Taken);
                }
                Verdict::TakesOver => {
                    exchange.held_by.renew(claim);
                    self.places.leave(&exchange.neighbour);
                    self.places.take(neighbour);
                    exchange.neighbour = neighbour;
                    exchange.owner = Presence::Here(from);
                    self.counters.takeovers += 1;
                    return Ok(End::Incoming { exchange: id });
                }
                Verdict::Displaces => {
                    self.counters.registrations_displaced += 1;
                    self.displace(now, id, out);
                }
            }
        }
        if self.exchanges.len() >= MAX_EXCHANGES {
            let Some(crowded) = self.places.which_gives_way(self.exchanges.iter(), &neighbour) else {
                self.counters.registrations_refused += 1;
                return Err(Denial::Full);
            };
            self.counters.registrations_crowded_out += 1;
            self.displace(now, crowded, out);
        }
        let (id, owner) = (self.new_exchange_id(), Presence::Here(from));
        let next_flow = ((self.random)() as u32).max(1);
        let callers = HashMap::new();
        let exchange = Exchange { pseudo_identity, held_by: claim, neighbour, owner, callers, next_flow };
        self.places.take(neighbour);
        self.exchanges.insert(id, exchange);
        self.registrations.insert(pseudo_identity, id);
        self.counters.registrations += 1;
        Ok(End::Incoming { exchange: id })
    }

    /// The holder and its callers go.
    fn displace(&mut self, now: Duration, id: ExchangeId, out: &mut Outbox) {
        let owner = self.exchanges.get(&id).and_then(|exchange| exchange.owner.circuit());
        self.close_exchange(now, id, out);
        if let Some(circuit) = owner {
            self.end_circuit(now, circuit, Parting::Finished, out);
        }
    }

    /// A PING: an end that is not known any more hears it. That another circuit of the same end has taken over does not
    /// matter: its builder may not have heard of it yet.
    fn pong(&self, end: End) -> Response {
        let is_known = match end {
            End::Incoming { exchange } => self.exchanges.contains_key(&exchange),
            End::Outgoing { exchange, flow } => {
                self.exchanges.get(&exchange).is_some_and(|exchange| exchange.callers.contains_key(&flow))
            }
            End::Open | End::Asked => true,
        };
        if is_known { Response::Done } else { Response::Denied(Denial::Unknown) }
    }

    /// A CONNECT: a new caller, or a known one over a newer circuit.
    /// `worked`: zero bits of the answer to a puzzle.
    fn splice(
        &mut self,
        from: CircuitAt,
        pseudo_identity: Identity,
        token: [u8; 32],
        worked: u8,
    ) -> Result<End, Response> {
        #[cfg(feature = "attacks")]
        let known = self.exchange_of(&pseudo_identity);
        #[cfg(not(feature = "attacks"))]
        let known = self.registrations.get(&pseudo_identity).copied();
        let Some((id, exchange)) = known.and_then(|id| Some((id, self.exchanges.get_mut(&id)?))) else {
            self.counters.splices_refused += 1;
            return Err(Response::Denied(Denial::Unknown));
        };
        let price = puzzle::price(exchange.callers.len());
        let presence = Presence::Here(from);
        let returning = exchange
            .callers
            .iter_mut()
            .find(|(_, caller)| verify_slices_are_equal(&caller.token, &token).is_ok());
        let flow = if let Some((&flow, caller)) = returning {
            caller.presence = presence;
            self.counters.takeovers += 1;
            flow
        } else if exchange.callers.len() >= MAX_CALLERS {
            self.counters.splices_refused += 1;
            return Err(Response::Denied(Denial::Full));
        } else if worked < price {
            self.counters.puzzles_set += 1;
            return Err(Response::Puzzle(price));
        } else {
            let flow = exchange.next_flow;
            exchange.next_flow = flow.wrapping_add(1).max(1);
            exchange.callers.insert(flow, Caller { token, presence });
            self.counters.splices += 1;
            flow
        };
        Ok(End::Outgoing { exchange: id, flow })
    }

    /// End-to-end bytes that reached the last hop: on to the other side's circuit.
    pub(crate) fn splice_forward(
        &mut self,
        now: Duration,
        slot: Slot,
        datagram: &mut Datagram,
        out: &mut Outbox,
    ) {
        #[cfg(feature = "attacks")]
        if let Some(mut tamper) = self.tamper_splice.take() {
            for mut cell in tamper(*datagram) {
                self.splice_forward(now, slot, &mut cell, out);
            }
            self.tamper_splice = Some(tamper);
            return;
        }
        if read_body(body(datagram)).is_none_or(|(_, payload)| payload.len() < 4) {
            self.counters.cells_malformed += 1;
            return;
        }
        let Some(end) = self.relayed.get(slot).map(|relayed| relayed.end) else { return };
        self.send_to_exchange(now, end, datagram, out);
    }

    /// The same at the exchange's home: rewritten for the other side.
    fn exchange_cell(&mut self, now: Duration, end: End, datagram: &mut Datagram, out: &mut Outbox) {
        let to = match end {
            End::Open | End::Asked => None,
            End::Outgoing { exchange, flow } => {
                self.exchanges.get(&exchange).and_then(|e| Some((e.owner.circuit()?, flow)))
            }
            End::Incoming { exchange } => {
                let flow = read_u32(datagram, FLOW_AT);
                let caller = self.exchanges.get(&exchange).and_then(|e| e.callers.get(&flow));
                caller.and_then(|caller| Some((caller.presence.circuit()?, 0)))
            }
        };
        let Some((to, flow)) = to else { return };
        datagram[FLOW_AT..FLOW_AT + 4].copy_from_slice(&flow.to_be_bytes());
        self.counters.cells_relayed += 1;
        self.send_to_circuit(now, to, datagram, out);
    }

    /// A circuit that ended here is gone. What it was spliced to stays for a while, unless the builder meant it.
    fn unsplice(&mut self, now: Duration, from: CircuitAt, end: End, parting: Parting, out: &mut Outbox) {
        match end {
            End::Open | End::Asked => {}
            End::Incoming { exchange: id } => {
                let Some(exchange) = self.exchanges.get_mut(&id) else { return };
                if exchange.owner.circuit() != Some(from) {
                    return; // a newer circuit has taken over
                }
                match parting {
                    Parting::Broken => exchange.owner = Presence::Missing(now),
                    Parting::Finished => self.close_exchange(now, id, out),
                }
            }
            End::Outgoing { exchange: id, flow } => {
                let caller = self.exchanges.get_mut(&id).and_then(|exchange| exchange.callers.get_mut(&flow));
                let Some(caller) = caller.filter(|caller| caller.presence.circuit() == Some(from)) else {
                    return;
                };
                match parting {
                    Parting::Broken => caller.presence = Presence::Missing(now),
                    Parting::Finished => self.close_caller(now, id, flow, out),
                }
            }
        }
    }

    /// Gives up ends that have not come back.
    pub(crate) fn tick_exchanges(&mut self, now: Duration, out: &mut Outbox) {
        let over =
            self.exchanges.iter().filter(|(_, exchange)| exchange.owner.is_over(now)).map(|(id, _)| *id);
        for id in over.collect::<Vec<_>>() {
            self.close_exchange(now, id, out);
        }
        let gone = self.exchanges.iter().flat_map(|(id, exchange)| {
            let callers = exchange.callers.iter().filter(|(_, caller)| caller.presence.is_over(now));
            callers.map(|(flow, _)| (*id, *flow))
        });
        for (id, flow) in gone.collect::<Vec<_>>() {
            self.close_caller(now, id, flow, out);
        }
    }

    fn close_exchange(&mut self, now: Duration, id: ExchangeId, out: &mut Outbox) {
        let Some(exchange) = self.exchanges.remove(&id) else { return };
        self.places.leave(&exchange.neighbour);
        if self.registrations.get(&exchange.pseudo_identity) == Some(&id) {
            self.registrations.remove(&exchange.pseudo_identity);
        }
        for caller in exchange.callers.into_values().filter_map(|caller| caller.presence.circuit()) {
            self.end_circuit(now, caller, Parting::Finished, out);
        }
    }

    fn close_caller(&mut self, now: Duration, id: ExchangeId, flow: u32, out: &mut Outbox) {
        let Some(exchange) = self.exchanges.get_mut(&id) else { return };
        if exchange.callers.remove(&flow).is_none() {
            return;
        }
        if let Some(owner) = exchange.owner.circuit() {
            let mut datagram = [0; DATAGRAM_BYTES];
            write_body(body_mut(&mut datagram), control::FLOW_CLOSED, &flow.to_be_bytes());
            self.send_to_circuit(now, owner, &mut datagram, out);
        }
    }

    fn set_end(&mut self, slot: Slot, end: End) {
        if let Some(relayed) = self.relayed.get_mut(slot) {
            relayed.end = end;
        }
    }
}
