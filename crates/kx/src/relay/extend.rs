//! EXTEND: how a circuit grows by a hop, seen from the hop that was the last.
//!
//! The CREATE goes out under numbers that continue the forward ones, and EXTENDED tells with which number backward
//! cells go on, so a listener sees no seam.

use super::Next;
use super::create::{CREATE_FRAGMENT_BYTES, read_create, write_create};
use crate::control::{Denial, Response};
use crate::engine::{Engine, Side, Slot};
use crate::exchange::{End, Parting};
use crate::fragments::{Assembly, split};
use crate::links::{LinkEnd, LinkId};
use crate::outbox::Outbox;
use crate::peer::Peer;
use cell::layout::{CellHeader, Command, Datagram};
use cell::window::ReplayWindow;
use std::time::Duration;

/// Backward numbers left for repeating the EXTENDED before the new last hop takes over.
const EXTENDED_RESERVE: u64 = 256;

/// A builder gives a path up with the first hop that fails; who asks on and on is looking for something else.
const MAX_EXTENDS: u8 = 4;

/// An EXTEND on its way.
pub(super) struct Extending {
    pub(super) request: u16,
    peer: Peer,
    /// The link that was there had been forgotten by the other side: dialled anew, once.
    redialled: bool,
    pub(super) link: LinkId,
    pub(super) circuit: u32,
    pub(super) start: u64,
    pub(super) message: Vec<u8>,
    pub(super) answer: Assembly,
}

impl Engine {
    #[allow(clippy::too_many_arguments)]
    pub(super) fn extend(
        &mut self,
        now: Duration,
        slot: Slot,
        id: u16,
        sequence: u64,
        peer: Peer,
        handshake: Vec<u8>,
        out: &mut Outbox,
    ) -> Result<(), Denial> {
        let relayed = self.relayed.get(slot).ok_or(Denial::Invalid)?;
        if relayed.next.is_some() || !matches!(relayed.end, End::Open) {
            return Err(Denial::Invalid);
        }
        if relayed.extending.is_some() {
            return Err(Denial::Invalid);
        }
        if handshake.len().div_ceil(CREATE_FRAGMENT_BYTES) > crate::fragments::MAX_FRAGMENTS
            || peer.identity == self.identity
        {
            return Err(Denial::Invalid);
        }
        if relayed.extends >= MAX_EXTENDS || !self.limits.allow(now, relayed.previous.0) {
            self.counters.circuits_over_limit += 1;
            return Err(Denial::Full);
        }
        let (link, circuit) = self.circuit_to(now, peer, out).ok_or(Denial::Full)?;
        let relayed = self.relayed.get_mut(slot).ok_or(Denial::Invalid)?;
        relayed.extends += 1;
        let start = (sequence + 1).wrapping_add(relayed.keys.forward_offset);
        relayed.extending = Some(Extending {
            request: id,
            peer,
            redialled: false,
            link,
            circuit,
            start,
            message: handshake,
            answer: Assembly::default(),
        });
        self.sides.insert((link, circuit), Side::Next(slot));
        self.send_create(now, slot, out);
        Ok(())
    }

    fn circuit_to(&mut self, now: Duration, peer: Peer, out: &mut Outbox) -> Option<(LinkId, u32)> {
        let random = (self.random)();
        let link = self.links.connect_for_other(now, peer, random, out)?;
        Some((link, self.free_circuit(link)?))
    }

    pub(super) fn send_create(&mut self, now: Duration, slot: Slot, out: &mut Outbox) {
        let Some(extending) = self.relayed.get(slot).and_then(|relayed| relayed.extending.as_ref()) else {
            return;
        };
        let header =
            CellHeader { circuit: extending.circuit, command: Command::Create, sequence: extending.start };
        for fragment in split(&extending.message, CREATE_FRAGMENT_BYTES) {
            let mut datagram = write_create(header, fragment);
            self.links.send(now, extending.link, &mut datagram, out);
        }
    }

    /// A CREATED fragment for an EXTEND of ours.
    pub(crate) fn receive_extended(
        &mut self,
        now: Duration,
        slot: Slot,
        header: CellHeader,
        datagram: &Datagram,
        out: &mut Outbox,
    ) {
        let Some(fragment) = read_create(datagram) else {
            self.counters.cells_malformed += 1;
            return;
        };
        let Some(relayed) = self.relayed.get_mut(slot) else { return };
        let Some(extending) = &mut relayed.extending else { return };
        let Some(handshake) = extending.answer.add(fragment) else { return };
        let base = relayed.backward_next + EXTENDED_RESERVE;
        relayed.next = Some(Next {
            link: extending.link,
            circuit: extending.circuit,
            window: ReplayWindow::new(header.sequence),
            base,
            backward_offset: base.wrapping_sub(header.sequence),
        });
        let id = extending.request;
        relayed.extending = None;
        relayed.created.clear();
        self.respond(now, slot, id, &Response::Extended { base, handshake }, out);
    }

    /// The link to the next hop is gone, or the next hop tore the circuit down.
    pub(crate) fn next_lost(
        &mut self,
        now: Duration,
        slot: Slot,
        end: Option<LinkEnd>,
        parting: Parting,
        out: &mut Outbox,
    ) {
        let Some(relayed) = self.relayed.get_mut(slot) else { return };
        let Some(mut extending) = relayed.extending.take() else {
            return self.remove_relayed(now, slot, parting, out);
        };
        self.sides.remove(&(extending.link, extending.circuit));
        if end == Some(LinkEnd::Lost)
            && !extending.redialled
            && let Some((link, circuit)) = self.circuit_to(now, extending.peer, out)
            && let Some(relayed) = self.relayed.get_mut(slot)
        {
            (extending.link, extending.circuit, extending.redialled) = (link, circuit, true);
            extending.answer.clear();
            relayed.extending = Some(extending);
            self.sides.insert((link, circuit), Side::Next(slot));
            return self.send_create(now, slot, out);
        }
        let denial = match end {
            Some(LinkEnd::WrongIdentity) => Denial::WrongIdentity,
            Some(_) => Denial::Unreachable,
            None => Denial::Full,
        };
        self.respond(now, slot, extending.request, &Response::Denied(denial), out);
    }
}
