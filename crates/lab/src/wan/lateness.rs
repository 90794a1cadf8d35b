//! The emulator's own error: how much later than intended packets come out.
//!
//! Counted in whole microseconds up to a bound, so memory does not grow. The time from a host's send to the emulator's read
//! is not in it; nothing here can see it.

use std::time::Duration;

/// Microseconds that are told apart; more is counted as this much.
const MOST_US: usize = 100_000;

pub(crate) struct Lateness {
    counts: Vec<u64>,
    total: u64,
    max: Duration,
}

impl Default for Lateness {
    fn default() -> Self {
        Self { counts: vec![0; MOST_US + 1], total: 0, max: Duration::ZERO }
    }
}

impl Lateness {
    pub(crate) fn add(&mut self, late: Duration) {
        let at = usize::try_from(late.as_micros()).unwrap_or(MOST_US).min(MOST_US);
        self.counts[at] += 1;
        self.total += 1;
        self.max = self.max.max(late);
    }

    /// Microseconds that this part of the packets does not exceed, rounded down; 0 where there were none.
    pub(crate) fn quantile_us(&self, part: f64) -> usize {
        let wanted = (self.total as f64 * part).ceil() as u64;
        let mut seen = 0;
        let reached = self.counts.iter().position(|count| {
            seen += count;
            seen >= wanted
        });
        reached.unwrap_or(MOST_US)
    }

    pub(crate) fn max(&self) -> Duration {
        self.max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_exact_to_the_microsecond_and_the_largest_to_the_nanosecond() {
        let mut lateness = Lateness::default();
        assert_eq!(lateness.quantile_us(0.99), 0);
        for late in 1..=100 {
            lateness.add(Duration::from_micros(late));
        }
        lateness.add(Duration::from_secs(3));
        assert_eq!((lateness.quantile_us(0.5), lateness.quantile_us(0.99)), (51, 100));
        assert_eq!(lateness.quantile_us(1.0), MOST_US);
        assert_eq!(lateness.max(), Duration::from_secs(3));
    }
}
