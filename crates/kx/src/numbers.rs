//! Numbers for circuits, links and tokens of our own: a hash of a secret seed and a counter.

use crate::certificate::digest_of;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// SHA-256(seed ‖ counter), 64 bits at a time.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Numbers {
    seed: [u8; 32],
    counter: u64,
}

impl Numbers {
    /// `seed`: secret, from the system's generator.
    pub fn new(seed: [u8; 32]) -> Self {
        Self { seed, counter: 0 }
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.counter += 1;
        let digest = digest_of(&[&self.seed, &self.counter.to_be_bytes()]);
        digest[..8].iter().fold(0, |number, &byte| number << 8 | u64::from(byte))
    }

    /// As an engine wants it.
    pub fn into_random(mut self) -> Box<dyn FnMut() -> u64 + Send> {
        Box::new(move || self.next_u64())
    }
}
