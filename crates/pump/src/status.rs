//! What a pump tells of itself: a snapshot of each worker's, added up.

use kx::counters::Counters;
use kx::engine::Sizes;

/// A snapshot, at most half a second old.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// Totals.
    pub counters: Counters,
    /// Table sizes.
    pub sizes: Sizes,
    /// Datagrams and packets that the kernel would not take, or that gave way to others while they waited for it.
    pub send_failures: u64,
    /// Datagrams and cells that came in faster than they could be served and gave way to others.
    pub crowded_out: u64,
}

impl Status {
    /// Both together.
    pub(crate) fn plus(mut self, other: &Self) -> Self {
        self.counters.add(&other.counters);
        self.sizes.add(&other.sizes);
        self.send_failures += other.send_failures;
        self.crowded_out += other.crowded_out;
        self
    }
}
