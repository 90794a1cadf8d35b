//! The layer cipher composed of the crates `aes` and `polyval`: for every processor, and what the others are checked
//! against.
//!
//! Invariants: constant time (both crates are); any tweak and any message of at least one block, as the published
//! vectors have them. Not in it: what a tweak means.

use super::{BLOCK_BYTES, Block, LENGTH_BLOCK};
use aes::Aes128;
use aes::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use polyval::Polyval;
use polyval::universal_hash::UniversalHash;
use zeroize::Zeroize;

type AesBlock = aes::cipher::Block<Aes128>;

/// AES key schedules, and the hash state after the length block.
pub(super) struct Portable {
    aes: Aes128,
    /// POLYVAL after the length block of a 16-byte tweak and a message of whole blocks.
    whole_blocks: Polyval,
    /// `E(1)`, which separates the counter mode's nonce from the block cipher's inputs and outputs.
    mask: u128,
}

impl Portable {
    pub(super) fn new(key: &[u8; 16]) -> Self {
        let aes = Aes128::new(key.into());
        let mut hash_key = AesBlock::from([0u8; BLOCK_BYTES]);
        aes.encrypt_block(&mut hash_key);
        let mut mask = AesBlock::from(1u128.to_le_bytes());
        aes.encrypt_block(&mut mask);
        let mut whole_blocks = Polyval::new(&hash_key);
        whole_blocks.update(&[AesBlock::from(u128::from(LENGTH_BLOCK).to_le_bytes())]);
        let layer = Self { aes, whole_blocks, mask: u128::from_le_bytes(mask.into()) };
        hash_key.zeroize();
        mask.zeroize();
        layer
    }

    /// `message`: whole blocks.
    pub(super) fn encrypt(&self, tweak: &Block, message: &mut [u8]) {
        self.encrypt_hashed(self.absorbed(tweak), message);
    }

    /// Reverses `encrypt`.
    pub(super) fn decrypt(&self, tweak: &Block, message: &mut [u8]) {
        self.decrypt_hashed(self.absorbed(tweak), message);
    }

    fn absorbed(&self, tweak: &Block) -> Polyval {
        let mut hash = self.whole_blocks.clone();
        hash.update(&[(*tweak).into()]);
        hash
    }

    /// `tweaked` has absorbed length block and tweak. Messages shorter than one block are left as they are: no caller
    /// in this module has one.
    pub(super) fn encrypt_hashed(&self, tweaked: Polyval, message: &mut [u8]) {
        let Some((first, rest)) = message.split_first_chunk_mut::<BLOCK_BYTES>() else { return };
        let mm = u128::from_le_bytes(*first) ^ digest(tweaked.clone(), rest);
        let mut block = AesBlock::from(mm.to_le_bytes());
        self.aes.encrypt_block(&mut block);
        let uu = u128::from_le_bytes(block.into());
        self.xctr(mm ^ uu ^ self.mask, rest);
        *first = (uu ^ digest(tweaked, rest)).to_le_bytes();
    }

    /// Reverses `encrypt_hashed`.
    pub(super) fn decrypt_hashed(&self, tweaked: Polyval, message: &mut [u8]) {
        let Some((first, rest)) = message.split_first_chunk_mut::<BLOCK_BYTES>() else { return };
        let uu = u128::from_le_bytes(*first) ^ digest(tweaked.clone(), rest);
        let mut block = AesBlock::from(uu.to_le_bytes());
        self.aes.decrypt_block(&mut block);
        let mm = u128::from_le_bytes(block.into());
        self.xctr(mm ^ uu ^ self.mask, rest);
        *first = (mm ^ digest(tweaked, rest)).to_le_bytes();
    }

    /// XCTR: block i of the key stream is `E(nonce XOR i)`, i from 1, little endian.
    fn xctr(&self, nonce: u128, data: &mut [u8]) {
        const BATCH: usize = 20;
        let mut stream = [AesBlock::from([0u8; BLOCK_BYTES]); BATCH];
        let mut counter = 1u128;
        for chunk in data.chunks_mut(BATCH * BLOCK_BYTES) {
            let blocks = &mut stream[..chunk.len().div_ceil(BLOCK_BYTES)];
            for block in blocks.iter_mut() {
                *block = AesBlock::from((nonce ^ counter).to_le_bytes());
                counter += 1;
            }
            self.aes.encrypt_blocks(blocks);
            for (byte, key) in chunk.iter_mut().zip(blocks.iter().flatten()) {
                *byte ^= key;
            }
        }
    }

    /// The hash state after a tweak of any length, for a message of any length.
    #[cfg(test)]
    pub(super) fn tweaked(&self, tweak: &[u8], message_bytes: usize) -> Polyval {
        let mut hash_key = AesBlock::from([0u8; BLOCK_BYTES]);
        self.aes.encrypt_block(&mut hash_key);
        let partial = u128::from(!message_bytes.is_multiple_of(BLOCK_BYTES));
        let mut hash = Polyval::new(&hash_key);
        hash.update(&[AesBlock::from((tweak.len() as u128 * 16 + 2 + partial).to_le_bytes())]);
        hash.update_padded(tweak);
        hash
    }
}

impl Drop for Portable {
    fn drop(&mut self) {
        self.mask.zeroize();
    }
}

fn digest(mut hash: Polyval, message: &[u8]) -> u128 {
    let (blocks, tail) = AesBlock::slice_as_chunks(message);
    hash.update(blocks);
    if !tail.is_empty() {
        let mut last = AesBlock::from([0u8; BLOCK_BYTES]);
        last[..tail.len()].copy_from_slice(tail);
        last[tail.len()] = 1;
        hash.update(&[last]);
    }
    u128::from_le_bytes(hash.finalize().into())
}
