//! The builder's side of circuits: telescoping, control requests, peeling, keepalive.
//!
//! A circuit is built hop by hop; each hop's certificate must match the identity asked for. Control is driven from
//! here: requests are repeated until answered, a bounded number of times.

mod asking;
mod pulse;
mod upkeep;

use crate::certificate::{Purpose, verify};
use crate::control::{self, CONTROL_FRAGMENT_BYTES, Denial, Request, Response};
use crate::engine::{Engine, Side, Slot};
use crate::event::{Failure, TunnelId};
use crate::exchange::Parting;
use crate::exchange::puzzle::Solver;
use crate::fragments::{Assembly, split};
use crate::hop::HopKeys;
use crate::links::LinkId;
use crate::noise::{Handshake, Pattern};
use crate::outbox::Outbox;
use crate::peer::{Identity, Peer};
use crate::relay::ADRIFT_AFTER;
use crate::relay::create::{CREATE_FRAGMENT_BYTES, read_create, write_create};
use cell::layer::Direction;
use cell::layout::{
    CellHeader, Command, DATAGRAM_BYTES, Datagram, body, body_mut, is_recognised, read_body_mut, read_u32,
    write_body,
};
use cell::window::{MAX_AHEAD, Refusal, ReplayWindow};
use pulse::Pulse;
use std::time::Duration;

/// Longest path.
pub const MAX_HOPS: usize = 8;
/// First repetition; later ones wait half as long again each, up to the longest.
const REPEAT_AFTER: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_millis(1000);
const STEP_TIMEOUT: Duration = Duration::from_secs(10);
const BUILD_TIMEOUT: Duration = Duration::from_secs(25);

/// What a circuit is built for.
#[derive(Clone, Copy, Debug)]
pub enum Goal {
    /// To be found under a pseudo-identity.
    Incoming {
        /// Whose.
        pseudo_identity: Identity,
        /// Owner's secret.
        token: [u8; 32],
    },
    /// To reach a pseudo-identity.
    Outgoing {
        /// Whose.
        pseudo_identity: Identity,
        /// Caller's secret.
        token: [u8; 32],
    },
}

struct Hop {
    keys: HopKeys,
    /// Added by this hop to backward numbers, once there is a hop behind it.
    backward_offset: u64,
}

/// A request, or the CREATE of the first hop, under way.
struct Pending {
    id: u16,
    /// `None`: the CREATE.
    request: Option<Request>,
    message: Vec<u8>,
    answer: Assembly,
    started: Duration,
    repeat_at: Duration,
    wait: Duration,
}

/// A circuit of our own.
pub struct Own {
    /// The tunnel that it serves.
    pub tunnel: TunnelId,
    /// Link to the first hop.
    pub link: LinkId,
    /// Circuit on that link.
    pub circuit: u32,
    /// What for.
    pub goal: Goal,
    /// Registered or connected.
    pub ready: bool,
    path: Vec<Peer>,
    hops: Vec<Hop>,
    handshake: Option<Box<Handshake>>,
    forward_next: u64,
    backward: Option<ReplayWindow>,
    pending: Option<Pending>,
    last_id: u16,
    started: Duration,
    pub(crate) pulse: Pulse,
    /// The link to the first hop had been forgotten there: dialled anew, once.
    redialled: bool,
    /// Backward cells in a row that were too far ahead.
    too_far_ahead: u8,
    /// How long each hop took to answer its handshake; zero where it had to be asked again.
    pub(crate) steps: Vec<Duration>,
    /// A puzzle of the exchange point's, worked at.
    solving: Option<Solver>,
}

impl Own {
    /// The exchange point's place on the path, from 0.
    pub(crate) fn last_hop(&self) -> u8 {
        self.path.len().saturating_sub(1) as u8
    }

    /// The answer to the handshake under way is here.
    fn note_step(&mut self, now: Duration) {
        let first_try = self.pending.as_ref().filter(|pending| pending.wait == REPEAT_AFTER);
        self.steps.push(first_try.map_or(Duration::ZERO, |pending| now.saturating_sub(pending.started)));
    }
}

