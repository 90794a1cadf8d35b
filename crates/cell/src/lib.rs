//! Cells: their layout, the wide-block layer cipher, the replay window, the sealing of datagrams.
//!
//! Everything here works in place on a caller's buffer: no I/O, no clock, no randomness, no allocation per cell.
//! What a cell means (circuits, hops, splices) is not in here: see the crate `kx`.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod layer;
pub mod layout;
pub mod link;
pub mod window;
