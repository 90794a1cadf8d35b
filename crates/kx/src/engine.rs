//! The engine: all state of a KX peer, fed with datagrams, packets, commands and time.
//!
//! Sans-IO: it opens no socket, reads no clock and keeps no thread. Cells are dispatched here; what they do stands in
//! `relay`, `exchange`, `own` and `flows`.

pub use crate::config::{EngineConfig, HopIdentity, Random, Tun};
use crate::counters::Counters;
use crate::event::{Command as Order, Extension, Failure, TunnelId};
use crate::exchange::places::Places;
use crate::exchange::{Exchange, ExchangeId, Parting};
use crate::flows::Flow;
pub use crate::links::Lane;
use crate::links::{LinkClosed, LinkId, Links};
use crate::outbox::Outbox;
use crate::own::Own;
use crate::peer::Identity;
use crate::relay::create::Creating;
use crate::relay::limits::Limits;
use crate::relay::{RELAY_IDLE, Relayed};
use crate::shard::Shard;
use crate::tunnels::Tunnel;
use cell::layout::{BODY_AT, CellHeader, Command, DATAGRAM_BYTES, Datagram};
use slab::Slab;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// A place in one of the tables.
pub type Slot = usize;
/// Most circuits of our own.
pub const MAX_OWN: usize = 1024;
const TICK: Duration = Duration::from_millis(200);
const TURN_EVERY: Duration = Duration::from_millis(2);
/// Cells whose circuits' memory is asked for before the first of them is served.
pub const PREFETCHED: usize = 32;
/// So many circuits do not stay in a core's own memory.
const PREFETCH_FROM: usize = 512;

/// What a circuit number on a link means to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// A relayed circuit, seen from its builder's side.
    Previous(Slot),
    /// A relayed circuit, seen from its far side (there or being extended to).
    Next(Slot),
    /// A circuit of our own.
    Own(Slot),
}

/// A KX peer.
pub struct Engine {
    pub(crate) shard: Shard,
    pub(crate) identity: Identity,
    pub(crate) links: Links,
    pub(crate) hop: HopIdentity,
    pub(crate) tun: Option<Tun>,
    pub(crate) unix_start: u64,
    pub(crate) random: Random,
    pub(crate) counters: Counters,
    pub(crate) sides: HashMap<(LinkId, u32), Side>,
    pub(crate) creating: HashMap<(LinkId, u32), Creating>,
    pub(crate) limits: Limits,
    pub(crate) relayed: Slab<Relayed>,
    pub(crate) last_serial: u64,
    pub(crate) registrations: HashMap<Identity, ExchangeId>,
    pub(crate) exchanges: HashMap<ExchangeId, Exchange>,
    pub(crate) places: Places,
    pub(crate) last_exchange: ExchangeId,
    pub(crate) own: Slab<Own>,
    pub(crate) tunnels: HashMap<TunnelId, Tunnel>,
    /// What was told of a tunnel that is ordered next: it may be built before another command comes.
    pub(crate) told_ahead: Option<(TunnelId, Extension)>,
    pub(crate) flows: Slab<Flow>,
    pub(crate) flow_numbers: HashMap<(TunnelId, u32), Slot>,
    pub(crate) flow_addresses: HashMap<IpAddr, Slot>,
    next_host: u32,
    next_tick: Option<Duration>,
    #[cfg(feature = "attacks")]
    pub(crate) next_lie: Option<Duration>,
    #[cfg(feature = "attacks")]
    pub(crate) tamper_splice: Option<crate::attacks::Tamper>,
    #[cfg(feature = "attacks")]
    pub(crate) tamper_request: Option<crate::attacks::TamperRequest>,
}

/// How much there is of what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Sizes {
    pub links: usize,
    pub relayed: usize,
    pub registrations: usize,
    pub own: usize,
    pub flows: usize,
}

