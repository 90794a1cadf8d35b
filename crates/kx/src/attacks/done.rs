//! What an attacker has done so far, read by whoever runs it while it goes on.

use std::sync::atomic::{AtomicU64, Ordering};

/// A count that goes up from any thread.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, by: u64) {
        self.0.fetch_add(by, Ordering::Relaxed);
    }
}

macro_rules! done {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// Totals since the attack began.
        #[derive(Debug, Default)]
        #[allow(missing_docs)]
        pub struct Done { $($(#[$doc])* pub $name: Count),* }

        impl Done {
            /// Name and value of each count.
            pub fn named(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name.0.load(Ordering::Relaxed))),*].into_iter()
            }
        }
    };
}

done! {
    /// CREATEs, in fragments.
    creates_answered,
    /// On behalf of builders, in fragments.
    creates_sent,
    /// Of circuits that are built: passed on or lied about.
    cells_carried,
    cells_dropped,
    cells_delayed,
    cells_replayed,
    cells_altered,
    cells_tagged,
    /// Bodies at a last hop that are sound but for the mark.
    marks_found,
    /// Bodies at a last hop that are noise.
    noise_found,
    cells_flooded,
    cells_malformed,
    /// Callers of others, spliced to the attacker itself.
    callers_stolen,
}
