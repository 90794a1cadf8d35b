//! aws-lc's primitives for snow: half the time of snow's own.

use aws_lc_rs::aead::{AES_256_GCM, Aad, Algorithm, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey, X25519, agree};
use aws_lc_rs::{digest, rand};
use blake2::{Blake2b512, Digest};
use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::CryptoResolver;
use snow::types::{Cipher, Dh, Hash, Random};
use std::sync::Arc;
use zeroize::Zeroizing;

/// Resolves to them, with the own static key where one is known.
pub struct AwsLc(pub Option<StaticKey>);

impl CryptoResolver for AwsLc {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(SystemRandom))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        matches!(choice, DHChoice::Curve25519)
            .then(|| Box::new(DhKey { beforehand: self.0.clone(), halves: None }) as Box<dyn Dh>)
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        match choice {
            HashChoice::SHA256 => Some(Box::new(Sha256::default())),
            HashChoice::Blake2b => Some(Box::new(Blake2b::default())),
            _ => None,
        }
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        let kind = match choice {
            CipherChoice::AESGCM => &AES_GCM,
            CipherChoice::ChaChaPoly => &CHACHA_POLY,
        };
        Some(Box::new(Aead { kind, key: None }))
    }
}

struct SystemRandom;

impl Random for SystemRandom {
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), snow::Error> {
        rand::fill(dest).map_err(|_| snow::Error::Rng)
    }
}

/// An X25519 key that is used often. aws-lc derives the public half, a third of the time of an agreement, whenever a
/// private key is made from bytes: so that is done once.
#[derive(Clone)]
pub struct StaticKey(Arc<Halves>);

impl StaticKey {
    /// Of any 32 secret bytes.
    pub fn new(secret: [u8; 32]) -> Self {
        match Halves::new(Zeroizing::new(secret)) {
            Some(halves) => Self(Arc::new(halves)),
            None => unreachable!("any 32 bytes are an X25519 secret"),
        }
    }

    /// The public half.
    pub fn public(&self) -> &[u8; 32] {
        &self.0.public
    }

    /// The secret half.
    pub fn secret(&self) -> &[u8; 32] {
        &self.0.secret
    }
}

/// aws-lc wipes its own copy of the secret.
struct Halves {
    secret: Zeroizing<[u8; 32]>,
    public: [u8; 32],
    key: PrivateKey,
}

impl Halves {
    fn new(secret: Zeroizing<[u8; 32]>) -> Option<Self> {
        let key = PrivateKey::from_private_key(&X25519, secret.as_slice()).ok()?;
        let public = key.compute_public_key().ok()?.as_ref().try_into().ok()?;
        Some(Self { secret, public, key })
    }
}

/// snow has one of these for the static key and one for the ephemeral; `beforehand` is the static one, known.
struct DhKey {
    beforehand: Option<StaticKey>,
    halves: Option<Arc<Halves>>,
}

impl Dh for DhKey {
    fn name(&self) -> &'static str {
        "25519"
    }

    fn pub_len(&self) -> usize {
        32
    }

    fn priv_len(&self) -> usize {
        32
    }

    /// Only ever called for the static key, which is the one known beforehand.
    fn set(&mut self, _privkey: &[u8]) {
        self.halves = self.beforehand.take().map(|key| key.0);
    }

    fn generate(&mut self, rng: &mut dyn Random) -> Result<(), snow::Error> {
        let mut secret = Zeroizing::new([0; 32]);
        rng.try_fill_bytes(secret.as_mut_slice())?;
        self.halves = Some(Arc::new(Halves::new(secret).ok_or(snow::Error::Dh)?));
        Ok(())
    }

    fn pubkey(&self) -> &[u8] {
        self.halves.as_ref().map_or(&[0; 32], |halves| &halves.public)
    }

    fn privkey(&self) -> &[u8] {
        self.halves.as_ref().map_or(&[0; 32], |halves| &*halves.secret)
    }

    fn dh(&self, pubkey: &[u8], out: &mut [u8]) -> Result<(), snow::Error> {
        let own = self.halves.as_ref().ok_or(snow::Error::Dh)?;
        // Small-order points give the all-zero secret, which aws-lc refuses.
        agree(&own.key, UnparsedPublicKey::new(&X25519, &pubkey[..32]), snow::Error::Dh, |shared| {
            out[..32].copy_from_slice(shared);
            Ok(())
        })
    }
}

