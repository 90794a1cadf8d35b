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
    /// CREATEs answered.
    created,
    /// CREATEs sent on behalf of builders.
    extending,
    /// Cells of circuits that are built, passed on or lied about.
    carried,
    dropped,
    delayed,
    replayed,
    altered,
    tagged,
    /// Bodies at a last hop that are sound but for the mark.
    marks_found,
    /// Bodies at a last hop that are noise.
    noise_found,
    flooded,
    malformed,
    /// Callers of others spliced to the attacker itself.
    stolen,
}
