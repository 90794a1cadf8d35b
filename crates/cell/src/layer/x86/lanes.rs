//! Vectors of one, two or four 16-byte blocks, each with the few operations that the permutation needs.
//!
//! Invariants: every operation works on each block by itself; `load` and `store` need no alignment and touch exactly
//! `BLOCKS` blocks. Every function is inlined into a caller that was compiled for the instructions; calling it on a
//! processor without them is undefined, which is what `unsafe` stands for here.
//! Not in it: anything that knows the cipher.

use super::super::{BLOCK_BYTES, Block};
use core::arch::x86_64::*;

/// `BLOCKS` blocks side by side.
///
/// # Safety
/// All functions: the processor must have the instructions of the implementing type.
pub(super) trait Lanes: Copy {
    const BLOCKS: usize;
    /// The first `BLOCKS` of `from`.
    unsafe fn load(from: &[Block]) -> Self;
    /// Over the first `BLOCKS` of `to`.
    unsafe fn store(self, to: &mut [Block]);
    /// `block` in every lane.
    unsafe fn broadcast(block: __m128i) -> Self;
    /// `block` in the first lane, zeroes in the others.
    unsafe fn first(block: __m128i) -> Self;
    /// The XOR of all lanes.
    unsafe fn fold(self) -> __m128i;
    unsafe fn xor(self, other: Self) -> Self;
    /// One round of AES encryption.
    unsafe fn round(self, key: Self) -> Self;
    /// The last round of AES encryption.
    unsafe fn last_round(self, key: Self) -> Self;
    /// Carry-less product of the low halves.
    unsafe fn low(self, other: Self) -> Self;
    /// Carry-less product of the high halves.
    unsafe fn high(self, other: Self) -> Self;
    /// Sum of the two carry-less products of a high and a low half.
    unsafe fn middle(self, other: Self) -> Self;
}

impl Lanes for __m128i {
    const BLOCKS: usize = 1;

    #[inline(always)]
    unsafe fn load(from: &[Block]) -> Self {
        let from = &from[..Self::BLOCKS];
        // SAFETY: the slice has 16 bytes; the load needs no alignment.
        unsafe { _mm_loadu_si128(from.as_ptr().cast()) }
    }

    #[inline(always)]
    unsafe fn store(self, to: &mut [Block]) {
        let to = &mut to[..Self::BLOCKS];
        // SAFETY: the slice has 16 bytes; the store needs no alignment.
        unsafe { _mm_storeu_si128(to.as_mut_ptr().cast(), self) }
    }

    #[inline(always)]
    unsafe fn broadcast(block: __m128i) -> Self {
        block
    }

    #[inline(always)]
    unsafe fn first(block: __m128i) -> Self {
        block
    }

    #[inline(always)]
    unsafe fn fold(self) -> __m128i {
        self
    }

    #[inline(always)]
    unsafe fn xor(self, other: Self) -> Self {
        // SAFETY: SSE2 is part of x86-64.
        unsafe { _mm_xor_si128(self, other) }
    }

    #[inline(always)]
    unsafe fn round(self, key: Self) -> Self {
        // SAFETY: the caller has the instruction.
        unsafe { _mm_aesenc_si128(self, key) }
    }

    #[inline(always)]
    unsafe fn last_round(self, key: Self) -> Self {
        // SAFETY: the caller has the instruction.
        unsafe { _mm_aesenclast_si128(self, key) }
    }

    #[inline(always)]
    unsafe fn low(self, other: Self) -> Self {
        // SAFETY: the caller has the instruction.
        unsafe { _mm_clmulepi64_si128::<0x00>(self, other) }
    }

    #[inline(always)]
    unsafe fn high(self, other: Self) -> Self {
        // SAFETY: the caller has the instruction.
        unsafe { _mm_clmulepi64_si128::<0x11>(self, other) }
    }

    #[inline(always)]
    unsafe fn middle(self, other: Self) -> Self {
        // SAFETY: the caller has the instructions.
        unsafe {
            _mm_xor_si128(
                _mm_clmulepi64_si128::<0x01>(self, other),
                _mm_clmulepi64_si128::<0x10>(self, other),
            )
        }
    }
}

impl Lanes for __m256i {
    const BLOCKS: usize = 2;

    #[inline(always)]
    unsafe fn load(from: &[Block]) -> Self {
        let from = &from[..Self::BLOCKS];
        // SAFETY: the slice has 32 bytes; the load needs no alignment.
        unsafe { _mm256_loadu_si256(from.as_ptr().cast()) }
    }

