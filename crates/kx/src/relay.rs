//! The relay's side of circuits: windows, one layer, forwarding, DESTROY.
//!
//! The forwarding step allocates nothing. Hops that are not the last never originate backward cells: what goes wrong
//! behind them is told by DESTROY on the link.

pub mod create;
mod extend;
mod last_hop;
pub(crate) mod limits;

use crate::engine::{Engine, Slot};
use crate::exchange::{End, Parting};
use crate::fragments::Assembly;
use crate::hop::HopKeys;
use crate::links::LinkId;
use crate::outbox::Outbox;
use cell::layer::{Direction, prefetch};
use cell::layout::{CellHeader, Command, Datagram, body, body_mut, is_recognised};
use cell::window::{MAX_AHEAD, Refusal, ReplayWindow};
use extend::Extending;
use std::time::Duration;

const MAX_RELAYED: usize = 1 << 14;
/// No forward cell for this long (builders ping): the circuit is dead.
pub const RELAY_IDLE: Duration = Duration::from_secs(60);

/// So many cells in a row too far ahead of a window: more was lost than a window holds, and nothing will come in again.
pub const ADRIFT_AFTER: u8 = 64;

/// The hop after this one.
pub struct Next {
    /// Link to it.
    pub link: LinkId,
    /// Circuit on that link.
    pub circuit: u32,
    window: ReplayWindow,
    /// Number of its first backward cell on the link to the previous hop: ours stay below.
    base: u64,
    backward_offset: u64,
}

/// A circuit that passes here or ends here. Whatever refers to its slot (`sides`, a registration, a splice) is removed
/// with it, so no reference outlives it.
pub struct Relayed {
    /// Never used twice at this engine.
    pub(crate) serial: u64,
    /// Link and circuit towards the builder.
    pub previous: (LinkId, u32),
    /// Where it goes on.
    pub next: Option<Next>,
    /// What it is for, where it ends here.
    pub end: End,
    /// When the last forward cell came.
    pub last_forward: Duration,
    pub(crate) keys: HopKeys,
    forward_window: ReplayWindow,
    backward_next: u64,
    /// Repeated while the builder repeats its CREATE.
    created: Vec<u8>,
    request: (u16, Assembly),
    response: Option<(u16, Vec<u8>)>,
    extending: Option<Extending>,
    /// When an answer was last sent: a round of repeated fragments is answered once.
    answered_at: Duration,
    /// EXTENDs so far.
    extends: u8,
    /// REGISTERs so far.
    registers: u8,
    /// Cells in a row that were too far ahead.
    too_far_ahead: u8,
}

impl Relayed {
    /// Whether it is the last hop of its circuit and for nothing yet.
    pub(crate) fn is_open(&self) -> bool {
        self.next.is_none() && self.end == End::Open
    }

    /// Asks for the memory that a cell of this circuit needs.
    pub(crate) fn prefetch(&self) {
        self.keys.layer.prefetch();
        prefetch(&self.forward_window);
        if let Some(next) = &self.next {
            prefetch(&next.window);
        }
    }
}

impl Engine {
    /// A cell from the builder's side.
    pub(crate) fn receive_forward(
        &mut self,
        now: Duration,
        slot: Slot,
        header: CellHeader,
        datagram: &mut Datagram,
        out: &mut Outbox,
    ) {
        let Some(relayed) = self.relayed.get_mut(slot) else { return };
        if let Err(refusal) = relayed.forward_window.check(header.sequence, MAX_AHEAD) {
            return self.refuse_cell(now, slot, refusal, out);
        }
        relayed.keys.layer.decrypt(Direction::Forward, header.sequence, body_mut(datagram));
        if is_recognised(body(datagram)) {
            relayed.forward_window.accept(header.sequence);
            relayed.last_forward = now;
            relayed.too_far_ahead = 0;
            return self.receive_at_last_hop(now, slot, header.sequence, datagram, out);
        }
        let Some(next) = &relayed.next else {
            self.counters.cells_unrecognised += 1;
            #[cfg(feature = "attacks")]
            self.links.liar.iter().for_each(|liar| liar.look_for_mark(datagram));
            return;
        };
        relayed.forward_window.accept(header.sequence);
        relayed.last_forward = now;
        relayed.too_far_ahead = 0;
        let sequence = header.sequence.wrapping_add(relayed.keys.forward_offset);
        CellHeader { circuit: next.circuit, command: Command::Relay, sequence }.write(datagram);
        self.counters.cells_relayed += 1;
        self.links.send(now, next.link, datagram, out);
    }

