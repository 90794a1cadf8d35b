//! Signed registrations: what a pseudo-identity says about who may be called in its name, and where.
//!
//! The pseudo-identity signs a fresh *registration key* for one exchange point and a time (the *statement*); the KX holds
//! that key alone and proves it on each circuit over secrets that only this circuit's two ends have. So the KX can
//! register again without the pseudo-identity's key, nobody can replay a registration on another circuit, and at another
//! exchange point it is worth nothing. Which of two registrations wins is not decided here (`exchange/claim.rs`).

use crate::peer::Identity;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use thiserror::Error;
use zeroize::Zeroizing;

const STATEMENT_DOMAIN: &[u8] = b"peer registration v1";
const PROOF_DOMAIN: &[u8] = b"peer registration proof v1";
/// How far the owner's clock may be ahead of the exchange point's, in seconds.
pub const MAX_AHEAD_SECONDS: u64 = 600;
/// Longest time from a statement to its expiry, in seconds.
pub const MAX_LIFETIME_SECONDS: u64 = 24 * 3600;

/// What a pseudo-identity has signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Registration key, Ed25519: who proves its secret half speaks for the pseudo-identity.
    pub key: [u8; 32],
    /// When it was signed, Unix seconds: the newest wins.
    pub time: u64,
    /// Until when it counts, Unix seconds.
    pub expiry: u64,
    /// By the pseudo-identity, over [`statement_bytes`].
    pub signature: [u8; 64],
}

/// Why a signed registration is not valid.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Invalid {
    /// Over, from too far in the future, or meant for too long.
    #[error("not valid at this time")]
    Time,
    /// The pseudo-identity or the registration key is no key for which one must hold a secret.
    #[error("a weak key")]
    WeakKey,
    /// The pseudo-identity did not sign this for this exchange point.
    #[error("forged")]
    Signature,
    /// Whoever shows it here does not hold the registration key, or shows it on another circuit.
    #[error("not proven")]
    Proof,
}

/// The owner's side: a statement and the secret half of its registration key.
#[derive(Clone)]
pub struct Registration {
    secret: Zeroizing<[u8; 32]>,
    time: u64,
    expiry: u64,
    signature: [u8; 64],
}

impl std::fmt::Debug for Registration {
    /// Never the secret.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Registration")
    }
}

impl Registration {
    /// `secret`: Ed25519 seed of the registration key; times in Unix seconds; `signature`: the pseudo-identity's.
    pub fn new(secret: [u8; 32], time: u64, expiry: u64, signature: [u8; 64]) -> Self {
        Self { secret: Zeroizing::new(secret), time, expiry, signature }
    }

    /// When it was signed, Unix seconds.
    pub fn time(&self) -> u64 {
        self.time
    }

    /// Until when it counts, Unix seconds.
    pub fn expiry(&self) -> u64 {
        self.expiry
    }

    /// The statement, and the proof for the circuit with this binding; `None` when the secret is no key.
    pub fn show(&self, binding: &[u8; 32]) -> Option<(Statement, [u8; 64])> {
        let pair = Ed25519KeyPair::from_seed_unchecked(self.secret.as_slice()).ok()?;
        let key = pair.public_key().as_ref().try_into().ok()?;
        let proof = pair.try_sign(&proof_bytes(binding)).ok()?.as_ref().try_into().ok()?;
        let Self { time, expiry, signature, .. } = *self;
        Some((Statement { key, time, expiry, signature }, proof))
    }
}

impl Statement {
    /// Whether it speaks for `pseudo_identity` at `exchange_point` now, and `proof` is of its key for this circuit.
    pub fn verify(
        &self,
        pseudo_identity: &Identity,
        exchange_point: &Identity,
        (binding, proof): (&[u8; 32], &[u8; 64]),
        unix_now: u64,
    ) -> Result<(), Invalid> {
        let lifetime = self.expiry.checked_sub(self.time).ok_or(Invalid::Time)?;
        let is_ahead = self.time > unix_now.saturating_add(MAX_AHEAD_SECONDS);
        if self.expiry <= unix_now || is_ahead || lifetime > MAX_LIFETIME_SECONDS {
            return Err(Invalid::Time);
        }
        if is_weak(pseudo_identity) || is_weak(&self.key) {
            return Err(Invalid::WeakKey);
        }
        let signed = statement_bytes(pseudo_identity, exchange_point, &self.key, self.time, self.expiry);
        let is_by = |key: &[u8; 32], message: &[u8], signature: &[u8; 64]| {
            UnparsedPublicKey::new(&ED25519, key).verify(message, signature).is_ok()
        };
        if !is_by(pseudo_identity, &signed, &self.signature) {
            return Err(Invalid::Signature);
        }
        if is_by(&self.key, &proof_bytes(binding), proof) { Ok(()) } else { Err(Invalid::Proof) }
    }
}

/// What the pseudo-identity signs: domain ‖ pseudo-identity 32 ‖ exchange point 32 ‖ key 32 ‖ time u64 ‖ expiry u64.
pub fn statement_bytes(
    pseudo_identity: &Identity,
    exchange_point: &Identity,
    key: &[u8; 32],
    time: u64,
    expiry: u64,
) -> Vec<u8> {
    let times = [time.to_be_bytes(), expiry.to_be_bytes()].concat();
    [STATEMENT_DOMAIN, pseudo_identity, exchange_point, key, &times].concat()
}

fn proof_bytes(binding: &[u8; 32]) -> Vec<u8> {
    [PROOF_DOMAIN, binding].concat()
}

/// y of the points of small order, with the sign bit cleared: anybody can "sign" under them.
const SMALL_ORDER: [[u8; 32]; 5] = [
    [0; 32],
    one(),
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5,
        0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a,
        0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
    field_prime_and(-1),
];

