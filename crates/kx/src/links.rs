//! Links: the encrypted, authenticated datagram channels between two peers.
//!
//! A stranger gets a cookie without any state being kept, then a Noise XX handshake in fragments, each of which shows
//! the cookie. Only then does an RSA verification happen, and only for certificates not seen before. Every table is
//! bounded. What cells on a link mean is not in here.

use crate::certificate::{Certified, Purpose, digest_of, verify};
use crate::cookie::CookieJar;
use crate::counters::Counters;
use crate::dialing::{Answering, Dialing, Progress};
use crate::outbox::Outbox;
use crate::peer::{Identity, Peer};
use crate::wire::{HandshakeHeader, Step};
use cell::layout::{CellHeader, Command, Datagram, Kind};
use cell::link::{LinkKey, SealedHeader};
use cell::window::ReplayWindow;
use slab::Slab;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

/// This peer's number for a link: slab slot in the low 16 bits, random above.
pub type LinkId = u32;

const MAX_LINKS: usize = 1 << 14;
const MAX_ANSWERING: usize = 512;
const MAX_ANSWERING_PER_SOURCE: usize = 16;
const MAX_CACHED_CERTIFICATES: usize = 4096;
const TICK: Duration = Duration::from_millis(500);
/// After data came in and nothing went out for this long, padding says that we are alive.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// After data went out and nothing came in for this long, the link is dead.
const DEAD_AFTER: Duration = Duration::from_secs(8);
const IDLE_AFTER: Duration = Duration::from_secs(120);
const SLOT_MASK: u32 = 0xffff;

/// This peer's own keys for links.
pub struct LinkIdentity {
    /// X25519 secret.
    pub secret: [u8; 32],
    /// Certificate of its public half.
    pub certificate: Vec<u8>,
}

/// Why a link is no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkEnd {
    /// Nobody answered in time, or not any more.
    Timeout,
    /// The peer there is another than the one dialled.
    WrongIdentity,
    /// Its handshake or certificate does not hold.
    Refused,
    /// Unused.
    Idle,
}

/// A change of a link that circuits must hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkClosed {
    /// Which.
    pub link: LinkId,
    /// Why.
    pub end: LinkEnd,
}

struct Session {
    identity: Identity,
    remote_index: u32,
    send: LinkKey,
    receive: LinkKey,
    next_counter: u64,
    window: ReplayWindow,
    /// Message 3, resent until the responder's first datagram proves that it has arrived.
    unconfirmed: Option<Box<Dialing>>,
    last_received: Duration,
    /// When the oldest datagram went out to which nothing has come back.
    unanswered_since: Option<Duration>,
    /// When the oldest cell came in after which nothing has gone out.
    owed_since: Option<Duration>,
    last_cell: Duration,
}

enum State {
    Dialing(Box<Dialing>),
    Answering(Box<Answering>),
    Up(Box<Session>),
}

struct Link {
    id: LinkId,
    address: SocketAddr,
    dialled: bool,
    state: State,
}

/// All links of this peer.
pub struct Links {
    own: LinkIdentity,
    jar: CookieJar,
    unix_start: u64,
    table: Slab<Link>,
    by_peer: HashMap<Peer, LinkId>,
    answering: HashMap<(SocketAddr, u32), LinkId>,
    certificates: HashMap<[u8; 32], Certified>,
    closed: Vec<LinkClosed>,
    next_tick: Option<Duration>,
}

impl Links {
    /// `unix_start` is the Unix time at which the engine's clock says zero.
    pub fn new(own: LinkIdentity, cookie_secret: &[u8; 32], unix_start: u64) -> Self {
        Self {
            own,
            jar: CookieJar::new(cookie_secret),
            unix_start,
            table: Slab::new(),
            by_peer: HashMap::new(),
            answering: HashMap::new(),
            certificates: HashMap::new(),
            closed: Vec::new(),
            next_tick: None,
        }
    }

