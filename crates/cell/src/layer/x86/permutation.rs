//! HCTR2 over vectors of any width.
//!
//! Role: key expansion, the hash, the counter mode, and the permutation of one body in place, generic over `Lanes`.
//! Field elements of POLYVAL stand in registers as they stand in memory; `reduced` takes the 256-bit sum of products
//! back to 128 bits once for a group of blocks (Montgomery form, as POLYVAL has it).
//!
//! Invariants: every function is inlined into a caller compiled for the instructions of its lanes, and must run only
//! where they exist: that is what `unsafe` stands for. Bodies have whole blocks, two to `MAX_BYTES / 16`.
//! Not in it: detection, key storage, what a tweak means.

use super::super::{BLOCK_BYTES, Block, LENGTH_BLOCK, MAX_BYTES};
use super::lanes::Lanes;
use super::{Keys, POWERS};
use core::arch::x86_64::*;

/// The numbers 1, 2, … as blocks.
static COUNTERS: [Block; MAX_BYTES / BLOCK_BYTES] = {
    let mut counters = [[0; BLOCK_BYTES]; MAX_BYTES / BLOCK_BYTES];
    let mut at = 0;
    while at < counters.len() {
        counters[at] = (at as u128 + 1).to_le_bytes();
        at += 1;
    }
    counters
};

/// Of the AES-128 key schedule.
const ROUND_CONSTANTS: [i32; 10] = [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0x1b, 0x36];

/// Expands a key.
#[inline(always)]
pub(super) unsafe fn expand(key: &Block) -> Keys {
    let mut keys = Keys { round: [0; 11], powers: [0; POWERS] };
    // SAFETY: the caller has the instructions; 16 bytes are stored to where 16 bytes are.
    unsafe {
        let mut round_key = __m128i::load(&[*key]);
        // The last word's bytes, rotated by one, in all four columns: so the row shift of the AES round moves nothing.
        let rotated = _mm_set1_epi32(0x0c0f_0e0d);
        for (round, slot) in keys.round.iter_mut().enumerate() {
            if let Some(constant) = round.checked_sub(1).map(|at| ROUND_CONSTANTS[at]) {
                let word =
                    _mm_aesenclast_si128(_mm_shuffle_epi8(round_key, rotated), _mm_set1_epi32(constant));
                round_key = round_key.xor(_mm_slli_si128::<4>(round_key));
                round_key = round_key.xor(_mm_slli_si128::<8>(round_key));
                round_key = round_key.xor(word);
            }
            _mm_storeu_si128(core::ptr::from_mut(slot).cast(), round_key);
        }
        let hash_key = encrypt_block(&keys, _mm_setzero_si128());
        let mut power = hash_key;
        for slot in keys.powers.iter_mut().rev() {
            _mm_storeu_si128(core::ptr::from_mut(slot).cast(), power);
            power = Products::of(power, hash_key).reduced();
        }
    }
    keys
}

/// Encrypts a body: first block and at least one more.
#[inline(always)]
pub(super) unsafe fn encrypt<L: Lanes>(keys: &Keys, tweak: Block, body: &mut [Block]) {
    let Some((first, rest)) = body.split_first_mut() else { return };
    // SAFETY: the caller has the instructions.
    unsafe {
        let start = absorbed(keys, tweak);
        let mm = __m128i::load(core::slice::from_ref(first)).xor(hash::<L>(keys, start, rest));
        let [uu, mask] = encrypt_blocks(keys, [mm, one()]);
        xctr::<L>(keys, mm.xor(uu).xor(mask), rest);
        uu.xor(hash::<L>(keys, start, rest)).store(core::slice::from_mut(first));
    }
}

/// Reverses `encrypt`.
#[inline(always)]
pub(super) unsafe fn decrypt<L: Lanes>(keys: &Keys, tweak: Block, body: &mut [Block]) {
    let Some((first, rest)) = body.split_first_mut() else { return };
    // SAFETY: the caller has the instructions.
    unsafe {
        let start = absorbed(keys, tweak);
        let [mask] = encrypt_blocks(keys, [one()]);
        let uu = __m128i::load(core::slice::from_ref(first)).xor(hash::<L>(keys, start, rest));
        let mm = decrypt_block(keys, uu);
        xctr::<L>(keys, mm.xor(uu).xor(mask), rest);
        mm.xor(hash::<L>(keys, start, rest)).store(core::slice::from_mut(first));
    }
}