    #[inline(always)]
    unsafe fn store(self, to: &mut [Block]) {
        let to = &mut to[..Self::BLOCKS];
        // SAFETY: the slice has 32 bytes; the store needs no alignment.
        unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), self) }
    }

    #[inline(always)]
    unsafe fn broadcast(block: __m128i) -> Self {
        // SAFETY: the caller has the instruction.
        unsafe { _mm256_broadcastsi128_si256(block) }
    }

    #[inline(always)]
    unsafe fn first(block: __m128i) -> Self {
        // SAFETY: the caller has the instruction.
        unsafe { _mm256_zextsi128_si256(block) }
    }

    #[inline(always)]
    unsafe fn fold(self) -> __m128i {
        // SAFETY: the caller has the instructions.
        unsafe { _mm_xor_si128(_mm256_castsi256_si128(self), _mm256_extracti128_si256::<1>(self)) }
    }

    #[inline(always)]
    unsafe fn xor(self, other: Self) -> Self {
        // SAFETY: the caller has the instruction.
        unsafe { _mm256_xor_si256(self, other) }
    }

    #[inline(always)]
    unsafe fn round(self, key: Self) -> Self {
        // SAFETY: the caller has the instruction.
        unsafe { _mm256_aesenc_epi128(self, key) }
    }

    #[inline(always)]
    unsafe fn last_round(self, key: Self) -> Self {
        // SAFETY: the caller has the instruction.
        unsafe { _mm256_aesenclast_epi128(self, key) }
    }

    #[inline(always)]
    unsafe fn low(self, other: Self) -> Self {
        // SAFETY: the caller has the instruction.
        unsafe { _mm256_clmulepi64_epi128::<0x00>(self, other) }
    }

    #[inline(always)]
    unsafe fn high(self, other: Self) -> Self {
        // SAFETY: the caller has the instruction.
        unsafe { _mm256_clmulepi64_epi128::<0x11>(self, other) }
    }

    #[inline(always)]
    unsafe fn middle(self, other: Self) -> Self {
        // SAFETY: the caller has the instructions.
        unsafe {
            _mm256_xor_si256(
                _mm256_clmulepi64_epi128::<0x01>(self, other),
                _mm256_clmulepi64_epi128::<0x10>(self, other),
            )
        }
    }
}

impl Lanes for __m512i {
    const BLOCKS: usize = 4;

    #[inline(always)]
    unsafe fn load(from: &[Block]) -> Self {
        let from = &from[..Self::BLOCKS];
        // SAFETY: the slice has 64 bytes; the load needs no alignment.
        unsafe { _mm512_loadu_si512(from.as_ptr().cast()) }
    }

    #[inline(always)]
    unsafe fn store(self, to: &mut [Block]) {
        let to = &mut to[..Self::BLOCKS];
        // SAFETY: the slice has 64 bytes; the store needs no alignment.
        unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), self) }
    }

    #[inline(always)]
    unsafe fn broadcast(block: __m128i) -> Self {
        // SAFETY: the caller has the instruction.
        unsafe { _mm512_broadcast_i32x4(block) }
    }

    #[inline(always)]
    unsafe fn first(block: __m128i) -> Self {
        // SAFETY: the caller has the instruction.
        unsafe { _mm512_zextsi128_si512(block) }
    }

    #[inline(always)]
    unsafe fn fold(self) -> __m128i {
        // SAFETY: the caller has the instructions.
        unsafe { _mm256_xor_si256(_mm512_castsi512_si256(self), _mm512_extracti64x4_epi64::<1>(self)).fold() }
    }

    #[inline(always)]
    unsafe fn xor(self, other: Self) -> Self {
        // SAFETY: the caller has the instruction.
        unsafe { _mm512_xor_si512(self, other) }
    }

    #[inline(always)]
    unsafe fn round(self, key: Self) -> Self {
        // SAFETY: the caller has the instruction.
        unsafe { _mm512_aesenc_epi128(self, key) }
    }

    #[inline(always)]
    unsafe fn last_round(self, key: Self) -> Self {
        // SAFETY: the caller has the instruction.
        unsafe { _mm512_aesenclast_epi128(self, key) }
    }

    #[inline(always)]
    unsafe fn low(self, other: Self) -> Self {
        // SAFETY: the caller has the instruction.
        unsafe { _mm512_clmulepi64_epi128::<0x00>(self, other) }
    }

    #[inline(always)]
    unsafe fn high(self, other: Self) -> Self {
        // SAFETY: the caller has the instruction.
        unsafe { _mm512_clmulepi64_epi128::<0x11>(self, other) }
    }

    #[inline(always)]
    unsafe fn middle(self, other: Self) -> Self {
        // SAFETY: the caller has the instructions.
        unsafe {
            _mm512_xor_si512(
                _mm512_clmulepi64_epi128::<0x01>(self, other),
                _mm512_clmulepi64_epi128::<0x10>(self, other),
            )
        }
    }
}

const _: () = assert!(BLOCK_BYTES == 16);