    /// The link to `peer`, dialled if there is none. `None` when the table is full.
    pub fn connect(&mut self, now: Duration, peer: Peer, random: u64, out: &mut Outbox) -> Option<LinkId> {
        if let Some(&id) = self.by_peer.get(&peer) {
            return Some(id);
        }
        let id = self.insert(peer.address, random, |id| {
            State::Dialing(Box::new(Dialing::new(now, peer.identity, id, (random >> 32) as u32)))
        })?;
        self.by_peer.insert(peer, id);
        if let Some(Link { state: State::Dialing(dialing), .. }) = self.get_mut(id) {
            dialing.transmit(peer.address, out);
        }
        self.schedule(now);
        Some(id)
    }

    /// Who is proven to be at the other end; `None` while the handshake runs.
    pub fn identity(&self, link: LinkId) -> Option<Identity> {
        match &self.get(link)?.state {
            State::Up(session) => Some(session.identity),
            _ => None,
        }
    }

    /// Whether this peer dialled it (each end numbers its circuits from its own half).
    pub fn is_dialled(&self, link: LinkId) -> bool {
        self.get(link).is_some_and(|link| link.dialled)
    }

    /// Links that are up.
    pub fn up(&self) -> usize {
        self.table.iter().filter(|(_, link)| matches!(link.state, State::Up(_))).count()
    }

    /// Seals the cell in `datagram` and sends it; kept (bounded) while the handshake runs. `false`: no such link.
    pub fn send(&mut self, now: Duration, link: LinkId, datagram: &mut Datagram, out: &mut Outbox) -> bool {
        let Some(link) = self.get_mut(link) else { return false };
        match &mut link.state {
            State::Up(session) => session.send_cell(now, link.address, datagram, out),
            State::Dialing(dialing) => dialing.keep(datagram),
            State::Answering(_) => return false,
        }
        true
    }

    /// Takes a datagram; a relay-able cell comes back with its link and header, opened in place.
    pub fn receive(
        &mut self,
        now: Duration,
        from: SocketAddr,
        datagram: &mut Datagram,
        random: u64,
        counters: &mut Counters,
        out: &mut Outbox,
    ) -> Option<(LinkId, CellHeader)> {
        match Kind::of(datagram) {
            Some(Kind::Sealed) => return self.receive_sealed(now, from, datagram, counters),
            Some(Kind::Hello) => {
                let hello = HandshakeHeader::read(datagram);
                let cookie = self.jar.bake(now, from, hello.sender);
                out.send(from, &HandshakeHeader::cookie(datagram, cookie));
            }
            Some(Kind::Cookie) => {
                let header = HandshakeHeader::read(datagram);
                let secret = self.own.secret;
                if let Some(Link { state: State::Dialing(dialing), address, .. }) =
                    self.get_mut(header.receiver)
                    && *address == from
                {
                    if dialing.take_cookie(&secret, datagram) {
                        dialing.transmit(from, out);
                    }
                } else {
                    counters.datagrams_unknown_link += 1;
                }
            }
            Some(Kind::Handshake) => self.receive_handshake(now, from, datagram, random, counters, out),
            None => counters.datagrams_malformed += 1,
        }
        None
    }

    /// When [`Links::tick`] wants to run.
    pub fn next_timeout(&self) -> Option<Duration> {
        self.next_tick
    }

    /// Retransmits, keeps alive, closes what is dead.
    pub fn tick(&mut self, now: Duration, counters: &mut Counters, out: &mut Outbox) {
        if self.next_tick.is_none_or(|at| at > now) {
            return;
        }
        let mut ended = Vec::new();
        for (_, link) in &mut self.table {
            let end = match &mut link.state {
                State::Dialing(dialing) => match dialing.tick(now) {
                    Progress::Transmit => {
                        dialing.transmit(link.address, out);
                        None
                    }
                    Progress::GiveUp => Some(LinkEnd::Timeout),
                },
                State::Answering(answering) => answering.is_over(now).then_some(LinkEnd::Timeout),
                State::Up(session) => session.tick(now, link.address, out),
            };
            if let Some(end) = end {
                ended.push(LinkClosed { link: link.id, end });
            }
        }
        for LinkClosed { link, end } in ended {
            self.close(link, end, counters);
        }
        self.next_tick = None;
        if !self.table.is_empty() {
            self.schedule(now);
        }
    }

