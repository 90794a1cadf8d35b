//! Fuzzing of everything that reads the network.
//!
//! The targets only hand their bytes to [`inputs`], which the crate `kx` compiles into its tests too: there every
//! committed seed is replayed.

#[path = "../../crates/kx/tests/support/mod.rs"]
mod support;

pub mod inputs;
