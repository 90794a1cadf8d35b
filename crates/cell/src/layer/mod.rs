//! The wide-block layer cipher: HCTR2 with AES-128 over a whole cell body.
//!
//! Role: one hop's permutation. Every bit of the output depends on every bit of the input, so a body that was altered
//! anywhere is noise after the next honest hop (design 3, "Cells"). Source: Crowley, Huckleberry, Biggers,
//! "Length-preserving encryption with HCTR2", IACR ePrint 2021/1441.
//!
//! Invariants: the length never changes; a call allocates nothing and keeps no state, so cells may be lost or
//! reordered freely; no branch and no address depends on a secret; secrets are wiped on drop; every implementation
//! computes the same permutation and has shown so on this machine before it is used.
//!
//! Not in it: integrity (the recogniser inside the body does that), replay windows, key derivation. A pair of
//! (direction, sequence) must be used once per key; the same pair twice shows only whether two bodies are equal.

mod choice;
mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(test)]
mod tests;

use crate::layout::BODY_BYTES;
use portable::Portable;

const BLOCK_BYTES: usize = 16;
const TWEAK_BYTES: usize = 16;
/// What bodies of other sizes may have at most.
const MAX_BYTES: usize = 1024;
/// The first block of the hash for a 16-byte tweak and a message of whole blocks: twice the tweak's bits, plus 2.
const LENGTH_BLOCK: u64 = TWEAK_BYTES as u64 * 16 + 2;

type Block = [u8; BLOCK_BYTES];

/// The way a cell travels on a circuit, seen from its builder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Direction {
    /// Away from the builder, towards the last hop.
    Forward = 0,
    /// Back to the builder.
    Backward = 1,
}

/// Which instructions do the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Engine {
    /// What the crates `aes` and `polyval` find.
    Portable,
    /// AES-NI and PCLMULQDQ.
    #[cfg(target_arch = "x86_64")]
    AesNi,
    /// The same on two blocks at once: VAES and VPCLMULQDQ with AVX2.
    #[cfg(target_arch = "x86_64")]
    Vaes256,
    /// The same on four blocks at once: VAES and VPCLMULQDQ with AVX-512.
    #[cfg(target_arch = "x86_64")]
    Vaes512,
}

/// One hop's keyed permutation. Small and aligned to cache lines: with thousands of circuits, memory costs more than
/// the cryptography, see [`Layer::prefetch`].
#[repr(align(64))]
pub struct Layer(Keyed);

/// The variant of an engine exists only where the processor has its instructions.
enum Keyed {
    Portable(Box<Portable>),
    #[cfg(target_arch = "x86_64")]
    AesNi(x86::Keys),
    #[cfg(target_arch = "x86_64")]
    Vaes256(x86::Keys),
    #[cfg(target_arch = "x86_64")]
    Vaes512(x86::Keys),
}

impl Layer {
    /// Expands a 16-byte key for the fastest engine of this machine.
    pub fn new(key: &[u8; 16]) -> Self {
        choice::fastest(key)
    }

    /// Expands a 16-byte key for one engine; `None` where the processor lacks its instructions.
    pub fn with_engine(engine: Engine, key: &[u8; 16]) -> Option<Self> {
        let keyed = match engine {
            Engine::Portable => Keyed::Portable(Box::new(Portable::new(key))),
            #[cfg(target_arch = "x86_64")]
            Engine::AesNi => Keyed::AesNi(x86::Keys::for_aes_ni(key)?),
            #[cfg(target_arch = "x86_64")]
            Engine::Vaes256 => Keyed::Vaes256(x86::Keys::for_vaes256(key)?),
            #[cfg(target_arch = "x86_64")]
            Engine::Vaes512 => Keyed::Vaes512(x86::Keys::for_vaes512(key)?),
        };
        Some(Self(keyed))
    }