impl Sizes {
    /// Adds another engine's.
    pub fn add(&mut self, other: &Self) {
        self.links += other.links;
        self.relayed += other.relayed;
        self.registrations += other.registrations;
        self.own += other.own;
        self.flows += other.flows;
    }
}

impl Engine {
    /// An engine without any links.
    pub fn new(config: EngineConfig) -> Self {
        Self {
            shard: config.shard,
            identity: config.identity,
            links: Links::new(config.shard, config.link, &config.cookie_secret, config.unix_start),
            hop: config.hop,
            tun: config.tun,
            unix_start: config.unix_start,
            random: config.random,
            counters: Counters::default(),
            sides: HashMap::new(),
            creating: HashMap::new(),
            limits: Limits::new(),
            relayed: Slab::new(),
            last_serial: 0,
            registrations: HashMap::new(),
            exchanges: HashMap::new(),
            places: Places::default(),
            last_exchange: 0,
            own: Slab::new(),
            tunnels: HashMap::new(),
            told_ahead: None,
            flows: Slab::new(),
            flow_numbers: HashMap::new(),
            flow_addresses: HashMap::new(),
            next_host: 0,
            next_tick: None,
            #[cfg(feature = "attacks")]
            next_lie: None,
            #[cfg(feature = "attacks")]
            tamper_splice: None,
            #[cfg(feature = "attacks")]
            tamper_request: None,
        }
    }

    /// Totals since start.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Table sizes now.
    pub fn sizes(&self) -> Sizes {
        Sizes {
            links: self.links.up(),
            relayed: self.relayed.len(),
            registrations: self.registrations.len(),
            own: self.own.len(),
            flows: self.flows.len(),
        }
    }

    /// The tunnels that are there or being built.
    pub fn tunnels(&self) -> Vec<TunnelId> {
        self.tunnels.keys().copied().collect()
    }

    /// A datagram of the one size from the network. It is used as scratch space.
    pub fn handle_datagram(
        &mut self,
        now: Duration,
        from: SocketAddr,
        datagram: &mut Datagram,
        out: &mut Outbox,
    ) {
        self.handle_datagrams(now, &mut [Some((from, datagram))], out);
    }

    /// Datagrams that came together, in order. With many circuits most of a cell's time is waiting for the memory of its
    /// circuit: it is asked for while the links of the others are opened.
    pub fn handle_datagrams(
        &mut self,
        now: Duration,
        burst: &mut [Option<(SocketAddr, &mut Datagram)>],
        out: &mut Outbox,
    ) {
        if self.relayed.len() < PREFETCH_FROM {
            for (from, datagram) in burst.iter_mut().flatten() {
                self.counters.datagrams_received += 1;
                let cell =
                    self.links.receive(now, *from, datagram, &mut *self.random, &mut self.counters, out);
                if let Some((link, header)) = cell {
                    self.handle_cell(now, link, header, datagram, out);
                }
            }
        } else {
            burst.chunks_mut(PREFETCHED).for_each(|part| self.handle_with_prefetch(now, part, out));
        }
        self.handle_closed(now, out);
        self.schedule(now);
    }

    fn handle_with_prefetch(
        &mut self,
        now: Duration,
        part: &mut [Option<(SocketAddr, &mut Datagram)>],
        out: &mut Outbox,
    ) {
        let mut cells = [const { None }; PREFETCHED];
        for (cell, received) in cells.iter_mut().zip(part.iter_mut()) {
            let Some((from, datagram)) = received else { continue };
            self.counters.datagrams_received += 1;
            *cell = self.links.receive(now, *from, datagram, &mut *self.random, &mut self.counters, out);
            if let Some((link, header)) = *cell {
                self.prefetch(link, header.circuit);
            }
        }
        for (cell, received) in cells.iter().zip(part.iter_mut()) {
            if let (&Some((link, header)), Some((_, datagram))) = (cell, received) {
                self.handle_cell(now, link, header, datagram, out);
            }
        }
    }

