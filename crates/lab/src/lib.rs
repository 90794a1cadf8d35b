//! Tools for tests and the evaluation, gathered in the binary `peer-lab`: how a recording compares with what was said,
//! what was recorded at two places at the same time, and which datagrams crossed an interface.
//!
//! Not in it: anything that a peer itself needs.

pub mod packets;
pub mod record;
pub mod resample;
pub mod score;
pub mod signals;
pub mod wav;
