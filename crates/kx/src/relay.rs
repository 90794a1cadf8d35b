//! The relay's side of circuits: windows, one layer, forwarding; and the last hop's answers to its builder.
//!
//! The forwarding step allocates nothing. Hops that are not the last never originate backward cells: what goes wrong
//! behind them is told by DESTROY on the link.

use crate::control::{self, CONTROL_FRAGMENT_BYTES, Denial, Request, Response};
use crate::engine::{Engine, Side, Slot};
use crate::exchange::End;
use crate::fragments::{Assembly, Fragment, split};
use crate::hop::HopKeys;
use crate::links::{LinkEnd, LinkId};
use crate::noise::{Handshake, Pattern};
use crate::outbox::Outbox;
use crate::peer::Peer;
use cell::layer::Direction;
use cell::layout::{
    BODY_BYTES, CellHeader, Command, DATAGRAM_BYTES, Datagram, body, body_mut, is_recognised, read_body,
    write_body,
};
use cell::window::{MAX_AHEAD, Refusal, ReplayWindow};
use std::time::Duration;

/// What one CREATE or CREATED cell carries: index, count, length u16, bytes.
pub const CREATE_FRAGMENT_BYTES: usize = BODY_BYTES - 4;
/// Backward numbers left for repeating the EXTENDED before the new last hop takes over.
const EXTENDED_RESERVE: u64 = 256;
const MAX_RELAYED: usize = 1 << 14;
/// No forward cell for this long (builders ping): the circuit is dead.
pub const RELAY_IDLE: Duration = Duration::from_secs(60);
const CREATE_TIMEOUT: Duration = Duration::from_secs(5);
const REPEAT_AFTER: Duration = Duration::from_millis(200);
/// Half-received CREATEs.
pub const MAX_CREATING: usize = 512;

/// A CREATE of which fragments are missing.
pub struct Creating {
    assembly: Assembly,
    started: Duration,
}

impl Creating {
    /// Whether it has taken too long.
    pub fn is_over(&self, now: Duration) -> bool {
        now >= self.started + CREATE_TIMEOUT
    }
}

/// The hop after this one.
pub struct Next {
    /// Link to it.
    pub link: LinkId,
    /// Circuit on that link.
    pub circuit: u32,
    window: ReplayWindow,
    backward_offset: u64,
}

/// An EXTEND on its way.
struct Extending {
    request: u16,
    link: LinkId,
    circuit: u32,
    start: u64,
    message: Vec<u8>,
    answer: Assembly,
}

/// A circuit that passes here or ends here.
pub struct Relayed {
    /// Tells this circuit from a later one in the same slot.
    pub serial: u64,
    /// Link and circuit towards the builder.
    pub previous: (LinkId, u32),
    /// Where it goes on.
    pub next: Option<Next>,
    /// What it is for, where it ends here.
    pub end: End,
    /// When the last forward cell came.
    pub last_forward: Duration,
    keys: HopKeys,
    forward_window: ReplayWindow,
    backward_next: u64,
    /// Repeated while the builder repeats its CREATE.
    created: Vec<u8>,
    request: (u16, Assembly),
    response: Option<(u16, Vec<u8>)>,
    extending: Option<Extending>,
    /// When an answer was last sent: a round of repeated fragments is answered once.
    answered_at: Duration,
}

impl Relayed {
    fn may_repeat(&mut self, now: Duration) -> bool {
        let may = now >= self.answered_at + REPEAT_AFTER;
        if may {
            self.answered_at = now;
        }
        may
    }
}

