//! Noise handshakes made hybrid with ML-KEM-768.
//!
//! Noise itself is `snow`; the primitives behind it are aws-lc's (half the time of snow's own). The ML-KEM public key
//! rides as the payload of message 1, the ciphertext in front of message 2, and the shared secret enters at `psk2`, so
//! everything from the payload of message 2 on needs both X25519 and ML-KEM broken. What the payloads of messages 2 and
//! 3 mean is the caller's business.

pub use ::noise::StaticKey;

use ::noise::AwsLc;
use aws_lc_rs::kem::{Ciphertext, DecapsulationKey, EncapsulationKey, ML_KEM_768};
use aws_lc_rs::{digest, hkdf};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

const KEM_PUBLIC_BYTES: usize = 1184;
const KEM_CIPHERTEXT_BYTES: usize = 1088;
/// The most that a message of any pattern adds to its payload: ephemeral key, static key, two tags.
const MESSAGE_OVERHEAD: usize = 32 + 32 + 2 * 16;

/// Which handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// Between two peers: both show their static key. Noise XX, hybrid.
    Link,
    /// From an anonymous builder to a hop. Noise NX, hybrid.
    Hop,
    /// Between the two ends of a spliced tunnel, neither known. Noise NN.
    EndToEnd,
    /// The same where the caller knows the tunnel key of the callee. Noise NK.
    EndToEndKnown,
    /// A call's control connection: both show their pseudo-identity, the caller knows the callee's. Noise XK, hybrid.
    Call,
}

impl Pattern {
    fn name(self) -> &'static str {
        match self {
            Self::Link => "Noise_XXpsk2_25519_AESGCM_SHA256",
            Self::Hop => "Noise_NXpsk2_25519_AESGCM_SHA256",
            Self::EndToEnd => "Noise_NN_25519_AESGCM_SHA256",
            Self::EndToEndKnown => "Noise_NK_25519_AESGCM_SHA256",
            Self::Call => "Noise_XKpsk2_25519_AESGCM_SHA256",
        }
    }

    fn prologue(self) -> &'static [u8] {
        match self {
            Self::Link => b"peer kx link v1",
            Self::Hop => b"peer kx hop v1",
            Self::EndToEnd => b"peer kx end to end v1",
            Self::EndToEndKnown => b"peer kx end to end known v1",
            Self::Call => b"peer voip v2",
        }
    }

    fn is_hybrid(self) -> bool {
        !matches!(self, Self::EndToEnd | Self::EndToEndKnown)
    }
}

/// A handshake message was not what the protocol allows, or not genuine.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NoiseError {
    /// Truncated, of the wrong shape, or failing authentication.
    #[error("handshake message refused: {0}")]
    Refused(snow::Error),
    /// The ML-KEM part is malformed.
    #[error("handshake message with a malformed ML-KEM part")]
    Kem,
}

impl From<snow::Error> for NoiseError {
    fn from(error: snow::Error) -> Self {
        Self::Refused(error)
    }
}

/// What both sides share afterwards: one secret a direction.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Secrets {
    /// For what the initiator sends.
    pub initiator: [u8; 32],
    /// For what the responder sends.
    pub responder: [u8; 32],
}

/// One side of a running handshake.
pub struct Handshake {
    state: snow::HandshakeState,
    kem: Option<DecapsulationKey>,
    pattern: Pattern,
}

impl Handshake {
    /// Begins as initiator, who shows `own` where the pattern wants it; returns the handshake and message 1.
    pub fn initiate(pattern: Pattern, own: Option<&StaticKey>) -> Result<(Self, Vec<u8>), NoiseError> {
        Self::begin(pattern, builder(pattern, own, pattern.prologue())?)
    }

    /// Begins as a caller ([`Pattern::Call`]) who wants whoever holds `callee`; both sides give the same `context`.
    pub fn call(own: &StaticKey, callee: &[u8; 32], context: &[u8]) -> Result<(Self, Vec<u8>), NoiseError> {
        let pattern = Pattern::Call;
        let prologue = [pattern.prologue(), context].concat();
        Self::begin(pattern, builder(pattern, Some(own), &prologue)?.remote_public_key(callee)?)
    }

    /// Answers the first message of a caller; refused where it wants somebody else.
    pub fn answer_call(
        own: &StaticKey,
        context: &[u8],
        message: &[u8],
    ) -> Result<(Self, Vec<u8>), NoiseError> {
        let pattern = Pattern::Call;
        let prologue = [pattern.prologue(), context].concat();
        Self::answer(pattern, builder(pattern, Some(own), &prologue)?, message, &[])
    }

    /// The same towards a responder whose public key is `known` ([`Pattern::EndToEndKnown`]).
    pub fn initiate_to(known: &[u8; 32]) -> Result<(Self, Vec<u8>), NoiseError> {
        let pattern = Pattern::EndToEndKnown;
        Self::begin(pattern, builder(pattern, None, pattern.prologue())?.remote_public_key(known)?)
    }

