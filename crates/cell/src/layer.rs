//! The wide-block layer cipher: HCTR2 with AES-128 over a whole cell body.
//!
//! Role: one hop's permutation. Every bit of the output depends on every bit of the input, so a body that was altered
//! anywhere is noise after the next honest hop (design 3, "Cells"). Source: Crowley, Huckleberry, Biggers,
//! "Length-preserving encryption with HCTR2", IACR ePrint 2021/1441.
//!
//! Invariants: the length never changes; a call allocates nothing and keeps no state, so cells may be lost or
//! reordered freely; secrets are wiped on drop.
//!
//! Not in it: integrity (the recogniser inside the body does that), replay windows, key derivation. A pair of
//! (direction, sequence) must be used once per key; the same pair twice shows only whether two bodies are equal.

use aes::Aes128;
use aes::cipher::{Block, BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use polyval::Polyval;
use polyval::universal_hash::UniversalHash;
use zeroize::Zeroize;

use crate::layout::BODY_BYTES;

const BLOCK_BYTES: usize = 16;
const TWEAK_BYTES: usize = 16;

type AesBlock = Block<Aes128>;

/// The way a cell travels on a circuit, seen from its builder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Direction {
    /// Away from the builder, towards the last hop.
    Forward = 0,
    /// Back to the builder.
    Backward = 1,
}

/// One hop's keyed permutation: AES key schedules, hash key powers and the hash state after the length block.
pub struct Layer {
    aes: Aes128,
    /// POLYVAL after the length block of a 16-byte tweak and a message of whole blocks.
    whole_blocks: Polyval,
    /// `E(1)`, which separates the counter mode's nonce from the block cipher's inputs and outputs.
    mask: u128,
}

impl Layer {
    /// Expands a 16-byte key.
    pub fn new(key: &[u8; 16]) -> Self {
        let aes = Aes128::new(key.into());
        let mut hash_key = AesBlock::from([0u8; BLOCK_BYTES]);
        aes.encrypt_block(&mut hash_key);
        let mut mask = AesBlock::from(1u128.to_le_bytes());
        aes.encrypt_block(&mut mask);
        let mut whole_blocks = Polyval::new(&hash_key);
        whole_blocks.update(&[length_block(TWEAK_BYTES, true)]);
        let layer = Self { aes, whole_blocks, mask: u128::from_le_bytes(mask.into()) };
        hash_key.zeroize();
        mask.zeroize();
        layer
    }

    /// Permutes `body` in place. The tweak is direction (1 byte), sequence number (8 bytes, big endian), zeroes to 16.
    pub fn encrypt(&self, direction: Direction, sequence: u64, body: &mut [u8; BODY_BYTES]) {
        self.encrypt_blocks(self.absorbed(direction, sequence), body);
    }

    /// Reverses [`Layer::encrypt`] with the same direction and sequence number.
    pub fn decrypt(&self, direction: Direction, sequence: u64, body: &mut [u8; BODY_BYTES]) {
        self.decrypt_blocks(self.absorbed(direction, sequence), body);
    }

    fn absorbed(&self, direction: Direction, sequence: u64) -> Polyval {
        let mut tweak = AesBlock::from([0u8; BLOCK_BYTES]);
        tweak[0] = direction as u8;
        tweak[1..9].copy_from_slice(&sequence.to_be_bytes());
        let mut hash = self.whole_blocks.clone();
        hash.update(&[tweak]);
        hash
    }

    /// `tweaked` has absorbed length block and tweak. Messages shorter than one block are left as they are: no caller
    /// in this module has one.
    fn encrypt_blocks(&self, tweaked: Polyval, message: &mut [u8]) {
        let Some((first, rest)) = message.split_first_chunk_mut::<BLOCK_BYTES>() else { return };
        let mm = u128::from_le_bytes(*first) ^ digest(tweaked.clone(), rest);
        let mut block = AesBlock::from(mm.to_le_bytes());
        self.aes.encrypt_block(&mut block);
        let uu = u128::from_le_bytes(block.into());
        self.xctr(mm ^ uu ^ self.mask, rest);
        *first = (uu ^ digest(tweaked, rest)).to_le_bytes();
    }

    fn decrypt_blocks(&self, tweaked: Polyval, message: &mut [u8]) {
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
}

impl Drop for Layer {
    fn drop(&mut self) {
        self.mask.zeroize();
    }
}

impl core::fmt::Debug for Layer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Layer(secret)")
    }
}