    /// Links that closed since the last call.
    pub fn take_closed(&mut self) -> Vec<LinkClosed> {
        std::mem::take(&mut self.closed)
    }

    fn receive_sealed(
        &mut self,
        now: Duration,
        from: SocketAddr,
        datagram: &mut Datagram,
        counters: &mut Counters,
    ) -> Option<(LinkId, CellHeader)> {
        let sealed = SealedHeader::read(datagram);
        let Some(Link { id, state: State::Up(session), address, .. }) = self.get_mut(sealed.receiver) else {
            counters.datagrams_unknown_link += 1;
            return None;
        };
        if *address != from {
            counters.datagrams_unknown_link += 1;
            return None;
        }
        if session.window.check(sealed.counter, u64::MAX).is_err() {
            counters.datagrams_replayed += 1;
            return None;
        }
        if !session.receive.open(datagram) {
            counters.datagrams_forged += 1;
            return None;
        }
        session.window.accept(sealed.counter);
        session.last_received = now;
        session.unanswered_since = None;
        session.unconfirmed = None;
        let Some(header) = CellHeader::read(datagram) else {
            counters.cells_malformed += 1;
            return None;
        };
        if header.command == Command::Padding {
            return None;
        }
        session.owed_since.get_or_insert(now);
        session.last_cell = now;
        Some((*id, header))
    }