impl Engine {
    /// Starts building a circuit of `tunnel`; later failures come through the tunnel.
    pub(crate) fn build(
        &mut self,
        now: Duration,
        tunnel: TunnelId,
        path: Vec<Peer>,
        goal: Goal,
        out: &mut Outbox,
    ) -> Result<Slot, Failure> {
        let (slot, message) = self.open_own(now, tunnel, path, goal, out)?;
        // Dialling shows in the circuit that it builds.
        let is_dialled = matches!(goal, Goal::Outgoing { .. }) && !self.tunnels.contains_key(&tunnel);
        if let Some(own) = self.own.get(slot).filter(|_| is_dialled) {
            self.links.raise_cover(now, own.link);
        }
        self.start(now, slot, None, message, out);
        Ok(slot)
    }

    fn open_own(
        &mut self,
        now: Duration,
        tunnel: TunnelId,
        path: Vec<Peer>,
        goal: Goal,
        out: &mut Outbox,
    ) -> Result<(Slot, Vec<u8>), Failure> {
        let first = *path.first().ok_or(Failure::Invalid)?;
        if path.len() > MAX_HOPS {
            return Err(Failure::Invalid);
        }
        if self.own.len() >= crate::engine::MAX_OWN {
            return Err(Failure::Exhausted);
        }
        let (handshake, message) = Handshake::initiate(Pattern::Hop, None).map_err(|_| Failure::Refused)?;
        let random = (self.random)();
        let link = self.links.connect(now, first, random, out).ok_or(Failure::Exhausted)?;
        let circuit = self.free_circuit(link).ok_or(Failure::Exhausted)?;
        let forward_next = (self.random)() >> 16;
        let slot = self.own.insert(Own {
            tunnel,
            link,
            circuit,
            goal,
            ready: false,
            path,
            hops: Vec::new(),
            handshake: Some(Box::new(handshake)),
            forward_next,
            backward: None,
            pending: None,
            last_id: 0,
            started: now,
            pulse: Pulse::new(now),
            redialled: false,
            too_far_ahead: 0,
            steps: Vec::new(),
            solving: None,
        });
        self.sides.insert((link, circuit), Side::Own(slot));
        Ok((slot, message))
    }

    fn start(
        &mut self,
        now: Duration,
        slot: Slot,
        request: Option<Request>,
        message: Vec<u8>,
        out: &mut Outbox,
    ) {
        let Some(own) = self.own.get_mut(slot) else { return };
        own.last_id = own.last_id.wrapping_add(1);
        own.pending = Some(Pending {
            id: own.last_id,
            request,
            message,
            answer: Assembly::default(),
            started: now,
            repeat_at: now + REPEAT_AFTER,
            wait: REPEAT_AFTER,
        });
        self.send_pending(now, slot, out);
    }

    fn request(&mut self, now: Duration, slot: Slot, request: Request, out: &mut Outbox) {
        let message = request.encode();
        #[cfg(feature = "attacks")]
        let message = match &mut self.tamper_request {
            Some(tamper) => tamper(message),
            None => message,
        };
        self.start(now, slot, Some(request), message, out);
    }

    fn send_pending(&mut self, now: Duration, slot: Slot, out: &mut Outbox) {
        let Some(own) = self.own.get_mut(slot) else { return };
        let Some(pending) = own.pending.take() else { return };
        if pending.request.is_none() {
            let header =
                CellHeader { circuit: own.circuit, command: Command::Create, sequence: own.forward_next };
            for fragment in split(&pending.message, CREATE_FRAGMENT_BYTES) {
                self.links.send(now, own.link, &mut write_create(header, fragment), out);
            }
        } else {
            for fragment in split(&pending.message, CONTROL_FRAGMENT_BYTES) {
                let mut datagram = [0; DATAGRAM_BYTES];
                let payload = control::encode_fragment(pending.id, fragment);
                write_body(body_mut(&mut datagram), control::REQUEST, &payload);
                self.send_forward(now, slot, &mut datagram, out);
            }
        }
        if let Some(own) = self.own.get_mut(slot) {
            own.pending = Some(pending);
        }
    }