    fn prefetch(&self, link: LinkId, circuit: u32) {
        if let Some(&(Side::Previous(slot) | Side::Next(slot))) = self.sides.get(&(link, circuit))
            && let Some(relayed) = self.relayed.get(slot)
        {
            relayed.prefetch();
        }
    }

    /// What a datagram must be fair to while it waits to be served.
    pub fn lane_of(&self, from: SocketAddr, datagram: &Datagram) -> Lane {
        self.links.lane_of(from, datagram)
    }

    /// The system's clock, in Unix seconds: the engine's own may stand still while the machine sleeps.
    pub fn set_unix_time(&mut self, now: Duration, unix_now: u64) {
        self.unix_start = unix_now.saturating_sub(now.as_secs());
        self.links.set_unix_start(self.unix_start);
    }

    /// A datagram of another size: counted.
    pub fn handle_malformed_datagram(&mut self) {
        self.counters.datagrams_received += 1;
        self.counters.datagrams_malformed += 1;
    }

    /// Something the orchestration wants.
    pub fn handle_command(&mut self, now: Duration, order: Order, out: &mut Outbox) {
        self.handle_order(now, order, out);
        self.schedule(now);
    }

    /// When [`Engine::handle_timeout`] wants to be called; `None`: not before the next input.
    pub fn next_timeout(&self) -> Option<Duration> {
        #[cfg(feature = "attacks")]
        let lie = self.next_lie();
        #[cfg(not(feature = "attacks"))]
        let lie = None;
        [self.next_tick, self.links.next_timeout(), lie].into_iter().flatten().min()
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Duration, out: &mut Outbox) {
        #[cfg(feature = "attacks")]
        self.go_on_lying(now, out);
        self.links.tick(now, &mut *self.random, &mut self.counters, out);
        self.handle_closed(now, out);
        if self.next_tick.is_some_and(|at| at <= now) {
            self.next_tick = None;
            self.tick_own(now, out);
            self.tick_flows(now, out);
            self.tick_relayed(now, out);
            self.tick_exchanges(now, out);
            self.tick_tunnels(now, out);
        }
        self.schedule(now);
    }

    fn handle_cell(
        &mut self,
        now: Duration,
        link: LinkId,
        header: CellHeader,
        datagram: &mut Datagram,
        out: &mut Outbox,
    ) {
        let side = self.sides.get(&(link, header.circuit)).copied();
        match (header.command, side) {
            (Command::Relay, Some(Side::Previous(slot))) => {
                self.receive_forward(now, slot, header, datagram, out)
            }
            (Command::Relay, Some(Side::Next(slot))) => {
                self.receive_backward(now, slot, header, datagram, out)
            }
            (Command::Relay, Some(Side::Own(slot))) => self.receive_own(now, slot, header, datagram, out),
            (Command::Relay, None) => {
                self.counters.cells_unknown_circuit += 1;
                self.send_destroy(now, link, header.circuit, Parting::Broken, out);
            }
            (Command::Create, _) => self.receive_create(now, link, header, datagram, out),
            (Command::Created, Some(Side::Own(slot))) => self.receive_created(now, slot, datagram, out),
            (Command::Created, Some(Side::Next(slot))) => {
                self.receive_extended(now, slot, header, datagram, out)
            }
            (Command::Destroy, Some(side)) => self.receive_destroy(now, side, read_parting(datagram), out),
            (Command::Destroy, None) => {
                self.creating.remove(&(link, header.circuit));
            }
            (Command::Created | Command::Padding, _) => {}
        }
    }

    fn handle_closed(&mut self, now: Duration, out: &mut Outbox) {
        for LinkClosed { link, end } in self.links.take_closed() {
            self.creating.retain(|(other, _), _| *other != link);
            let sides: Vec<Side> =
                self.sides.iter().filter(|((other, _), _)| *other == link).map(|(_, side)| *side).collect();
            for side in sides {
                match side {
                    Side::Previous(slot) => self.remove_relayed(now, slot, Parting::Broken, out),
                    Side::Next(slot) => self.next_lost(now, slot, Some(end), Parting::Broken, out),
                    Side::Own(slot) => self.own_link_lost(now, slot, end, out),
                }
            }
        }
    }