    /// The engine that does the work.
    pub fn engine(&self) -> Engine {
        match &self.0 {
            Keyed::Portable(_) => Engine::Portable,
            #[cfg(target_arch = "x86_64")]
            Keyed::AesNi(_) => Engine::AesNi,
            #[cfg(target_arch = "x86_64")]
            Keyed::Vaes256(_) => Engine::Vaes256,
            #[cfg(target_arch = "x86_64")]
            Keyed::Vaes512(_) => Engine::Vaes512,
        }
    }

    /// Permutes `body` in place. The tweak is direction (1 byte), sequence number (8 bytes, big endian), zeroes to 16.
    pub fn encrypt(&self, direction: Direction, sequence: u64, body: &mut [u8; BODY_BYTES]) {
        self.encrypt_sized(direction, sequence, body);
    }

    /// Reverses [`Layer::encrypt`] with the same direction and sequence number.
    pub fn decrypt(&self, direction: Direction, sequence: u64, body: &mut [u8; BODY_BYTES]) {
        self.decrypt_sized(direction, sequence, body);
    }

    /// [`Layer::encrypt`] for bodies of another size: whole blocks of 16 bytes, at least two, at most 1024 bytes.
    pub fn encrypt_sized<const BYTES: usize>(
        &self,
        direction: Direction,
        sequence: u64,
        body: &mut [u8; BYTES],
    ) {
        const { assert!(BYTES.is_multiple_of(BLOCK_BYTES) && BYTES >= 2 * BLOCK_BYTES && BYTES <= MAX_BYTES) };
        let tweak = tweak(direction, sequence);
        match &self.0 {
            Keyed::Portable(portable) => portable.encrypt(&tweak, body),
            // SAFETY: the variants exist only where the processor has the instructions.
            #[cfg(target_arch = "x86_64")]
            Keyed::AesNi(keys) => unsafe { x86::entry::aes_ni_encrypt(keys, tweak, body) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Keyed::Vaes256(keys) => unsafe { x86::entry::vaes256_encrypt(keys, tweak, body) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Keyed::Vaes512(keys) => unsafe { x86::entry::vaes512_encrypt(keys, tweak, body) },
        }
    }

    /// Reverses [`Layer::encrypt_sized`].
    pub fn decrypt_sized<const BYTES: usize>(
        &self,
        direction: Direction,
        sequence: u64,
        body: &mut [u8; BYTES],
    ) {
        const { assert!(BYTES.is_multiple_of(BLOCK_BYTES) && BYTES >= 2 * BLOCK_BYTES && BYTES <= MAX_BYTES) };
        let tweak = tweak(direction, sequence);
        match &self.0 {
            Keyed::Portable(portable) => portable.decrypt(&tweak, body),
            // SAFETY: the variants exist only where the processor has the instructions.
            #[cfg(target_arch = "x86_64")]
            Keyed::AesNi(keys) => unsafe { x86::entry::aes_ni_decrypt(keys, tweak, body) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Keyed::Vaes256(keys) => unsafe { x86::entry::vaes256_decrypt(keys, tweak, body) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Keyed::Vaes512(keys) => unsafe { x86::entry::vaes512_decrypt(keys, tweak, body) },
        }
    }

    /// Asks the processor to bring the keys into its cache; call it for all cells of a batch before the first of them
    /// is permuted. Changes nothing else.
    #[inline]
    pub fn prefetch(&self) {
        prefetch(self);
    }
}

/// [`Layer::prefetch`] for whatever else a cell will meet.
#[inline]
pub fn prefetch<T>(value: &T) {
    #[cfg(target_arch = "x86_64")]
    x86::prefetch(value);
    #[cfg(not(target_arch = "x86_64"))]
    let _ = value;
}

impl core::fmt::Debug for Layer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Layer(secret)")
    }
}

fn tweak(direction: Direction, sequence: u64) -> Block {
    let mut tweak = [0; TWEAK_BYTES];
    tweak[0] = direction as u8;
    tweak[1..9].copy_from_slice(&sequence.to_be_bytes());
    tweak
}