    /// Puts all layers around the recognisable body in `datagram` and sends it to the last hop.
    pub(crate) fn send_forward(
        &mut self,
        now: Duration,
        slot: Slot,
        datagram: &mut Datagram,
        out: &mut Outbox,
    ) {
        let Some(own) = self.own.get_mut(slot) else { return };
        let first = own.forward_next;
        own.forward_next += 1;
        let mut sequences = [0; MAX_HOPS];
        let mut sequence = first;
        for (hop, at) in own.hops.iter().zip(&mut sequences) {
            *at = sequence;
            sequence = sequence.wrapping_add(hop.keys.forward_offset);
        }
        for (hop, &sequence) in own.hops.iter().zip(&sequences).rev() {
            hop.keys.layer.encrypt(Direction::Forward, sequence, body_mut(datagram));
        }
        CellHeader { circuit: own.circuit, command: Command::Relay, sequence: first }.write(datagram);
        let link = own.link;
        self.links.send(now, link, datagram, out);
    }

    /// A CREATED fragment from the first hop.
    pub(crate) fn receive_created(
        &mut self,
        now: Duration,
        slot: Slot,
        datagram: &Datagram,
        out: &mut Outbox,
    ) {
        let Some(own) = self.own.get_mut(slot) else { return };
        let Some(pending) = own.pending.as_mut().filter(|pending| pending.request.is_none()) else { return };
        let Some(fragment) = read_create(datagram) else {
            self.counters.cells_malformed += 1;
            return;
        };
        let Some(message) = pending.answer.add(fragment) else { return };
        own.note_step(now);
        self.complete_hop(now, slot, &message, None, out);
    }

    /// Message 2 of a hop handshake is here: checks it and takes the next step.
    fn complete_hop(
        &mut self,
        now: Duration,
        slot: Slot,
        message: &[u8],
        base: Option<u64>,
        out: &mut Outbox,
    ) {
        let unix_now = self.unix_start + now.as_secs();
        let Some(own) = self.own.get_mut(slot) else { return };
        own.pending = None;
        let Some(mut handshake) = own.handshake.take() else { return };
        let expected = own.path[own.hops.len()].identity;
        let keys = handshake.read_answer(message).ok().and_then(|certificate| {
            let certified = verify(&certificate, Purpose::Hop, unix_now).ok()?;
            let genuine = Some(certified.key) == handshake.remote_static() && certified.identity == expected;
            genuine.then(|| handshake.secrets()).flatten().map(|secrets| HopKeys::new(&secrets))
        });
        let Some(keys) = keys else {
            self.counters.identities_refused += 1;
            return self.fail_own(now, slot, Failure::WrongIdentity, Parting::Broken, out);
        };
        if own.hops.is_empty() {
            own.backward = Some(ReplayWindow::new(keys.backward_start));
        }
        if let (Some(base), Some(last)) = (base, own.hops.last_mut()) {
            last.backward_offset = base.wrapping_sub(keys.backward_start);
        }
        own.hops.push(Hop { keys, backward_offset: 0 });
        match own.path.get(own.hops.len()).copied() {
            Some(peer) => {
                let Ok((handshake, message)) = Handshake::initiate(Pattern::Hop, None) else {
                    return self.fail_own(now, slot, Failure::Refused, Parting::Broken, out);
                };
                own.handshake = Some(Box::new(handshake));
                self.request(now, slot, Request::Extend { peer, handshake: message }, out);
            }
            None => {
                if let Some(request) = self.last_request(now, slot) {
                    let connects = matches!(request, Request::Connect { .. });
                    self.request(now, slot, request, out);
                    if connects {
                        self.call_ahead(now, slot, out);
                    }
                }
            }
        }
    }