    /// A cell from the far side, on its way to the builder.
    pub(crate) fn receive_backward(
        &mut self,
        now: Duration,
        slot: Slot,
        header: CellHeader,
        datagram: &mut Datagram,
        out: &mut Outbox,
    ) {
        let Some(relayed) = self.relayed.get_mut(slot) else { return };
        let Some(next) = &mut relayed.next else { return };
        if let Err(refusal) = next.window.check(header.sequence, MAX_AHEAD) {
            return self.refuse_cell(now, slot, refusal, out);
        }
        next.window.accept(header.sequence);
        relayed.too_far_ahead = 0;
        let sequence = header.sequence.wrapping_add(next.backward_offset);
        relayed.keys.layer.encrypt(Direction::Backward, sequence, body_mut(datagram));
        let (link, circuit) = relayed.previous;
        CellHeader { circuit, command: Command::Relay, sequence }.write(datagram);
        self.counters.cells_relayed += 1;
        self.links.send(now, link, datagram, out);
    }

    /// Sends the recognisable body in `datagram` to the builder, as the last hop.
    pub(crate) fn send_backward(
        &mut self,
        now: Duration,
        slot: Slot,
        datagram: &mut Datagram,
        out: &mut Outbox,
    ) {
        let Some(relayed) = self.relayed.get_mut(slot) else { return };
        let sequence = relayed.backward_next;
        if relayed.next.as_ref().is_some_and(|next| sequence >= next.base) {
            return;
        }
        relayed.backward_next += 1;
        relayed.keys.layer.encrypt(Direction::Backward, sequence, body_mut(datagram));
        let (link, circuit) = relayed.previous;
        CellHeader { circuit, command: Command::Relay, sequence }.write(datagram);
        self.links.send(now, link, datagram, out);
    }

    /// Forgets a circuit and tells both neighbours.
    pub(crate) fn remove_relayed(&mut self, now: Duration, slot: Slot, parting: Parting, out: &mut Outbox) {
        let Some(at) = self.circuit_at(slot) else { return };
        let Some(relayed) = self.relayed.try_remove(slot) else { return };
        let onward = relayed.next.as_ref().map(|next| (next.link, next.circuit));
        let onward =
            onward.or(relayed.extending.as_ref().map(|extending| (extending.link, extending.circuit)));
        for (link, circuit) in [Some(relayed.previous), onward].into_iter().flatten() {
            self.sides.remove(&(link, circuit));
            self.send_destroy(now, link, circuit, parting, out);
        }
        self.leave_exchange(now, at, relayed.end, parting, out);
    }

    /// A cell that a window refuses. A circuit whose cells are all too far ahead is given up: its builder repairs it.
    fn refuse_cell(&mut self, now: Duration, slot: Slot, refusal: Refusal, out: &mut Outbox) {
        self.count_refusal(refusal);
        let Some(relayed) = self.relayed.get_mut(slot) else { return };
        relayed.too_far_ahead += u8::from(refusal == Refusal::TooFarAhead);
        if relayed.too_far_ahead >= ADRIFT_AFTER {
            self.counters.circuits_adrift += 1;
            self.remove_relayed(now, slot, Parting::Broken, out);
        }
    }

    pub(crate) fn count_refusal(&mut self, refusal: Refusal) {
        match refusal {
            Refusal::Replayed | Refusal::TooOld => self.counters.cells_replayed += 1,
            Refusal::TooFarAhead => self.counters.cells_too_far_ahead += 1,
        }
    }
}
