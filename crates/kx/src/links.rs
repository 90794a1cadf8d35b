//! Links: the encrypted, authenticated datagram channels between two peers.
//!
//! A stranger gets a cookie without any state being kept, then a Noise XX handshake in fragments, each of which shows
//! the cookie. Only then does an RSA verification happen, and only for certificates not seen before. Every table is
//! bounded. What cells on a link mean is not in here.

mod accepting;
mod connecting;
mod cover;
mod covering;
mod keys;
mod liveness;
mod session;
mod table;
mod waiting;
mod watch;

use crate::certificate::{Certified, Purpose, digest_of, verify};
use crate::cookie::CookieJar;
use crate::counters::Counters;
use crate::dialing::{Answering, Dialing, Progress};
use crate::noise::StaticKey;
use crate::outbox::Outbox;
use crate::peer::{Identity, Peer};
use crate::shard::Shard;
use crate::wire::{HandshakeHeader, Step, lost_datagram};
use cell::layout::{CellHeader, Datagram, Kind};
use cell::link::SealedHeader;
use covering::Covering;
use session::Session;
use slab::Slab;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// This peer's number for a link: slab slot in the low 16 bits, random above, the engine's number in the top 4.
pub type LinkId = u32;

/// What a datagram that comes in must be fair to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// A link.
    Link(LinkId),
    /// Those who have none, by where they are.
    Strangers(u8),
}

/// Lanes of strangers: together they must not outweigh many links, and one of them must not fill the place of all.
const STRANGER_LANES: u8 = 4;

/// Links being dialled because somebody else asked for them.
const MAX_DIALING_FOR_OTHERS: usize = 1024;
const MAX_CACHED_CERTIFICATES: usize = 4096;
const TICK: Duration = Duration::from_millis(500);
/// Datagrams of the kind [`Kind::Lost`] that are looked into between two ticks; anybody can send them.
const HINTS_PER_TICK: u8 = 16;

/// This peer's own keys for links.
#[derive(Clone)]
pub struct LinkIdentity {
    /// X25519.
    pub key: StaticKey,
    /// Certificate of its public half.
    pub certificate: Vec<u8>,
}

impl std::fmt::Debug for LinkIdentity {
    /// Never the secret.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("LinkIdentity")
    }
}

/// Why a link is no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkEnd {
    /// Nobody answered in time, or not any more.
    Timeout,
    /// The other side has forgotten the link (it was started again) and can be dialled anew.
    Lost,
    /// The other side's certificate has expired.
    Expired,
    /// Its peer has too many others, or this peer has.
    Crowded,
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
    shard: Shard,
    own: LinkIdentity,
    jar: CookieJar,
    unix_start: u64,
    table: Slab<Link>,
    by_peer: HashMap<Peer, LinkId>,
    /// Links that are up, oldest first.
    of_identity: HashMap<Identity, Vec<LinkId>>,
    answering: HashMap<(SocketAddr, u32), LinkId>,
    dialing: usize,
    hints_left: u8,
    certificates: HashMap<[u8; 32], Certified>,
    closed: Vec<LinkClosed>,
    next_tick: Option<Duration>,
    /// Links that carry circuits just now, and when they are looked at next.
    watched: Vec<LinkId>,
    next_watch: Option<Duration>,
    covering: Covering,
    #[cfg(feature = "attacks")]
    pub(crate) liar: Option<Box<crate::attacks::Liar>>,
    #[cfg(feature = "attacks")]
    pub(crate) tamper: Option<crate::attacks::Tamper>,
}