/// The first hash block: twice the tweak's length in bits, plus 2, plus 1 if the message ends in a partial block.
fn length_block(tweak_bytes: usize, whole_blocks: bool) -> AesBlock {
    let length = tweak_bytes as u128 * 16 + if whole_blocks { 2 } else { 3 };
    AesBlock::from(length.to_le_bytes())
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    impl Layer {
        /// Any tweak and any message length, as the published vectors have them.
        fn tweaked(&self, tweak: &[u8], message_bytes: usize) -> Polyval {
            let mut hash_key = AesBlock::from([0u8; BLOCK_BYTES]);
            self.aes.encrypt_block(&mut hash_key);
            let mut hash = Polyval::new(&hash_key);
            hash.update(&[length_block(tweak.len(), message_bytes.is_multiple_of(BLOCK_BYTES))]);
            hash.update_padded(tweak);
            hash
        }
    }

    fn field(test: &serde_json::Value, name: &str) -> Vec<u8> {
        hex::decode(test[name].as_str().unwrap()).unwrap()
    }

    #[test]
    fn published_vectors_hold_in_both_directions() {
        let text = include_str!("../../../test/vectors/hctr2.json");
        let file: serde_json::Value = serde_json::from_str(text).unwrap();
        let tests = file["tests"].as_array().unwrap();
        assert!(tests.len() >= 20);
        for test in tests {
            let layer = Layer::new(&field(test, "key").try_into().unwrap());
            let tweak = field(test, "tweak");
            let plain = field(test, "plaintext");
            let mut message = plain.clone();
            let hash = layer.tweaked(&tweak, message.len());
            layer.encrypt_blocks(hash.clone(), &mut message);
            assert_eq!(message, field(test, "ciphertext"), "{}", test["comment"]);
            layer.decrypt_blocks(hash, &mut message);
            assert_eq!(message, plain, "{}", test["comment"]);
        }
    }

    fn tweak_bytes(direction: Direction, sequence: u64) -> [u8; 16] {
        let mut tweak = [0u8; 16];
        tweak[0] = direction as u8;
        tweak[1..9].copy_from_slice(&sequence.to_be_bytes());
        tweak
    }

    fn bodies() -> impl Strategy<Value = [u8; BODY_BYTES]> {
        proptest::collection::vec(any::<u8>(), BODY_BYTES).prop_map(|bytes| bytes.try_into().unwrap())
    }

    proptest! {
        #[test]
        fn agrees_with_an_independent_implementation(
            key: [u8; 16], sequence: u64, backward: bool, body in bodies()
        ) {
            let direction = if backward { Direction::Backward } else { Direction::Forward };
            let layer = Layer::new(&key);
            let mut ours = body;
            layer.encrypt(direction, sequence, &mut ours);
            let mut theirs = [0u8; BODY_BYTES];
            hctr2_rs::Hctr2_128::new(&key)
                .encrypt(&body, &tweak_bytes(direction, sequence), &mut theirs)
                .unwrap();
            prop_assert_eq!(ours, theirs);
            layer.decrypt(direction, sequence, &mut ours);
            prop_assert_eq!(ours, body);
        }

        #[test]
        fn any_length_agrees_with_an_independent_implementation(
            key: [u8; 16],
            tweak in proptest::collection::vec(any::<u8>(), 0..50),
            message in proptest::collection::vec(any::<u8>(), 16..700),
        ) {
            let layer = Layer::new(&key);
            let mut ours = message.clone();
            layer.encrypt_blocks(layer.tweaked(&tweak, message.len()), &mut ours);
            let mut theirs = vec![0u8; message.len()];
            hctr2_rs::Hctr2_128::new(&key).encrypt(&message, &tweak, &mut theirs).unwrap();
            prop_assert_eq!(ours, theirs);
        }

        #[test]
        fn one_altered_bit_changes_about_half_of_all_bits(
            key: [u8; 16], sequence: u64, body in bodies(), bit in 0..BODY_BYTES * 8
        ) {
            let layer = Layer::new(&key);
            let mut altered = body;
            layer.encrypt(Direction::Forward, sequence, &mut altered);
            altered[bit / 8] ^= 1 << (bit % 8);
            layer.decrypt(Direction::Forward, sequence, &mut altered);
            let differing: u32 = body.iter().zip(&altered).map(|(a, b)| (a ^ b).count_ones()).sum();
            let half = BODY_BYTES as u32 * 4;
            prop_assert!(differing.abs_diff(half) < 250, "{differing} of {} bits differ", BODY_BYTES * 8);
        }
    }

    #[test]
    fn direction_and_sequence_number_select_other_permutations() {
        let layer = Layer::new(&[7; 16]);
        let permuted = |direction, sequence| {
            let mut body = [0u8; BODY_BYTES];
            layer.encrypt(direction, sequence, &mut body);
            body
        };
        let base = permuted(Direction::Forward, 1);
        assert_ne!(base, permuted(Direction::Backward, 1));
        assert_ne!(base, permuted(Direction::Forward, 2));
        assert_eq!(base, permuted(Direction::Forward, 1));
    }
}