const fn one() -> [u8; 32] {
    let mut y = [0; 32];
    y[0] = 1;
    y
}

/// 2^255 - 19 + `more`, little-endian.
const fn field_prime_and(more: i8) -> [u8; 32] {
    let mut y = [0xff; 32];
    y[0] = 0xed_u8.wrapping_add_signed(more);
    y[31] = 0x7f;
    y
}

/// Whether a public key is not in its one canonical form, or of small order.
fn is_weak(key: &[u8; 32]) -> bool {
    let mut y = *key;
    y[31] &= 0x7f;
    let prime = field_prime_and(0);
    let is_canonical = y.iter().rev().lt(prime.iter().rev());
    !is_canonical || SMALL_ORDER.contains(&y)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: u64 = 1_800_000_000;
    const HERE: Identity = [8; 32];
    const BINDING: [u8; 32] = [6; 32];

    fn owner() -> Ed25519KeyPair {
        Ed25519KeyPair::from_seed_unchecked(&[1; 32]).unwrap()
    }

    fn public(pair: &Ed25519KeyPair) -> [u8; 32] {
        pair.public_key().as_ref().try_into().unwrap()
    }

    fn registration(time: u64, expiry: u64) -> Registration {
        let key = public(&Ed25519KeyPair::from_seed_unchecked(&[2; 32]).unwrap());
        let signed = statement_bytes(&public(&owner()), &HERE, &key, time, expiry);
        Registration::new([2; 32], time, expiry, owner().sign(&signed).as_ref().try_into().unwrap())
    }

    #[test]
    fn a_statement_holds_for_its_owner_its_exchange_point_its_circuit_and_its_time() {
        let (statement, proof) = registration(NOW, NOW + 7200).show(&BINDING).unwrap();
        let by = public(&owner());
        let verify = |by, at, binding, now| statement.verify(by, at, (binding, &proof), now);
        assert_eq!(verify(&by, &HERE, &BINDING, NOW), Ok(()));
        assert_eq!(verify(&statement.key, &HERE, &BINDING, NOW), Err(Invalid::Signature));
        assert_eq!(verify(&by, &[9; 32], &BINDING, NOW), Err(Invalid::Signature));
        assert_eq!(verify(&by, &HERE, &[7; 32], NOW), Err(Invalid::Proof));
        assert_eq!(verify(&by, &HERE, &BINDING, NOW - 600), Ok(()));
        assert_eq!(verify(&by, &HERE, &BINDING, NOW - 601), Err(Invalid::Time));
        assert_eq!(verify(&by, &HERE, &BINDING, NOW + 7199), Ok(()));
        assert_eq!(verify(&by, &HERE, &BINDING, NOW + 7200), Err(Invalid::Time));
    }

    #[test]
    fn times_of_any_size_are_compared_without_overflow() {
        for (time, expiry, holds) in [
            (NOW, NOW + MAX_LIFETIME_SECONDS, true),
            (NOW, NOW + MAX_LIFETIME_SECONDS + 1, false),
            (NOW, NOW - 1, false),
            (0, u64::MAX, false),
            (u64::MAX, u64::MAX, false),
            (u64::MAX, 0, false),
        ] {
            let (statement, proof) = registration(time, expiry).show(&BINDING).unwrap();
            let verdict = statement.verify(&public(&owner()), &HERE, (&BINDING, &proof), NOW);
            assert_eq!(verdict.is_ok(), holds, "{time} {expiry}");
        }
    }

    /// The encodings of the eight points of small order, and those that are not canonical.
    #[test]
    fn weak_keys_are_refused() {
        let mut weak = SMALL_ORDER.to_vec();
        weak.extend((0..19).map(field_prime_and));
        for mut key in weak {
            for sign in [0, 0x80] {
                key[31] = key[31] & 0x7f | sign;
                assert!(is_weak(&key), "{key:?}");
                // A signature of zeros: R and s that a point of order 1 makes hold for every message.
                let mut signature = [0; 64];
                signature[0] = 1;
                let statement = Statement { key: public(&owner()), time: NOW, expiry: NOW + 60, signature };
                let verdict = statement.verify(&key, &HERE, (&BINDING, &[0; 64]), NOW);
                assert_eq!(verdict, Err(Invalid::WeakKey));
            }
        }
        assert!(!is_weak(&public(&owner())));
        assert!(!is_weak(&field_prime_and(-2)));
    }

    /// Why the check is there: the library itself accepts what nobody has signed.
    #[test]
    fn the_library_alone_lets_anybody_sign_for_a_point_of_order_one() {
        let mut signature = [0; 64];
        signature[0] = 1;
        let by_nobody = UnparsedPublicKey::new(&ED25519, one());
        assert!(by_nobody.verify(b"whatever", &signature).is_ok());
    }

    proptest! {
        #[test]
        fn an_altered_statement_or_proof_never_holds(at in 0..176_usize, bit in 0..8_u8) {
            let (mut statement, mut proof) = registration(NOW, NOW + 7200).show(&BINDING).unwrap();
            let flip = 1 << bit;
            match at {
                0..32 => statement.key[at] ^= flip,
                32..40 => statement.time ^= 1 << ((at - 32) * 8) << bit,
                40..48 => statement.expiry ^= 1 << ((at - 40) * 8) << bit,
                48..112 => statement.signature[at - 48] ^= flip,
                _ => proof[at - 112] ^= flip,
            }
            prop_assert!(statement.verify(&public(&owner()), &HERE, (&BINDING, &proof), NOW).is_err());
        }
    }
}