#[inline(always)]
unsafe fn one() -> __m128i {
    // SAFETY: SSE2 is part of x86-64.
    unsafe { _mm_set_epi64x(0, 1) }
}

#[inline(always)]
unsafe fn round_key(keys: &Keys, round: usize) -> __m128i {
    // SAFETY: 16 bytes are read from where they are.
    unsafe { _mm_loadu_si128(core::ptr::from_ref(&keys.round[round]).cast()) }
}

/// The powers from the `count`-th down to the first, as blocks.
#[inline(always)]
fn powers(keys: &Keys, count: usize) -> &[Block] {
    let blocks: &[Block; POWERS] = {
        // SAFETY: a u128 has 16 bytes, and bytes need no alignment.
        unsafe { &*core::ptr::from_ref(&keys.powers).cast() }
    };
    &blocks[POWERS - count..]
}

/// Encrypts vectors whose first key has not been added.
#[inline(always)]
unsafe fn encrypt_blocks<L: Lanes, const N: usize>(keys: &Keys, mut blocks: [L; N]) -> [L; N] {
    // SAFETY: the caller has the instructions.
    unsafe {
        let key = L::broadcast(round_key(keys, 0));
        for block in &mut blocks {
            *block = block.xor(key);
        }
        rounds(keys, blocks)
    }
}

#[inline(always)]
unsafe fn encrypt_block(keys: &Keys, block: __m128i) -> __m128i {
    // SAFETY: the caller has the instructions.
    unsafe {
        let [block] = encrypt_blocks(keys, [block]);
        block
    }
}

/// The ten rounds after the first key.
#[inline(always)]
unsafe fn rounds<L: Lanes, const N: usize>(keys: &Keys, mut blocks: [L; N]) -> [L; N] {
    // SAFETY: the caller has the instructions.
    unsafe {
        for round in 1..10 {
            let key = L::broadcast(round_key(keys, round));
            for block in &mut blocks {
                *block = block.round(key);
            }
        }
        let key = L::broadcast(round_key(keys, 10));
        for block in &mut blocks {
            *block = block.last_round(key);
        }
    }
    blocks
}

/// Decrypts one block; its keys are derived here, while the block still waits for the hash.
#[inline(always)]
unsafe fn decrypt_block(keys: &Keys, block: __m128i) -> __m128i {
    // SAFETY: the caller has the instructions.
    unsafe {
        let mut block = block.xor(round_key(keys, 10));
        for round in (1..10).rev() {
            block = _mm_aesdec_si128(block, _mm_aesimc_si128(round_key(keys, round)));
        }
        _mm_aesdeclast_si128(block, round_key(keys, 0))
    }
}

/// XCTR: block i of the key stream is `E(nonce XOR i)`, i from 1, little endian.
#[inline(always)]
unsafe fn xctr<L: Lanes>(keys: &Keys, nonce: __m128i, data: &mut [Block]) {
    // SAFETY: the caller has the instructions.
    unsafe {
        let nonce = nonce.xor(round_key(keys, 0));
        let mut at = 0;
        while data.len() - at >= 10 * L::BLOCKS {
            at = xctr_step::<L, 10>(keys, nonce, data, at);
        }
        if data.len() - at >= 5 * L::BLOCKS {
            at = xctr_step::<L, 5>(keys, nonce, data, at);
        }
        if data.len() - at >= 4 * L::BLOCKS {
            at = xctr_step::<L, 4>(keys, nonce, data, at);
        }
        if data.len() - at >= 2 * L::BLOCKS {
            at = xctr_step::<L, 2>(keys, nonce, data, at);
        }
        if data.len() - at >= L::BLOCKS {
            at = xctr_step::<L, 1>(keys, nonce, data, at);
        }
        while at < data.len() {
            at = xctr_step::<__m128i, 1>(keys, nonce, data, at);
        }
    }
}