    fn receive_handshake(
        &mut self,
        now: Duration,
        from: SocketAddr,
        datagram: &Datagram,
        random: u64,
        counters: &mut Counters,
        out: &mut Outbox,
    ) {
        let header = HandshakeHeader::read(datagram);
        match header.step {
            Some(Step::First) => self.receive_first(now, from, datagram, &header, random, counters, out),
            Some(Step::Second) => self.receive_second(now, from, datagram, &header, counters, out),
            Some(Step::Third) => self.receive_third(now, from, datagram, &header, counters, out),
            None => counters.datagrams_malformed += 1,
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn receive_first(
        &mut self,
        now: Duration,
        from: SocketAddr,
        datagram: &Datagram,
        header: &HandshakeHeader,
        random: u64,
        counters: &mut Counters,
        out: &mut Outbox,
    ) {
        if !self.jar.holds(now, from, header.sender, &header.cookie) {
            counters.cookies_refused += 1;
            return;
        }
        let key = (from, header.sender);
        let id = match self.answering.get(&key) {
            Some(&id) => id,
            None => {
                let of_source =
                    self.answering.keys().filter(|(address, _)| address.ip() == from.ip()).count();
                if self.answering.len() >= MAX_ANSWERING || of_source >= MAX_ANSWERING_PER_SOURCE {
                    counters.handshakes_over_limit += 1;
                    return;
                }
                let sender = header.sender;
                let state = |_| State::Answering(Box::new(Answering::new(now, sender)));
                let Some(id) = self.insert(from, random, state) else {
                    counters.handshakes_over_limit += 1;
                    return;
                };
                self.answering.insert(key, id);
                self.schedule(now);
                id
            }
        };
        let (secret, certificate) = (self.own.secret, &self.own.certificate);
        let slot = (id & SLOT_MASK) as usize;
        if let Some(Link { state: State::Answering(answering), .. }) = self.table.get_mut(slot) {
            match answering.take_first(now, header.fragment(datagram), &secret, certificate) {
                Ok(true) => answering.transmit(id, from, out),
                Ok(false) => {}
                Err(_) => {
                    counters.handshakes_refused += 1;
                    self.close(id, LinkEnd::Refused, counters);
                }
            }
        }
    }

    fn receive_second(
        &mut self,
        now: Duration,
        from: SocketAddr,
        datagram: &Datagram,
        header: &HandshakeHeader,
        counters: &mut Counters,
        out: &mut Outbox,
    ) {
        let own_certificate = std::mem::take(&mut self.own.certificate);
        let end = self.finish_dialing(now, from, datagram, header, &own_certificate, counters, out);
        self.own.certificate = own_certificate;
        if let Err(end) = end {
            if end == LinkEnd::WrongIdentity {
                counters.identities_refused += 1;
            } else {
                counters.handshakes_refused += 1;
            }
            self.close(header.receiver, end, counters);
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn finish_dialing(
        &mut self,
        now: Duration,
        from: SocketAddr,
        datagram: &Datagram,
        header: &HandshakeHeader,
        own_certificate: &[u8],
        counters: &mut Counters,
        out: &mut Outbox,
    ) -> Result<(), LinkEnd> {
        let Some(Link { state: State::Dialing(dialing), address, .. }) = self.get_mut(header.receiver) else {
            return Ok(());
        };
        if *address != from {
            return Ok(());
        }
        let Some(answer) = dialing.take_second(header.fragment(datagram)).map_err(|_| LinkEnd::Refused)?
        else {
            return Ok(());
        };
        let expected = dialing.identity();
        let certified = self.certified(now, &answer.certificate).ok_or(LinkEnd::Refused)?;
        if Some(certified.key) != answer.proven_key {
            return Err(LinkEnd::Refused);
        }
        if certified.identity != expected {
            return Err(LinkEnd::WrongIdentity);
        }
        let Some(Link { state, address, .. }) = self.get_mut(header.receiver) else { return Ok(()) };
        let State::Dialing(dialing) = state else { return Ok(()) };
        let secrets = dialing.write_third(header.sender, own_certificate).map_err(|_| LinkEnd::Refused)?;
        dialing.transmit(*address, out);
        let mut kept = dialing.take_kept();
        let mut session = Session::new(now, expected, header.sender, &secrets.initiator, &secrets.responder);
        for datagram in &mut kept {
            session.send_cell(now, *address, datagram, out);
        }
        let placeholder = State::Up(Box::new(session));
        if let State::Dialing(dialing) = std::mem::replace(state, placeholder)
            && let State::Up(session) = state
        {
            session.unconfirmed = Some(dialing);
            session.unanswered_since = Some(now);
        }
        counters.links_up += 1;
        Ok(())
    }

    fn receive_third(
        &mut self,
        now: Duration,
        from: SocketAddr,
        datagram: &Datagram,
        header: &HandshakeHeader,
        counters: &mut Counters,
        out: &mut Outbox,
    ) {
        let Some(Link { state, address, .. }) = self.get_mut(header.receiver) else {
            counters.datagrams_unknown_link += 1;
            return;
        };
        if *address != from {
            counters.datagrams_unknown_link += 1;
            return;
        }
        let answering = match state {
            State::Answering(answering) => answering,
            State::Up(session) => return session.confirm(from, out),
            State::Dialing(_) => return,
        };
        let finished = match answering.take_third(header.fragment(datagram)) {
            Ok(Some(finished)) => finished,
            Ok(None) => return,
            Err(_) => {
                counters.handshakes_refused += 1;
                return self.close(header.receiver, LinkEnd::Refused, counters);
            }
        };
        let Some(certified) =
            self.certified(now, &finished.certificate).filter(|c| Some(c.key) == finished.proven_key)
        else {
            counters.handshakes_refused += 1;
            return self.close(header.receiver, LinkEnd::Refused, counters);
        };
        self.answering.remove(&(from, header.sender));
        let (secrets, remote) = (finished.secrets, header.sender);
        let mut session =
            Box::new(Session::new(now, certified.identity, remote, &secrets.responder, &secrets.initiator));
        session.confirm(from, out);
        if let Some(link) = self.get_mut(header.receiver) {
            link.state = State::Up(session);
        }
        // Where both have dialled, each goes on using its own link.
        self.by_peer.entry(Peer { identity: certified.identity, address: from }).or_insert(header.receiver);
        counters.links_up += 1;
    }

    fn certified(&mut self, now: Duration, certificate: &[u8]) -> Option<Certified> {
        let unix_now = self.unix_start + now.as_secs();
        let key = digest_of(&[certificate]);
        if let Some(known) = self.certificates.get(&key) {
            return (known.expires_at > unix_now).then_some(*known);
        }
        let certified = verify(certificate, Purpose::Link, unix_now).ok()?;
        if self.certificates.len() >= MAX_CACHED_CERTIFICATES {
            self.certificates.clear();
        }
        self.certificates.insert(key, certified);
        Some(certified)
    }

    fn close(&mut self, id: LinkId, end: LinkEnd, counters: &mut Counters) {
        if self.get(id).is_none() {
            return;
        }
        let link = self.table.remove((id & SLOT_MASK) as usize);
        self.by_peer.retain(|_, other| *other != id);
        match link.state {
            State::Answering(answering) => {
                self.answering.remove(&(link.address, answering.remote_index()));
            }
            State::Dialing(_) => counters.links_failed += 1,
            State::Up(_) => {}
        }
        self.closed.push(LinkClosed { link: id, end });
    }

    fn insert(
        &mut self,
        address: SocketAddr,
        random: u64,
        state: impl FnOnce(LinkId) -> State,
    ) -> Option<LinkId> {
        if self.table.len() >= MAX_LINKS {
            return None;
        }
        let entry = self.table.vacant_entry();
        let id = (random as u32 & !SLOT_MASK) | entry.key() as u32;
        let state = state(id);
        entry.insert(Link { id, address, dialled: matches!(state, State::Dialing(_)), state });
        Some(id)
    }

    fn get(&self, id: LinkId) -> Option<&Link> {
        self.table.get((id & SLOT_MASK) as usize).filter(|link| link.id == id)
    }

    fn get_mut(&mut self, id: LinkId) -> Option<&mut Link> {
        self.table.get_mut((id & SLOT_MASK) as usize).filter(|link| link.id == id)
    }

    fn schedule(&mut self, now: Duration) {
        self.next_tick.get_or_insert(now + TICK);
    }
}

impl Session {
    fn new(
        now: Duration,
        identity: Identity,
        remote_index: u32,
        send: &[u8; 32],
        receive: &[u8; 32],
    ) -> Self {
        let key = |secret: &[u8; 32]| LinkKey::new(&crate::noise::derive(secret, b"link"));
        Self {
            identity,
            remote_index,
            send: key(send),
            receive: key(receive),
            next_counter: 0,
            window: ReplayWindow::new(0),
            unconfirmed: None,
            last_received: now,
            unanswered_since: None,
            owed_since: None,
            last_cell: now,
        }
    }

    fn send_cell(&mut self, now: Duration, to: SocketAddr, datagram: &mut Datagram, out: &mut Outbox) {
        self.last_cell = now;
        self.unanswered_since.get_or_insert(now);
        self.seal(to, datagram, out);
    }

    fn seal(&mut self, to: SocketAddr, datagram: &mut Datagram, out: &mut Outbox) {
        self.owed_since = None;
        self.send.seal(self.remote_index, self.next_counter, datagram);
        self.next_counter += 1;
        out.send(to, datagram);
    }

    /// Padding: tells the other side that the handshake is complete, or that we are alive.
    fn confirm(&mut self, to: SocketAddr, out: &mut Outbox) {
        let mut datagram = [0; cell::layout::DATAGRAM_BYTES];
        CellHeader { circuit: 0, command: Command::Padding, sequence: 0 }.write(&mut datagram);
        self.seal(to, &mut datagram, out);
    }

    fn tick(&mut self, now: Duration, to: SocketAddr, out: &mut Outbox) -> Option<LinkEnd> {
        if self.unanswered_since.is_some_and(|since| now >= since + DEAD_AFTER) {
            return Some(LinkEnd::Timeout);
        }
        if now >= self.last_cell + IDLE_AFTER {
            return Some(LinkEnd::Idle);
        }
        if let Some(dialing) = &mut self.unconfirmed {
            dialing.transmit(to, out);
        }
        if self.owed_since.is_some_and(|since| now >= since + ANSWER_WITHIN) {
            self.confirm(to, out);
        }
        None
    }
}
