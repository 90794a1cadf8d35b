//! Noise with aws-lc's primitives: what the KX's handshakes are made of, and the DHT's handshake as a whole.
//!
//! The protocol itself is `snow`. No I/O and no clock.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod ik;
mod primitives;

pub use primitives::{AwsLc, StaticKey};
