//! The permutation compiled for each set of instructions, and whether the processor has them.
//!
//! Invariant: a function here needs exactly the features that its `has_…` asks for (the answers are cached by the
//! standard library). Not in it: the algorithm.

use super::super::{BLOCK_BYTES, Block};
use super::{Keys, permutation};
use core::arch::x86_64::{__m128i, __m256i, __m512i};

pub(super) fn has_aes_ni() -> bool {
    is_x86_feature_detected!("aes")
        && is_x86_feature_detected!("pclmulqdq")
        && is_x86_feature_detected!("sse4.1")
}

pub(super) fn has_vaes256() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("vaes")
        && is_x86_feature_detected!("vpclmulqdq")
}

pub(super) fn has_vaes512() -> bool {
    has_vaes256() && is_x86_feature_detected!("avx512f")
}

/// # Safety
/// `has_aes_ni` must hold.
#[target_feature(enable = "aes,pclmulqdq,sse4.1")]
pub(super) unsafe fn expand(key: &Block) -> Keys {
    // SAFETY: this function has the instructions.
    unsafe { permutation::expand(key) }
}

macro_rules! entries {
    ($features:literal, $lanes:ty, $encrypt:ident, $decrypt:ident) => {
        /// # Safety
        /// The processor must have the features.
        #[target_feature(enable = $features)]
        pub(in super::super) unsafe fn $encrypt<const BYTES: usize>(
            keys: &Keys,
            tweak: Block,
            body: &mut [u8; BYTES],
        ) {
            let (blocks, _) = body.as_chunks_mut::<BLOCK_BYTES>();
            // SAFETY: this function has the instructions.
            unsafe { permutation::encrypt::<$lanes>(keys, tweak, blocks) }
        }

        /// # Safety
        /// The processor must have the features.
        #[target_feature(enable = $features)]
        pub(in super::super) unsafe fn $decrypt<const BYTES: usize>(
            keys: &Keys,
            tweak: Block,
            body: &mut [u8; BYTES],
        ) {
            let (blocks, _) = body.as_chunks_mut::<BLOCK_BYTES>();
            // SAFETY: this function has the instructions.
            unsafe { permutation::decrypt::<$lanes>(keys, tweak, blocks) }
        }
    };
}

entries!("aes,pclmulqdq,sse4.1", __m128i, aes_ni_encrypt, aes_ni_decrypt);
entries!("aes,pclmulqdq,sse4.1,avx2,vaes,vpclmulqdq", __m256i, vaes256_encrypt, vaes256_decrypt);
entries!("aes,pclmulqdq,sse4.1,avx2,vaes,vpclmulqdq,avx512f", __m512i, vaes512_encrypt, vaes512_decrypt);