    fn tick_relayed(&mut self, now: Duration, out: &mut Outbox) {
        self.limits.tick(now);
        self.creating.retain(|_, creating| !creating.is_over(now));
        let idle: Vec<Slot> = self
            .relayed
            .iter()
            .filter(|(_, relayed)| now >= relayed.last_forward + RELAY_IDLE)
            .map(|(slot, _)| slot)
            .collect();
        for slot in idle {
            self.remove_relayed(now, slot, Parting::Broken, out);
        }
    }

    fn receive_destroy(&mut self, now: Duration, side: Side, parting: Parting, out: &mut Outbox) {
        match side {
            Side::Previous(slot) => self.remove_relayed(now, slot, parting, out),
            Side::Next(slot) => self.next_lost(now, slot, None, parting, out),
            Side::Own(slot) => self.fail_own(now, slot, Failure::Destroyed, parting, out),
        }
    }

    pub(crate) fn send_destroy(
        &mut self,
        now: Duration,
        link: LinkId,
        circuit: u32,
        parting: Parting,
        out: &mut Outbox,
    ) {
        let mut datagram = [0; DATAGRAM_BYTES];
        datagram[BODY_AT] = parting as u8;
        CellHeader { circuit, command: Command::Destroy, sequence: 0 }.write(&mut datagram);
        self.links.send(now, link, &mut datagram, out);
    }

    /// An unused circuit number from our half of the link's numbers.
    pub(crate) fn free_circuit(&mut self, link: LinkId) -> Option<u32> {
        let half = if self.links.is_dialled(link) { 0 } else { 1 << 31 };
        (0..16).find_map(|_| {
            let circuit = ((self.random)() as u32 & !(1 << 31)) | half;
            (!self.sides.contains_key(&(link, circuit))).then_some(circuit)
        })
    }

    /// An unused address of the TUN device's network.
    pub(crate) fn free_address(&mut self) -> Option<IpAddr> {
        let tun = self.tun.as_ref()?;
        let family_bits = if tun.address.is_ipv4() { 32 } else { 128 };
        let host_bits = u32::from(family_bits - tun.prefix.min(family_bits)).min(16);
        let hosts = 1_u32 << host_bits;
        for _ in 0..hosts {
            self.next_host = (self.next_host + 1) % hosts;
            // Neither the network's own address nor, in IPv4, its broadcast address.
            if self.next_host == 0 || (tun.address.is_ipv4() && self.next_host == hosts - 1) {
                continue;
            }
            let mask = hosts - 1;
            let address: IpAddr = match tun.address {
                IpAddr::V4(own) => Ipv4Addr::from(u32::from(own) & !mask | self.next_host).into(),
                IpAddr::V6(own) => {
                    Ipv6Addr::from(u128::from(own) & !u128::from(mask) | u128::from(self.next_host)).into()
                }
            };
            if address != tun.address && !self.flow_addresses.contains_key(&address) {
                return Some(address);
            }
        }
        None
    }

    /// Something is being worked at, a turn at a time: cells in between.
    pub(crate) fn tick_soon(&mut self, now: Duration) {
        self.next_tick = Some(now + TURN_EVERY);
    }

    pub(crate) fn schedule(&mut self, now: Duration) {
        let idle = self.own.is_empty()
            && self.relayed.is_empty()
            && self.creating.is_empty()
            && self.exchanges.is_empty()
            && self.tunnels.is_empty();
        if !idle {
            self.next_tick.get_or_insert(now + TICK);
        }
    }
}

/// What the first byte of a DESTROY's body says; anything unknown counts as broken.
fn read_parting(datagram: &Datagram) -> Parting {
    if datagram[BODY_AT] == Parting::Finished as u8 { Parting::Finished } else { Parting::Broken }
}