struct Sha256(digest::Context);

impl Default for Sha256 {
    fn default() -> Self {
        Self(digest::Context::new(&digest::SHA256))
    }
}

impl Hash for Sha256 {
    fn name(&self) -> &'static str {
        "SHA256"
    }

    fn block_len(&self) -> usize {
        64
    }

    fn hash_len(&self) -> usize {
        32
    }

    fn reset(&mut self) {
        *self = Self::default();
    }

    fn input(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn result(&mut self, out: &mut [u8]) {
        out[..32].copy_from_slice(self.0.clone().finish().as_ref());
    }
}

#[derive(Default)]
struct Blake2b(Blake2b512);

impl Hash for Blake2b {
    fn name(&self) -> &'static str {
        "BLAKE2b"
    }

    fn block_len(&self) -> usize {
        128
    }

    fn hash_len(&self) -> usize {
        64
    }

    fn reset(&mut self) {
        *self = Self::default();
    }

    fn input(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn result(&mut self, out: &mut [u8]) {
        out[..64].copy_from_slice(&self.0.clone().finalize());
    }
}

/// A cipher and how Noise numbers its messages.
struct AeadKind {
    name: &'static str,
    algorithm: &'static Algorithm,
    counter: fn(u64) -> [u8; 8],
}

static AES_GCM: AeadKind = AeadKind { name: "AESGCM", algorithm: &AES_256_GCM, counter: u64::to_be_bytes };
static CHACHA_POLY: AeadKind =
    AeadKind { name: "ChaChaPoly", algorithm: &CHACHA20_POLY1305, counter: u64::to_le_bytes };

struct Aead {
    kind: &'static AeadKind,
    key: Option<LessSafeKey>,
}

impl Aead {
    fn nonce(&self, counter: u64) -> Nonce {
        let mut bytes = [0; 12];
        bytes[4..].copy_from_slice(&(self.kind.counter)(counter));
        Nonce::assume_unique_for_key(bytes)
    }
}

impl Cipher for Aead {
    fn name(&self) -> &'static str {
        self.kind.name
    }

    fn set(&mut self, key: &[u8; 32]) {
        self.key = UnboundKey::new(self.kind.algorithm, key).ok().map(LessSafeKey::new);
    }

    fn encrypt(&self, nonce: u64, authtext: &[u8], plaintext: &[u8], out: &mut [u8]) -> usize {
        let (text, rest) = out.split_at_mut(plaintext.len());
        text.copy_from_slice(plaintext);
        let nonce = self.nonce(nonce);
        let sealed = self
            .key
            .as_ref()
            .and_then(|key| key.seal_in_place_separate_tag(nonce, Aad::from(authtext), text).ok());
        let Some(tag) = sealed else { unreachable!("snow sets a key before it encrypts") };
        rest[..16].copy_from_slice(tag.as_ref());
        plaintext.len() + 16
    }

    fn decrypt(
        &self,
        nonce: u64,
        authtext: &[u8],
        ciphertext: &[u8],
        out: &mut [u8],
    ) -> Result<usize, snow::Error> {
        let key = self.key.as_ref().ok_or(snow::Error::Decrypt)?;
        let mut text = Zeroizing::new(ciphertext.to_vec());
        let plain = key
            .open_in_place(self.nonce(nonce), Aad::from(authtext), text.as_mut_slice())
            .map_err(|_| snow::Error::Decrypt)?;
        out.get_mut(..plain.len()).ok_or(snow::Error::Decrypt)?.copy_from_slice(plain);
        Ok(plain.len())
    }
}
