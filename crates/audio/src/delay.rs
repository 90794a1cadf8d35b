//! Estimates how long packets take relative to the fastest ones, and how much of that a buffer should absorb.
//!
//! Invariants: fixed memory; times are arguments (microseconds since any origin, sequence numbers extended to 64
//! bits). Not in it: the packets themselves, and which arrivals are excluded (the jitter buffer knows about stalls).

use crate::codec::FRAME_MS;

pub(crate) const FRAME_US: i64 = FRAME_MS as i64 * 1000;

/// Arrivals that are remembered: 8 s.
const WINDOW: usize = 400;
/// Arrivals between two estimates.
const INTERVAL: usize = 8;
/// Share of packets that should be in time, in per mille.
const IN_TIME: usize = 990;
/// Room for the granularity of a sound device's requests and for the rarer delays.
const MARGIN_US: i64 = 11_000;
const MIN_TARGET_US: i64 = 25_000;
/// The least where packets are lost: their copies come a frame later.
const MIN_TARGET_LOSSY_US: i64 = 30_000;
/// Sequence numbers for which a loss counts: 20 s.
const LOSS_COUNTS: u64 = 1_000;
const MAX_TARGET_US: i64 = 400_000;
/// The target before there is anything to go by.
const FIRST_TARGET_US: i64 = 60_000;
const FIRST_ESTIMATE: usize = 50;

/// Delay variation of the recent arrivals.
pub(crate) struct DelayEstimator {
    /// Arrival time minus sending time on the sender's scale (20 ms per sequence number).
    transits: [i64; WINDOW],
    filled: usize,
    position: usize,
    until_estimate: usize,
    base: i64,
    target: i64,
    lossy_until: u64,
    last_transit: Option<i64>,
    jitter_us: f64,
}

impl DelayEstimator {
    pub(crate) fn new() -> Self {
        Self {
            transits: [0; WINDOW],
            filled: 0,
            position: 0,
            until_estimate: INTERVAL,
            base: i64::MAX,
            target: FIRST_TARGET_US,
            lossy_until: 0,
            last_transit: None,
            jitter_us: 0.0,
        }
    }

    /// A packet arrived.
    pub(crate) fn record(&mut self, now_us: i64, sequence: u64) {
        let transit = now_us - sequence as i64 * FRAME_US;
        if let Some(last) = self.last_transit.replace(transit) {
            self.jitter_us += ((transit - last).unsigned_abs() as f64 - self.jitter_us) / 16.0;
        }
        self.transits[self.position] = transit;
        self.position = (self.position + 1) % WINDOW;
        self.filled = (self.filled + 1).min(WINDOW);
        self.base = self.base.min(transit);
        self.until_estimate -= 1;
        if self.until_estimate == 0 {
            self.until_estimate = INTERVAL;
            self.estimate(sequence < self.lossy_until);
        }
    }

    /// A frame was missing at its moment.
    pub(crate) fn record_loss(&mut self, sequence: u64) {
        self.lossy_until = sequence + LOSS_COUNTS;
    }

    fn estimate(&mut self, is_lossy: bool) {
        let mut sorted = self.transits;
        let sorted = &mut sorted[..self.filled];
        let (_, late, _) = sorted.select_nth_unstable((self.filled * IN_TIME / 1000).min(self.filled - 1));
        let late = *late;
        self.base = sorted.iter().copied().min().unwrap_or(self.base);
        let least = if is_lossy { MIN_TARGET_LOSSY_US } else { MIN_TARGET_US };
        let wanted = (late - self.base + MARGIN_US).clamp(least, MAX_TARGET_US);
        self.target = if self.filled < FIRST_ESTIMATE { wanted.max(FIRST_TARGET_US) } else { wanted };
    }

    /// Whether nothing has arrived yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.filled == 0
    }

    /// Transit time of the fastest recent packet; there must be one.
    pub(crate) fn base_us(&self) -> i64 {
        self.base
    }

    /// How long after a fastest packet's arrival the packet should be played.
    pub(crate) fn target_us(&self) -> i64 {
        self.target
    }

    /// Interarrival jitter, RFC 3550 6.4.1.
    pub(crate) fn jitter_us(&self) -> f64 {
        self.jitter_us
    }
}