impl Engine {
    /// A CREATE fragment: the previous hop, or the builder, wants a circuit through us.
    pub(crate) fn receive_create(
        &mut self,
        now: Duration,
        link: LinkId,
        header: CellHeader,
        datagram: &mut Datagram,
        out: &mut Outbox,
    ) {
        let key = (link, header.circuit);
        if let Some(Side::Previous(slot)) = self.sides.get(&key).copied() {
            if self.relayed.get_mut(slot).is_some_and(|relayed| relayed.may_repeat(now)) {
                self.send_created(now, slot, out);
            }
            return;
        }
        // Each end of a link picks circuit numbers from its own half.
        let by_dialler = header.circuit & 1 << 31 == 0;
        if self.sides.contains_key(&key) || self.links.is_dialled(link) == by_dialler {
            self.counters.circuits_refused += 1;
            return;
        }
        if self.relayed.len() >= MAX_RELAYED
            || (self.creating.len() >= MAX_CREATING && !self.creating.contains_key(&key))
        {
            self.counters.circuits_refused += 1;
            return;
        }
        let Some(fragment) = read_create(datagram) else {
            self.counters.cells_malformed += 1;
            return;
        };
        let creating = self
            .creating
            .entry(key)
            .or_insert_with(|| Creating { assembly: Assembly::default(), started: now });
        let Some(message) = creating.assembly.add(fragment) else { return };
        self.creating.remove(&key);
        let answer =
            Handshake::respond(Pattern::Hop, Some(&self.hop.secret), &message, &self.hop.certificate);
        let Some((mut handshake, created)) = answer.ok() else {
            self.counters.circuits_refused += 1;
            return;
        };
        let Some(secrets) = handshake.secrets() else { return };
        let keys = HopKeys::new(&secrets);
        self.serial += 1;
        let slot = self.relayed.insert(Relayed {
            serial: self.serial,
            previous: key,
            next: None,
            end: End::Open,
            last_forward: now,
            backward_next: keys.backward_start,
            keys,
            forward_window: ReplayWindow::new(header.sequence),
            created,
            request: (0, Assembly::default()),
            response: None,
            extending: None,
            answered_at: now,
        });
        self.sides.insert(key, Side::Previous(slot));
        self.counters.circuits_relayed += 1;
        self.send_created(now, slot, out);
    }

