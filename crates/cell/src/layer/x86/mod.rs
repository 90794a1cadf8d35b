//! The layer cipher on the AES and carry-less multiplication instructions of x86-64.
//!
//! Role: one algorithm (`permutation`) over vectors of one, two or four blocks (`lanes`), entered through functions
//! compiled for their instructions (`entry`); and the key state of a circuit.
//!
//! Invariants: instructions only, no tables, so the time depends on nothing secret; whoever holds `Keys` runs on a
//! processor that has at least AES-NI and PCLMULQDQ. Not in it: which engine is used.

pub(super) mod entry;
mod lanes;
mod permutation;

use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
use zeroize::Zeroize;

const CACHE_LINE_BYTES: usize = 64;
/// Blocks that are hashed before one reduction, and powers of the hash key that are kept. Measured with VAES-256 on
/// bodies of 336 bytes: 4 powers 150 ns, 8 powers 117, 12 powers 105; over 16 384 circuits 8 and 12 cost the same,
/// because the larger state costs memory.
const POWERS: usize = 8;

/// What a permutation needs: 304 bytes, so that a whole layer has five cache lines. The rest is made on the way: the
/// mask `E(1)` beside the first block's encryption, the decryption keys of the one block that is decrypted, and the
/// hash of the length block.
pub(super) struct Keys {
    /// AES-128 encryption keys.
    round: [u128; 11],
    /// Powers of the hash key `E(0)` in the field of POLYVAL, from the highest to the first.
    powers: [u128; POWERS],
}

impl Keys {
    pub(super) fn for_aes_ni(key: &[u8; 16]) -> Option<Self> {
        // SAFETY: the instructions are there.
        entry::has_aes_ni().then(|| unsafe { entry::expand(key) })
    }

    pub(super) fn for_vaes256(key: &[u8; 16]) -> Option<Self> {
        // SAFETY: the instructions are there.
        (entry::has_aes_ni() && entry::has_vaes256()).then(|| unsafe { entry::expand(key) })
    }

    pub(super) fn for_vaes512(key: &[u8; 16]) -> Option<Self> {
        // SAFETY: the instructions are there.
        (entry::has_aes_ni() && entry::has_vaes512()).then(|| unsafe { entry::expand(key) })
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.round.zeroize();
        self.powers.zeroize();
    }
}

/// Prefetches every cache line of a value that starts with one.
#[inline]
pub(super) fn prefetch<T>(value: &T) {
    let start = core::ptr::from_ref(value).cast::<i8>();
    for line in (0..size_of::<T>()).step_by(CACHE_LINE_BYTES) {
        // SAFETY: a prefetch reads nothing, and SSE is part of x86-64.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(line)) };
    }
}