impl Links {
    /// `unix_start` is the Unix time at which the engine's clock says zero.
    pub fn new(shard: Shard, own: LinkIdentity, cookie_secret: &[u8; 32], unix_start: u64) -> Self {
        Self {
            shard,
            own,
            jar: CookieJar::new(cookie_secret),
            unix_start,
            table: Slab::new(),
            by_peer: HashMap::new(),
            of_identity: HashMap::new(),
            answering: HashMap::new(),
            dialing: 0,
            hints_left: HINTS_PER_TICK,
            certificates: HashMap::new(),
            closed: Vec::new(),
            next_tick: None,
            watched: Vec::new(),
            next_watch: None,
            covering: Covering::default(),
            #[cfg(feature = "attacks")]
            liar: None,
            #[cfg(feature = "attacks")]
            tamper: None,
        }
    }

    /// The link to `peer`, dialled if there is none. `None` when the table is full.
    pub fn connect(&mut self, now: Duration, peer: Peer, random: u64, out: &mut Outbox) -> Option<LinkId> {
        if let Some(&id) = self.by_peer.get(&peer)
            && !self.is_to_be_renewed(now, id)
        {
            return Some(id);
        }
        let id = self.insert(peer.address, random, |id| {
            State::Dialing(Box::new(Dialing::new(now, peer.identity, id, (random >> 32) as u32)))
        })?;
        self.by_peer.insert(peer, id);
        self.dialing += 1;
        if let Some(Link { state: State::Dialing(dialing), .. }) = self.get_mut(id) {
            dialing.transmit(peer.address, out);
        }
        self.schedule(now);
        Some(id)
    }

    /// The same for somebody else, who must not be able to fill the table with peers that do not answer.
    pub fn connect_for_other(
        &mut self,
        now: Duration,
        peer: Peer,
        random: u64,
        out: &mut Outbox,
    ) -> Option<LinkId> {
        if self.dialing >= MAX_DIALING_FOR_OTHERS && !self.by_peer.contains_key(&peer) {
            return None;
        }
        self.connect(now, peer, random, out)
    }

    /// Who is proven to be at the other end; `None` while the handshake runs.
    pub fn identity(&self, link: LinkId) -> Option<Identity> {
        match &self.get(link)?.state {
            State::Up(session) => Some(session.identity),
            _ => None,
        }
    }

    /// An old link: circuits that begin now go over a new one, whichever side had dialled.
    fn is_to_be_renewed(&self, now: Duration, link: LinkId) -> bool {
        matches!(self.get(link), Some(Link { state: State::Up(session), .. }) if session.is_old(now))
    }

    /// Time to the other side of a link and back, where it was measured.
    pub fn round_trip(&self, link: LinkId) -> Option<Duration> {
        match &self.get(link)?.state {
            State::Up(session) => session.round_trip(),
            _ => None,
        }
    }

    /// Unix seconds when the engine's clock said zero, as it seems now.
    pub(crate) fn set_unix_start(&mut self, unix_start: u64) {
        self.unix_start = unix_start;
    }

