//! All links of a network, and what is under way on them, by when it comes out.
//!
//! Invariants: packets come out by their time, those of one moment in the order in which they were offered; memory is
//! bounded by the [`Limits`], whatever is offered.

use crate::link::{DropReason, Link, LinkConfig, LinkCounters};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// Spreads the seeds of links, which are numbered from 0, over all numbers.
const SPREAD: u64 = 0xd134_2543_de82_ef95;

/// One directed link of an [`Emulator`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LinkId(usize);

/// How much may be under way on all links together.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub packets: usize,
    pub bytes: usize,
}

/// A packet that has come out.
#[derive(Debug, PartialEq, Eq)]
pub struct Released<P> {
    pub link: LinkId,
    /// When it was to come out.
    pub due: Duration,
    pub packet: P,
}

pub struct Emulator<P> {
    seed: u64,
    limits: Limits,
    links: Vec<Link>,
    under_way: BinaryHeap<Reverse<UnderWay<P>>>,
    bytes: usize,
    /// Packets taken so far.
    taken: u64,
}

impl<P> Emulator<P> {
    #[must_use]
    pub fn new(seed: u64, limits: Limits) -> Self {
        Self { seed, limits, links: Vec::new(), under_way: BinaryHeap::new(), bytes: 0, taken: 0 }
    }

    /// Adds a directed link; its fates follow from the emulator's seed and its number.
    pub fn add_link(&mut self, config: LinkConfig) -> LinkId {
        let number = self.links.len();
        let seed = self.seed.wrapping_add((number as u64).wrapping_mul(SPREAD));
        self.links.push(Link::new(config, seed));
        LinkId(number)
    }

    /// A packet of so many bytes enters a link. `now` must not be earlier than in calls before.
    ///
    /// # Errors
    /// Why the packet will not come out; it is dropped and counted.
    pub fn offer(&mut self, now: Duration, link: LinkId, packet: P, bytes: usize) -> Result<(), DropReason> {
        let known = self.links.get_mut(link.0).ok_or(DropReason::NoLink)?;
        known.counters.offered += 1;
        let room = self.under_way.len() < self.limits.packets
            && bytes <= self.limits.bytes.saturating_sub(self.bytes);
        let fate = known.pass(now, bytes).and_then(|due| room.then_some(due).ok_or(DropReason::NoRoom));
        let due = fate.inspect_err(|reason| match reason {
            DropReason::Lost => known.counters.lost += 1,
            DropReason::QueueFull => known.counters.queue_full += 1,
            DropReason::NoRoom | DropReason::NoLink => known.counters.no_room += 1,
        })?;
        self.bytes += bytes;
        self.taken += 1;
        self.under_way.push(Reverse(UnderWay { due, number: self.taken, link, bytes, packet }));
        Ok(())
    }

    /// When [`Self::pop_due`] will next have something; `None`: nothing is under way.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Duration> {
        self.under_way.peek().map(|Reverse(next)| next.due)
    }

    /// The next packet that has come out by now; to be called until it gives none.
    pub fn pop_due(&mut self, now: Duration) -> Option<Released<P>> {
        if self.next_timeout()? > now {
            return None;
        }
        let Reverse(UnderWay { due, link, bytes, packet, .. }) = self.under_way.pop()?;
        self.bytes -= bytes;
        if let Some(known) = self.links.get_mut(link.0) {
            known.counters.delivered += 1;
        }
        Some(Released { link, due, packet })
    }

    /// What has happened on a link; all zero for one that there is not.
    #[must_use]
    pub fn counters(&self, link: LinkId) -> LinkCounters {
        self.links.get(link.0).map_or_else(LinkCounters::default, |known| known.counters)
    }

    /// Packets and bytes under way.
    #[must_use]
    pub fn under_way(&self) -> (usize, usize) {
        (self.under_way.len(), self.bytes)
    }
}

struct UnderWay<P> {
    due: Duration,
    number: u64,
    link: LinkId,
    bytes: usize,
    packet: P,
}

impl<P> UnderWay<P> {
    fn key(&self) -> (Duration, u64) {
        (self.due, self.number)
    }
}

impl<P> PartialEq for UnderWay<P> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<P> Eq for UnderWay<P> {}

impl<P> PartialOrd for UnderWay<P> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<P> Ord for UnderWay<P> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}
