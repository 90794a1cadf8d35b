//! The core of a WAN emulator: what happens to packets on links with delay, jitter, loss, a rate and reordering.
//!
//! Sans-IO: time is an argument (since any fixed moment), randomness follows from a seed, packets are whatever the caller
//! hands over. Nothing is measured or sent here; `peer-wan` in the crate `lab` puts devices around it.
//!
//! Invariants: the same seed, links and offers give the same fates; the fate of a link's n-th packet hangs on no other
//! link's packets; what is under way is bounded; every packet that does not come out is counted by its reason.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod emulator;
pub mod link;
pub mod loss;