    fn begin(pattern: Pattern, builder: snow::Builder<'_>) -> Result<(Self, Vec<u8>), NoiseError> {
        let mut handshake = Self { state: builder.build_initiator()?, kem: None, pattern };
        let mut payload = Vec::new();
        if pattern.is_hybrid() {
            let kem = DecapsulationKey::generate(&ML_KEM_768).map_err(|_| NoiseError::Kem)?;
            let public =
                kem.encapsulation_key().and_then(|key| key.key_bytes()).map_err(|_| NoiseError::Kem)?;
            payload.extend_from_slice(public.as_ref());
            handshake.kem = Some(kem);
        }
        let message = handshake.write(&payload)?;
        Ok((handshake, message))
    }

    /// Answers message 1 with message 2, which carries `payload`.
    pub fn respond(
        pattern: Pattern,
        own: Option<&StaticKey>,
        message: &[u8],
        payload: &[u8],
    ) -> Result<(Self, Vec<u8>), NoiseError> {
        Self::answer(pattern, builder(pattern, own, pattern.prologue())?, message, payload)
    }

    fn answer(
        pattern: Pattern,
        builder: snow::Builder<'_>,
        message: &[u8],
        payload: &[u8],
    ) -> Result<(Self, Vec<u8>), NoiseError> {
        let mut handshake = Self { state: builder.build_responder()?, kem: None, pattern };
        let kem_public = handshake.read(message)?;
        let mut answer = Vec::new();
        if pattern.is_hybrid() {
            if kem_public.len() != KEM_PUBLIC_BYTES {
                return Err(NoiseError::Kem);
            }
            let key = EncapsulationKey::new(&ML_KEM_768, &kem_public).map_err(|_| NoiseError::Kem)?;
            let (ciphertext, shared) = key.encapsulate().map_err(|_| NoiseError::Kem)?;
            handshake.mix_shared(shared.as_ref(), ciphertext.as_ref())?;
            answer.extend_from_slice(ciphertext.as_ref());
        }
        answer.extend_from_slice(&handshake.write(payload)?);
        Ok((handshake, answer))
    }

    /// Takes message 2 as initiator; returns its payload.
    pub fn read_answer(&mut self, message: &[u8]) -> Result<Vec<u8>, NoiseError> {
        let mut rest = message;
        if self.pattern.is_hybrid() {
            let (ciphertext, noise) =
                message.split_at_checked(KEM_CIPHERTEXT_BYTES).ok_or(NoiseError::Kem)?;
            let kem = self.kem.take().ok_or(NoiseError::Kem)?;
            let shared = kem.decapsulate(Ciphertext::from(ciphertext)).map_err(|_| NoiseError::Kem)?;
            self.mix_shared(shared.as_ref(), ciphertext)?;
            rest = noise;
        }
        self.read(rest)
    }

    /// Writes the next message, where the pattern has a third.
    pub fn write(&mut self, payload: &[u8]) -> Result<Vec<u8>, NoiseError> {
        let mut message = vec![0; payload.len() + MESSAGE_OVERHEAD];
        let length = self.state.write_message(payload, &mut message)?;
        message.truncate(length);
        Ok(message)
    }

    /// Reads the next message; returns its payload.
    pub fn read(&mut self, message: &[u8]) -> Result<Vec<u8>, NoiseError> {
        let mut payload = vec![0; message.len()];
        let length = self.state.read_message(message, &mut payload)?;
        payload.truncate(length);
        Ok(payload)
    }

    /// The static key that the other side has proven to hold.
    pub fn remote_static(&self) -> Option<[u8; 32]> {
        self.state.get_remote_static().and_then(|key| key.try_into().ok())
    }

    /// Binds everything that was said so far.
    pub fn transcript(&self) -> Vec<u8> {
        self.state.get_handshake_hash().to_vec()
    }

    /// The secrets; `None` while messages are missing.
    pub fn secrets(&mut self) -> Option<Secrets> {
        if !self.state.is_handshake_finished() {
            return None;
        }
        let (initiator, responder) = self.state.dangerously_get_raw_split();
        Some(Secrets { initiator, responder })
    }

    fn mix_shared(&mut self, shared: &[u8], ciphertext: &[u8]) -> Result<(), NoiseError> {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(b"peer hybrid v1");
        context.update(shared);
        context.update(ciphertext);
        let mut psk = Zeroizing::new([0; 32]);
        psk.copy_from_slice(context.finish().as_ref());
        Ok(self.state.set_psk(2, psk.as_slice())?)
    }
}

/// Derives `N` bytes for `label` from a shared secret (HKDF-SHA-256).
pub fn derive<const N: usize>(secret: &[u8], label: &'static [u8]) -> [u8; N] {
    struct Length(usize);
    impl hkdf::KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }
    let mut out = [0; N];
    let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, b"peer kx v1").extract(secret);
    match prk.expand(&[label], Length(N)).and_then(|okm| okm.fill(&mut out)) {
        Ok(()) => out,
        Err(_) => unreachable!("no key of ours reaches the limit of HKDF"),
    }
}