    /// New keys of this peer's own, for handshakes from now on.
    pub fn renew(&mut self, own: LinkIdentity) {
        self.own = own;
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
        #[cfg(feature = "attacks")]
        if let Some(mut liar) = self.liar.take() {
            for mut cell in liar.cells(now, link, datagram) {
                self.send(now, link, &mut cell, out);
            }
            self.liar = Some(liar);
            return true;
        }
        #[cfg(feature = "attacks")]
        if let Some(mut tamper) = self.tamper.take() {
            for mut cell in tamper(*datagram) {
                self.send(now, link, &mut cell, out);
            }
            self.tamper = Some(tamper);
            return true;
        }
        let Some(link) = self.get_mut(link) else { return false };
        match &mut link.state {
            State::Up(session) => {
                if session.send_cell(now, link.address, datagram, out) {
                    let id = link.id;
                    self.begin_watch(now, id);
                }
            }
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
        random: &mut dyn FnMut() -> u64,
        counters: &mut Counters,
        out: &mut Outbox,
    ) -> Option<(LinkId, CellHeader)> {
        let kind = Kind::of(datagram);
        if kind.is_some_and(|kind| kind != Kind::Sealed) {
            counters.datagrams_of_handshakes += 1;
        }
        match kind {
            Some(Kind::Sealed) => return self.receive_sealed(now, from, datagram, counters, out),
            Some(Kind::Hello) => {
                let hello = HandshakeHeader::read(datagram);
                let cookie = self.jar.bake(now, from, hello.sender);
                out.send(from, &HandshakeHeader::cookie(datagram, cookie));
            }
            Some(Kind::Cookie) => self.receive_cookie(from, datagram, counters, out),
            Some(Kind::Handshake) => match HandshakeHeader::read(datagram).step {
                Some(Step::First) => self.receive_first(now, from, datagram, random, counters, out),
                Some(Step::Second) => self.receive_second(now, from, datagram, counters, out),
                Some(Step::Third) => self.receive_third(now, from, datagram, counters, out),
                None => counters.handshakes_stray += 1,
            },
            Some(Kind::Lost) => self.receive_lost(now, from, datagram, out),
            None => counters.datagrams_malformed += 1,
        }
        None
    }

    /// What `datagram` must be fair to, before it is opened: whoever does not see a link's datagrams cannot get into its lane.
    pub(crate) fn lane_of(&self, from: SocketAddr, datagram: &Datagram) -> Lane {
        let link = SealedHeader::read(datagram).receiver;
        let is_of_link = matches!(Kind::of(datagram), Some(Kind::Sealed | Kind::Cookie | Kind::Handshake));
        if is_of_link && self.get(link).is_some_and(|link| link.address == from) {
            return Lane::Link(link);
        }
        let network = match from.ip() {
            IpAddr::V4(ip) => ip.octets()[..3].iter().fold(0_u8, |sum, byte| sum.wrapping_mul(31) ^ byte),
            IpAddr::V6(ip) => ip.octets()[..6].iter().fold(0_u8, |sum, byte| sum.wrapping_mul(31) ^ byte),
        };
        Lane::Strangers(network % STRANGER_LANES)
    }

    /// When [`Links::tick`] wants to run.
    pub fn next_timeout(&self) -> Option<Duration> {
        [self.next_tick, self.next_watch, self.covering.next_timeout(self)].into_iter().flatten().min()
    }

    /// Retransmits, keeps alive, closes what is dead.
    pub fn tick(
        &mut self,
        now: Duration,
        random: &mut dyn FnMut() -> u64,
        counters: &mut Counters,
        out: &mut Outbox,
    ) {
        self.watch(now, counters, out);
        self.tick_cover(now, random, counters, out);
        if self.next_tick.is_none_or(|at| at > now) {
            return;
        }
        self.hints_left = HINTS_PER_TICK;
        let unix_now = self.unix_start + now.as_secs();
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
                State::Up(session) => session.tick(now, unix_now, link.address, out),
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
        out: &mut Outbox,
    ) -> Option<(LinkId, CellHeader)> {
        let sealed = SealedHeader::read(datagram);
        match self.get_mut(sealed.receiver).filter(|link| link.address == from) {
            Some(Link { id, state: State::Up(session), .. }) => {
                let header = session.open(now, from, datagram, counters, out)?;
                return Some((*id, header));
            }
            // The handshake's last message is still on its way.
            Some(_) => {}
            None => out.send(from, &lost_datagram(datagram)),
        }
        counters.datagrams_unknown_link += 1;
        None
    }

    /// Somebody says that a peer has forgotten a link: the link is asked. Believing it would let anybody cut links.
    fn receive_lost(&mut self, now: Duration, from: SocketAddr, datagram: &Datagram, out: &mut Outbox) {
        if self.hints_left == 0 {
            return;
        }
        self.hints_left -= 1;
        let sealed = SealedHeader::read(datagram);
        for (_, link) in &mut self.table {
            if let State::Up(session) = &mut link.state
                && link.address == from
                && session.has_sent(sealed)
            {
                session.doubt(now, from, out);
                return;
            }
        }
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

    fn schedule(&mut self, now: Duration) {
        self.next_tick.get_or_insert(now + TICK);
    }
}