    /// A backward cell of our own circuit: peels until a hop's layer shows the recogniser.
    pub(crate) fn receive_own(
        &mut self,
        now: Duration,
        slot: Slot,
        header: CellHeader,
        datagram: &mut Datagram,
        out: &mut Outbox,
    ) {
        let Some(own) = self.own.get_mut(slot) else { return };
        let Some(window) = &mut own.backward else { return };
        if let Err(refusal) = window.check(header.sequence, MAX_AHEAD) {
            own.too_far_ahead += u8::from(refusal == Refusal::TooFarAhead);
            let adrift = own.too_far_ahead >= ADRIFT_AFTER;
            self.count_refusal(refusal);
            if adrift {
                self.counters.circuits_adrift += 1;
                self.fail_own(now, slot, Failure::Destroyed, Parting::Broken, out);
            }
            return;
        }
        let mut sequence = header.sequence;
        let mut recognised = false;
        for hop in &own.hops {
            hop.keys.layer.decrypt(Direction::Backward, sequence, body_mut(datagram));
            if is_recognised(body(datagram)) {
                recognised = true;
                break;
            }
            sequence = sequence.wrapping_sub(hop.backward_offset);
        }
        if !recognised {
            self.counters.cells_unrecognised += 1;
            return;
        }
        window.accept(header.sequence);
        own.too_far_ahead = 0;
        let Some((command, payload)) = read_body_mut(body_mut(datagram)) else {
            self.counters.cells_malformed += 1;
            return;
        };
        match command {
            control::RESPONSE => {
                let response = control::decode_fragment(payload).and_then(|(id, fragment)| {
                    let pending = own.pending.as_mut().filter(|p| p.id == id && p.request.is_some())?;
                    pending.answer.add(fragment)
                });
                if let Some(message) = response {
                    self.receive_response(now, slot, &message, out);
                }
            }
            control::DATA => {
                own.pulse.used(now);
                let tunnel = own.tunnel;
                self.receive_flow(now, tunnel, payload, out);
            }
            control::FLOW_CLOSED if payload.len() == 4 => match (own.goal, own.tunnel) {
                (Goal::Incoming { .. }, tunnel) => self.close_flow(tunnel, read_u32(payload, 0)),
                (Goal::Outgoing { .. }, _) => {
                    self.fail_own(now, slot, Failure::Destroyed, Parting::Finished, out);
                }
            },
            _ => self.counters.cells_malformed += 1,
        }
    }

    fn receive_response(&mut self, now: Duration, slot: Slot, message: &[u8], out: &mut Outbox) {
        let Some(own) = self.own.get_mut(slot) else { return };
        if matches!(own.pending, Some(Pending { request: Some(Request::Extend { .. }), .. })) {
            own.note_step(now);
        }
        let Some(Pending { request: Some(request), started, .. }) = own.pending.take() else { return };
        own.pulse.rest(now);
        match (request, Response::decode(message)) {
            (Request::Extend { .. }, Some(Response::Extended { base, handshake })) => {
                self.complete_hop(now, slot, &handshake, Some(base), out);
            }
            (
                Request::Register { .. } | Request::RegisterSigned { .. } | Request::Connect { .. },
                Some(Response::Done),
            ) => {
                own.ready = true;
                let (tunnel, goal) = (own.tunnel, own.goal);
                let is_first = self.promote(now, tunnel, slot);
                match goal {
                    Goal::Outgoing { .. } if is_first => self.go_on_calling(now, tunnel, out),
                    Goal::Outgoing { .. } => {
                        let address = self.flow_address(tunnel);
                        self.tell_ready(tunnel, address, out);
                    }
                    Goal::Incoming { .. } => self.tell_ready(tunnel, None, out),
                }
            }
            (Request::Connect { .. }, Some(Response::Puzzle(bits))) => match Solver::new(bits) {
                Some(solver) => {
                    own.solving = Some(solver);
                    self.tick_soon(now);
                }
                None => self.fail_own(now, slot, Failure::Refused, Parting::Broken, out),
            },
            (Request::Ping, Some(Response::Done)) => self.note_ping(now, slot, started, out),
            (Request::Ping, Some(Response::Denied(Denial::Unknown))) => self.forgotten(now, slot, out),
            (_, Some(Response::Denied(denial))) => {
                let failure = match denial {
                    Denial::Unknown => Failure::UnknownPseudoIdentity,
                    Denial::Taken => Failure::Taken,
                    Denial::Unreachable => Failure::Unreachable,
                    Denial::WrongIdentity => Failure::WrongIdentity,
                    Denial::Full | Denial::Invalid => Failure::Refused,
                };
                self.fail_own(now, slot, failure, Parting::Broken, out);
            }
            _ => self.fail_own(now, slot, Failure::Refused, Parting::Broken, out),
        }
    }
}