/// What both sides' states are built from.
fn builder<'a>(
    pattern: Pattern,
    own: Option<&'a StaticKey>,
    prologue: &'a [u8],
) -> Result<snow::Builder<'a>, NoiseError> {
    let params = pattern.name().parse().map_err(NoiseError::Refused)?;
    let resolver = Box::new(AwsLc(own.cloned()));
    let builder = snow::Builder::with_resolver(params, resolver).prologue(prologue)?;
    Ok(match own {
        Some(key) => builder.local_private_key(key.secret())?,
        None => builder,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hybrid_link_handshake_agrees_on_secrets_and_static_keys() {
        let [alice, bob] = [1, 2].map(|byte: u8| StaticKey::new([byte; 32]));
        let (mut initiator, first) = Handshake::initiate(Pattern::Link, Some(&alice)).unwrap();
        let (mut responder, second) =
            Handshake::respond(Pattern::Link, Some(&bob), &first, b"certificate of bob").unwrap();
        assert_eq!(initiator.read_answer(&second).unwrap(), b"certificate of bob");
        let third = initiator.write(b"certificate of alice").unwrap();
        assert_eq!(responder.read(&third).unwrap(), b"certificate of alice");
        assert_eq!(initiator.remote_static(), Some(*bob.public()));
        assert_eq!(responder.remote_static(), Some(*alice.public()));
        let (left, right) = (initiator.secrets().unwrap(), responder.secrets().unwrap());
        assert_eq!(left.initiator, right.initiator);
        assert_eq!(left.responder, right.responder);
        assert_ne!(left.initiator, left.responder);
    }

    #[test]
    fn a_call_reaches_only_whom_it_wants_and_both_hear_the_same() {
        let [alice, bob, carol] = [1, 2, 3].map(|byte: u8| StaticKey::new([byte; 32]));
        let (mut caller, first) = Handshake::call(&alice, bob.public(), b"bob").unwrap();
        assert!(Handshake::answer_call(&carol, b"bob", &first).is_err());
        assert!(Handshake::answer_call(&bob, b"carol", &first).is_err());
        let (mut callee, second) = Handshake::answer_call(&bob, b"bob", &first).unwrap();
        assert_eq!(caller.read_answer(&second).unwrap(), b"");
        let third = caller.write(b"name of alice").unwrap();
        assert!(callee.secrets().is_none());
        assert_eq!(callee.read(&third).unwrap(), b"name of alice");
        assert_eq!(callee.remote_static(), Some(*alice.public()));
        assert_eq!(caller.transcript(), callee.transcript());
        let (left, right) = (caller.secrets().unwrap(), callee.secrets().unwrap());
        assert_eq!((left.initiator, left.responder), (right.initiator, right.responder));
        assert_eq!((first.len(), second.len(), third.len()), (1232, 1136, 77));
    }

    #[test]
    fn messages_have_the_sizes_that_the_protocol_page_gives() {
        let certificate = [0; 1074];
        let (mut initiator, first) =
            Handshake::initiate(Pattern::Link, Some(&StaticKey::new([1; 32]))).unwrap();
        let (_, second) =
            Handshake::respond(Pattern::Link, Some(&StaticKey::new([2; 32])), &first, &certificate).unwrap();
        initiator.read_answer(&second).unwrap();
        let third = initiator.write(&certificate).unwrap();
        assert_eq!((first.len(), second.len(), third.len()), (1232, 2258, 1138));
        let (_, first) = Handshake::initiate(Pattern::Hop, None).unwrap();
        let (_, second) =
            Handshake::respond(Pattern::Hop, Some(&StaticKey::new([2; 32])), &first, &certificate).unwrap();
        assert_eq!((first.len(), second.len()), (1232, 2258));
        let (_, first) = Handshake::initiate(Pattern::EndToEnd, None).unwrap();
        let (_, second) = Handshake::respond(Pattern::EndToEnd, None, &first, &[]).unwrap();
        assert_eq!((first.len(), second.len()), (32, 48));
    }

    #[test]
    fn every_altered_byte_of_an_answer_is_refused() {
        let bob = StaticKey::new([2; 32]);
        for at in [0, 500, 1087, 1088, 1100, 1125, 1180] {
            let (mut initiator, first) = Handshake::initiate(Pattern::Hop, None).unwrap();
            let (_, mut second) = Handshake::respond(Pattern::Hop, Some(&bob), &first, &[9; 40]).unwrap();
            second[at] ^= 1;
            assert!(initiator.read_answer(&second).is_err(), "byte {at}");
        }
    }

    #[test]
    fn garbage_never_passes_and_never_panics() {
        for length in [0, 1, 31, 32, 33, 1215, 1216, 1217, 4000] {
            assert!(
                Handshake::respond(Pattern::Hop, Some(&StaticKey::new([2; 32])), &vec![0; length], b"")
                    .is_err()
            );
        }
        let (mut initiator, _) = Handshake::initiate(Pattern::EndToEnd, None).unwrap();
        assert!(initiator.read_answer(&[0; 48]).is_err());
    }
}