    fn send_created(&mut self, now: Duration, slot: Slot, out: &mut Outbox) {
        let Some(relayed) = self.relayed.get(slot) else { return };
        let (link, circuit) = relayed.previous;
        let header = CellHeader { circuit, command: Command::Created, sequence: relayed.keys.backward_start };
        for fragment in split(&relayed.created, CREATE_FRAGMENT_BYTES) {
            let mut datagram = write_create(header, fragment);
            self.links.send(now, link, &mut datagram, out);
        }
    }

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
            return self.count_refusal(refusal);
        }
        relayed.keys.layer.decrypt(Direction::Forward, header.sequence, body_mut(datagram));
        if is_recognised(body(datagram)) {
            relayed.forward_window.accept(header.sequence);
            relayed.last_forward = now;
            return self.receive_at_last_hop(now, slot, header.sequence, datagram, out);
        }
        let Some(next) = &relayed.next else {
            self.counters.cells_unrecognised += 1;
            return;
        };
        relayed.forward_window.accept(header.sequence);
        relayed.last_forward = now;
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
            return self.count_refusal(refusal);
        }
        next.window.accept(header.sequence);
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
        relayed.backward_next += 1;
        relayed.keys.layer.encrypt(Direction::Backward, sequence, body_mut(datagram));
        let (link, circuit) = relayed.previous;
        CellHeader { circuit, command: Command::Relay, sequence }.write(datagram);
        self.links.send(now, link, datagram, out);
    }

    fn receive_at_last_hop(
        &mut self,
        now: Duration,
        slot: Slot,
        sequence: u64,
        datagram: &mut Datagram,
        out: &mut Outbox,
    ) {
        let Some((command, payload)) = read_body(body(datagram)) else {
            self.counters.cells_malformed += 1;
            return;
        };
        match command {
            control::DATA => self.splice_forward(now, slot, datagram, out),
            control::REQUEST => {
                let Some((id, fragment)) = control::decode_fragment(payload) else {
                    self.counters.cells_malformed += 1;
                    return;
                };
                let Some(relayed) = self.relayed.get_mut(slot) else { return };
                if let Some((answered, _)) = &relayed.response
                    && *answered == id
                {
                    if relayed.may_repeat(now) {
                        self.send_response(now, slot, out);
                    }
                    return;
                }
                if relayed.extending.as_ref().is_some_and(|extending| extending.request == id) {
                    if relayed.may_repeat(now) {
                        self.send_create(now, slot, out);
                    }
                    return;
                }
                if relayed.request.0 != id {
                    relayed.request = (id, Assembly::default());
                }
                if let Some(message) = relayed.request.1.add(fragment) {
                    relayed.request.1.clear();
                    self.serve(now, slot, id, sequence, &message, out);
                }
            }
            _ => self.counters.cells_malformed += 1,
        }
    }

    fn serve(&mut self, now: Duration, slot: Slot, id: u16, sequence: u64, message: &[u8], out: &mut Outbox) {
        let response = match Request::decode(message) {
            Some(Request::Extend { peer, handshake }) => {
                match self.extend(now, slot, id, sequence, peer, handshake, out) {
                    Ok(()) => return,
                    Err(denial) => Response::Denied(denial),
                }
            }
            Some(Request::Register { pseudo_identity, token }) => {
                self.register(now, slot, pseudo_identity, token, out)
            }
            Some(Request::Connect { pseudo_identity }) => self.splice(slot, pseudo_identity),
            Some(Request::Ping) => Response::Done,
            None => Response::Denied(Denial::Invalid),
        };
        self.respond(now, slot, id, &response, out);
    }

    #[allow(clippy::too_many_arguments)]
    fn extend(
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
        let random = (self.random)();
        let link = self.links.connect(now, peer, random, out).ok_or(Denial::Full)?;
        let circuit = self.free_circuit(link).ok_or(Denial::Full)?;
        let relayed = self.relayed.get_mut(slot).ok_or(Denial::Invalid)?;
        let start = (sequence + 1).wrapping_add(relayed.keys.forward_offset);
        relayed.extending = Some(Extending {
            request: id,
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

    fn send_create(&mut self, now: Duration, slot: Slot, out: &mut Outbox) {
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
            backward_offset: base.wrapping_sub(header.sequence),
        });
        let id = extending.request;
        relayed.extending = None;
        relayed.created.clear();
        self.respond(now, slot, id, &Response::Extended { base, handshake }, out);
    }

    fn respond(&mut self, now: Duration, slot: Slot, id: u16, response: &Response, out: &mut Outbox) {
        if let Some(relayed) = self.relayed.get_mut(slot) {
            relayed.response = Some((id, response.encode()));
            relayed.answered_at = now;
            self.send_response(now, slot, out);
        }
    }

    fn send_response(&mut self, now: Duration, slot: Slot, out: &mut Outbox) {
        let Some((id, response)) = self.relayed.get(slot).and_then(|relayed| relayed.response.clone()) else {
            return;
        };
        for fragment in split(&response, CONTROL_FRAGMENT_BYTES) {
            let mut datagram = [0; DATAGRAM_BYTES];
            write_body(body_mut(&mut datagram), control::RESPONSE, &control::encode_fragment(id, fragment));
            self.send_backward(now, slot, &mut datagram, out);
        }
    }

    /// The link to the next hop is gone, or the next hop tore the circuit down.
    pub(crate) fn next_lost(&mut self, now: Duration, slot: Slot, end: Option<LinkEnd>, out: &mut Outbox) {
        let Some(relayed) = self.relayed.get_mut(slot) else { return };
        let Some(extending) = relayed.extending.take() else {
            return self.remove_relayed(now, slot, out);
        };
        self.sides.remove(&(extending.link, extending.circuit));
        let denial = match end {
            Some(LinkEnd::WrongIdentity) => Denial::WrongIdentity,
            Some(_) => Denial::Unreachable,
            None => Denial::Full,
        };
        self.respond(now, slot, extending.request, &Response::Denied(denial), out);
    }

    /// Forgets a circuit and tells both neighbours.
    pub(crate) fn remove_relayed(&mut self, now: Duration, slot: Slot, out: &mut Outbox) {
        let Some(relayed) = self.relayed.try_remove(slot) else { return };
        let onward = relayed.next.as_ref().map(|next| (next.link, next.circuit));
        let onward =
            onward.or(relayed.extending.as_ref().map(|extending| (extending.link, extending.circuit)));
        for (link, circuit) in [Some(relayed.previous), onward].into_iter().flatten() {
            self.sides.remove(&(link, circuit));
            self.send_destroy(now, link, circuit, out);
        }
        self.unsplice(now, slot, relayed.end, out);
    }

    pub(crate) fn count_refusal(&mut self, refusal: Refusal) {
        match refusal {
            Refusal::Replayed | Refusal::TooOld => self.counters.cells_replayed += 1,
            Refusal::TooFarAhead => self.counters.cells_too_far_ahead += 1,
        }
    }
}

/// A CREATE or CREATED cell: index, count, length, bytes in the body.
pub fn write_create(header: CellHeader, fragment: Fragment<'_>) -> Datagram {
    let mut datagram = [0; DATAGRAM_BYTES];
    header.write(&mut datagram);
    let body = body_mut(&mut datagram);
    body[0] = fragment.index;
    body[1] = fragment.count;
    body[2..4].copy_from_slice(&(fragment.bytes.len() as u16).to_be_bytes());
    body[4..4 + fragment.bytes.len()].copy_from_slice(fragment.bytes);
    datagram
}

/// The fragment in a CREATE or CREATED cell; `None` for an impossible length.
pub fn read_create(datagram: &Datagram) -> Option<Fragment<'_>> {
    let body = body(datagram);
    let length = usize::from(u16::from_be_bytes([body[2], body[3]]));
    Some(Fragment { index: body[0], count: body[1], bytes: body.get(4..4 + length)? })
}
