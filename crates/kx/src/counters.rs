//! What happened, counted. Hostile input is dropped and counted here, never logged one by one.

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// Totals since start.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        #[allow(missing_docs)]
        pub struct Counters { $($(#[$doc])* pub $name: u64),* }

        impl Counters {
            /// Name and value of each counter.
            pub fn named(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name)),*].into_iter()
            }

            /// Adds another engine's.
            pub fn add(&mut self, other: &Self) {
                $(self.$name += other.$name;)*
            }
        }
    };
}

counters! {
    /// Each is also counted below, once: malformed, of an unknown link, forged, replayed, opened, or of a handshake.
    datagrams_received,
    /// Wrong size or kind.
    datagrams_malformed,
    /// For no link of ours.
    datagrams_unknown_link,
    /// AEAD did not hold.
    datagrams_forged,
    /// Seen before on the link, or too old.
    datagrams_replayed,
    /// Genuine and new.
    datagrams_opened,
    /// Hellos, cookies, handshake messages and hints that a link was forgotten; what becomes of them follows.
    datagrams_of_handshakes,
    cookies_refused,
    /// For no handshake of ours, or for another step of it.
    handshakes_stray,
    handshakes_refused,
    handshakes_over_limit,
    links_up,
    links_failed,
    /// Carried circuits and fell silent.
    links_silent,
    /// A peer proved another identity than it was dialled for.
    identities_refused,
    /// Padding that stood in for cells towards first hops.
    cover_sent,
    cells_relayed,
    cells_unknown_circuit,
    /// Sequence number seen before, or too old.
    cells_replayed,
    cells_too_far_ahead,
    /// Noise after the last layer: altered, or under a wrong key.
    cells_unrecognised,
    cells_malformed,
    circuits_relayed,
    circuits_refused,
    /// Begun, extended or registered with a signature too often.
    circuits_over_limit,
    /// Lost more cells in a row than a window holds.
    circuits_adrift,
    /// Of our own: much slower, time and again, than when they were built.
    circuits_slow,
    /// Of our own: built, and their exchange point is not heard on them.
    circuits_unanswered,
    registrations,
    registrations_refused,
    /// Signature, proof, time or key of a signed one did not hold.
    registrations_invalid,
    /// Another owner with better right: signed, or signed later.
    registrations_displaced,
    /// There was no place left, and by the same neighbour more had come than by any other.
    registrations_crowded_out,
    /// A newer circuit of the same end has taken over.
    takeovers,
    splices,
    splices_refused,
    /// New callers of somebody who has many: they must work first.
    puzzles_set,
    flows_refused,
    /// Much of what was sent did not arrive.
    flows_lossy,
    /// Calls that were spliced and that nobody answered who could: no owner there, or not the one asked for.
    flows_unanswered,
    /// End-to-end AEAD or window did not hold.
    tunnel_cells_refused,
    packets_from_tun,
    packets_to_tun,
    /// Not TCP or UDP, a fragment, malformed, or for no tunnel.
    packets_from_tun_dropped,
    /// A port that the delivery rules do not open.
    packets_to_tun_dropped,
}
