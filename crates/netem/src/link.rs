//! One directed link: when a packet that enters it now comes out, or why it does not.
//!
//! In order: the queue before the line, the line's rate, loss on the line, delay and jitter. A lost packet has taken up
//! the line.
//!
//! Invariants: every packet takes the same count of random numbers, so changing one parameter leaves the draws of
//! the others as they were; packets keep their order unless reordering says otherwise.

use crate::loss::{Loss, Probability, unit};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use std::num::NonZeroU64;
use std::time::Duration;

const BITS_NS: u128 = 8 * 1_000_000_000;

/// How a link is; the default is a perfect one.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LinkConfig {
    /// Mean time under way.
    pub delay: Duration,
    /// The time under way is uniform in `delay` ± `jitter` and never negative.
    pub jitter: Duration,
    pub loss: Loss,
    /// `None`: no limit.
    pub rate: Option<Rate>,
    /// `None`: packets keep their order; one that would overtake comes out together with the one before it.
    pub reordering: Option<Reordering>,
}

/// How fast a line is, and how much may wait for it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    pub bits_per_second: NonZeroU64,
    /// What waits and what is being sent together; an idle line takes a packet of any size.
    pub queue_bytes: usize,
}

/// Some packets come out later, and those behind overtake them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reordering {
    /// Which part of the packets.
    pub part: Probability,
    /// By how much later.
    pub later: Duration,
}

/// Why a packet does not come out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DropReason {
    /// Lost on the line, as the link is configured.
    Lost,
    /// The link's queue was full.
    QueueFull,
    /// The emulator itself holds as much as it may; a sign of wrong limits.
    NoRoom,
    /// There is no such link.
    NoLink,
}

/// What has happened on a link; `offered` is the sum of the others and what is under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkCounters {
    pub offered: u64,
    pub delivered: u64,
    pub lost: u64,
    pub queue_full: u64,
    pub no_room: u64,
}

pub(crate) struct Link {
    config: LinkConfig,
    random: Xoshiro256PlusPlus,
    is_bad: bool,
    /// When the line will have sent all that it has taken.
    busy_until: Duration,
    /// When the latest packet that keeps its order comes out.
    latest: Duration,
    pub(crate) counters: LinkCounters,
}

impl Link {
    pub(crate) fn new(config: LinkConfig, seed: u64) -> Self {
        Self {
            config,
            random: Xoshiro256PlusPlus::seed_from_u64(seed),
            is_bad: false,
            busy_until: Duration::ZERO,
            latest: Duration::ZERO,
            counters: LinkCounters::default(),
        }
    }

    /// When a packet that enters now comes out.
    pub(crate) fn pass(&mut self, now: Duration, bytes: usize) -> Result<Duration, DropReason> {
        let [change, loss, jitter, reordering] = std::array::from_fn(|_| self.random.next_u64());
        let lost = self.config.loss.takes(&mut self.is_bad, [change, loss]);
        let sent = self.send(now, bytes)?;
        if lost {
            return Err(DropReason::Lost);
        }
        let LinkConfig { delay, jitter: most, .. } = self.config;
        let spread = most.saturating_mul(2).mul_f64(unit(jitter));
        let due = sent.saturating_add(delay).saturating_add(spread).saturating_sub(most).max(sent);
        if let Some(Reordering { part, later }) = self.config.reordering
            && part.happens(reordering)
        {
            return Ok(due.saturating_add(later));
        }
        self.latest = self.latest.max(due);
        Ok(self.latest)
    }

    /// When the line has sent the packet.
    fn send(&mut self, now: Duration, bytes: usize) -> Result<Duration, DropReason> {
        let Some(Rate { bits_per_second, queue_bytes }) = self.config.rate else { return Ok(now) };
        let rate = u128::from(bits_per_second.get());
        let waiting = (self.busy_until.saturating_sub(now).as_nanos() * rate).div_ceil(BITS_NS);
        if waiting > 0 && waiting + bytes as u128 > queue_bytes as u128 {
            return Err(DropReason::QueueFull);
        }
        let takes = Duration::from_nanos((bytes as u128 * BITS_NS / rate).try_into().unwrap_or(u64::MAX));
        self.busy_until = self.busy_until.max(now).saturating_add(takes);
        Ok(self.busy_until)
    }
}
