//! The search for a number that makes a hash begin with zero bits: the work behind a peer's position in the DHT.
//!
//! Whoever tries must hash once a candidate; whoever checks hashes once. No I/O, no clock, no threads: the caller cuts the
//! search into slices. Not here: what is hashed (`src/dht/position.ts`).

#![cfg_attr(test, allow(clippy::unwrap_used))]

use sha2::{Digest, Sha256};

/// The first of `attempts` numbers from `start` on (modulo 2^64) for which SHA-256(`prefix` ‖ number, 8 bytes big-endian)
/// begins with at least `bits` zero bits; `None` where there is none among them.
pub fn search(prefix: &[u8], start: u64, attempts: u64, bits: u32) -> Option<u64> {
    let begun = Sha256::new_with_prefix(prefix);
    (0..attempts).map(|step| start.wrapping_add(step)).find(|number| {
        let hash: [u8; 32] = begun.clone().chain_update(number.to_be_bytes()).finalize().into();
        leading_zeros(&hash) >= bits
    })
}

/// Zero bits at the beginning of a hash.
fn leading_zeros(hash: &[u8; 32]) -> u32 {
    let zero_bytes = hash.iter().take_while(|byte| **byte == 0).count();
    let rest = hash.get(zero_bytes).map_or(0, |byte| byte.leading_zeros());
    8 * zero_bytes as u32 + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_finds_holds_and_nothing_before_it_does() {
        let found = search(b"prefix", 1_000, 1 << 16, 10).unwrap();
        for number in 1_000..=found {
            let hash = Sha256::new().chain_update(b"prefix").chain_update(number.to_be_bytes()).finalize();
            let begins = u16::from_be_bytes([hash[0], hash[1]]) < 1 << 6;
            assert_eq!(begins, number == found, "number {number}");
        }
    }

    #[test]
    fn it_ends_after_its_attempts_and_goes_on_behind_the_last_number() {
        assert_eq!(search(b"prefix", 0, 0, 0), None);
        assert_eq!(search(b"prefix", 5, 1_000, 64), None);
        assert_eq!(search(b"prefix", u64::MAX, 1, 0), Some(u64::MAX));
        let behind = search(b"prefix", 0, 1 << 16, 12).unwrap();
        assert_eq!(search(b"prefix", u64::MAX, behind + 2, 12), Some(behind));
    }

    #[test]
    fn zero_bits_are_counted_over_bytes() {
        let mut hash = [0; 32];
        assert_eq!(leading_zeros(&hash), 256);
        hash[2] = 0x1f;
        assert_eq!(leading_zeros(&hash), 19);
        hash[0] = 0x80;
        assert_eq!(leading_zeros(&hash), 0);
    }
}