/// `N` vectors from block `at` on; gives the block after them. `nonce` includes the first key.
#[inline(always)]
unsafe fn xctr_step<L: Lanes, const N: usize>(
    keys: &Keys,
    nonce: __m128i,
    data: &mut [Block],
    at: usize,
) -> usize {
    // SAFETY: the caller has the instructions.
    unsafe {
        let mut stream = [L::broadcast(nonce); N];
        for (index, vector) in stream.iter_mut().enumerate() {
            *vector = vector.xor(L::load(&COUNTERS[at + index * L::BLOCKS..]));
        }
        for (index, vector) in rounds(keys, stream).into_iter().enumerate() {
            let data = &mut data[at + index * L::BLOCKS..];
            L::load(data).xor(vector).store(data);
        }
    }
    at + N * L::BLOCKS
}

/// The hash state after length block and tweak.
#[inline(always)]
unsafe fn absorbed(keys: &Keys, tweak: Block) -> __m128i {
    let blocks = [u128::from(LENGTH_BLOCK).to_le_bytes(), tweak];
    // SAFETY: the caller has the instructions.
    unsafe { Products::of_blocks(__m128i::load(&blocks), keys, &blocks).reduced() }
}

/// The hash of `data` from a state on.
#[inline(always)]
unsafe fn hash<L: Lanes>(keys: &Keys, mut state: __m128i, data: &[Block]) -> __m128i {
    for group in data.chunks(POWERS) {
        // SAFETY: the caller has the instructions.
        unsafe {
            state = if group.len() >= L::BLOCKS {
                let first = L::load(group).xor(L::first(state));
                Products::of_blocks(first, keys, group).reduced()
            } else {
                let first = __m128i::load(group).xor(state);
                Products::of_blocks(first, keys, group).reduced()
            };
        }
    }
    state
}

/// Sums of carry-less products, not yet reduced.
#[derive(Clone, Copy)]
struct Products<L> {
    low: L,
    middle: L,
    high: L,
}

impl<L: Lanes> Products<L> {
    #[inline(always)]
    unsafe fn of(a: L, b: L) -> Self {
        // SAFETY: the caller has the instructions.
        unsafe { Self { low: a.low(b), middle: a.middle(b), high: a.high(b) } }
    }

    #[inline(always)]
    unsafe fn plus(self, other: Self) -> Self {
        // SAFETY: the caller has the instructions.
        unsafe {
            Self {
                low: self.low.xor(other.low),
                middle: self.middle.xor(other.middle),
                high: self.high.xor(other.high),
            }
        }
    }

    /// Multiplies at most `POWERS` blocks, of which `first` takes the place of the first vector, with falling powers.
    /// What fills no vector is multiplied block by block.
    #[inline(always)]
    unsafe fn of_blocks(first: L, keys: &Keys, group: &[Block]) -> Products<__m128i> {
        let powers = powers(keys, group.len());
        // SAFETY: the caller has the instructions.
        unsafe {
            let mut sum = Self::of(first, L::load(powers));
            let mut at = L::BLOCKS;
            while group.len() - at >= L::BLOCKS {
                sum = sum.plus(Self::of(L::load(&group[at..]), L::load(&powers[at..])));
                at += L::BLOCKS;
            }
            let mut sum = Products { low: sum.low.fold(), middle: sum.middle.fold(), high: sum.high.fold() };
            while at < group.len() {
                sum = sum.plus(Products::of(__m128i::load(&group[at..]), __m128i::load(&powers[at..])));
                at += 1;
            }
            sum
        }
    }
}

impl Products<__m128i> {
    /// The sum times x^-128 modulo x^128 + x^127 + x^126 + x^121 + 1.
    #[inline(always)]
    unsafe fn reduced(self) -> __m128i {
        // SAFETY: the caller has the instructions.
        unsafe {
            let polynomial = _mm_set_epi64x(0, 0xc200_0000_0000_0000_u64.cast_signed());
            let low = self.low.xor(_mm_slli_si128::<8>(self.middle));
            let high = self.high.xor(_mm_srli_si128::<8>(self.middle));
            let once = _mm_shuffle_epi32::<0x4e>(low).xor(low.low(polynomial));
            let twice = _mm_shuffle_epi32::<0x4e>(once).xor(once.low(polynomial));
            high.xor(twice)
        }
    }
}
