//! The handshake between two DHT nodes: `Noise_IK_25519_ChaChaPoly_BLAKE2b`, one message each way.
//!
//! What the payloads mean is the caller's business. A handshake that failed is gone.

use crate::{AwsLc, StaticKey};
use zeroize::{Zeroize, ZeroizeOnDrop};

const NAME: &str = "Noise_IK_25519_ChaChaPoly_BLAKE2b";
/// What the first message adds to its payload: ephemeral key, static key, two tags.
const MOST_OVERHEAD: usize = 32 + 32 + 2 * 16;

/// A message was not what the protocol allows, or not genuine.
#[derive(Debug, thiserror::Error)]
#[error("handshake message refused: {0}")]
#[non_exhaustive]
pub struct Refused(#[from] snow::Error);

/// What both sides share afterwards.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Keys {
    /// For what this side sends.
    pub send: [u8; 32],
    /// For what it receives.
    pub receive: [u8; 32],
}

/// The initiator's side, between the two messages.
pub struct Initiation(snow::HandshakeState);

impl Initiation {
    /// Begins with the owner of `remote`; returns the first message too, with `payload` inside.
    pub fn new(
        own: &StaticKey,
        prologue: &[u8],
        remote: &[u8; 32],
        payload: &[u8],
    ) -> Result<(Self, Vec<u8>), Refused> {
        let mut state = builder(own, prologue)?.remote_public_key(remote)?.build_initiator()?;
        let message = write(&mut state, payload)?;
        Ok((Self(state), message))
    }

    /// Reads the second message; returns its payload and the keys.
    pub fn finish(mut self, message: &[u8]) -> Result<(Vec<u8>, Keys), Refused> {
        let payload = read(&mut self.0, message)?;
        let (send, receive) = self.0.dangerously_get_raw_split();
        Ok((payload, Keys { send, receive }))
    }
}

/// The responder's side, after the first message.
pub struct Reception {
    state: snow::HandshakeState,
    /// The initiator's static key, which it has proven to hold.
    pub remote: [u8; 32],
    /// Of the first message.
    pub payload: Vec<u8>,
}

impl Reception {
    /// Reads the first message.
    pub fn new(own: &StaticKey, prologue: &[u8], message: &[u8]) -> Result<Self, Refused> {
        let mut state = builder(own, prologue)?.build_responder()?;
        let payload = read(&mut state, message)?;
        let remote = state.get_remote_static().and_then(|key| key.try_into().ok());
        let remote = remote.ok_or(snow::Error::Dh)?;
        Ok(Self { state, remote, payload })
    }

    /// Writes the second message, with `payload` inside; returns it and the keys.
    pub fn reply(mut self, payload: &[u8]) -> Result<(Vec<u8>, Keys), Refused> {
        let message = write(&mut self.state, payload)?;
        let (receive, send) = self.state.dangerously_get_raw_split();
        Ok((message, Keys { send, receive }))
    }
}

fn builder<'a>(own: &'a StaticKey, prologue: &'a [u8]) -> Result<snow::Builder<'a>, Refused> {
    let resolver = Box::new(AwsLc(Some(own.clone())));
    let builder = snow::Builder::with_resolver(NAME.parse()?, resolver);
    Ok(builder.prologue(prologue)?.local_private_key(own.secret())?)
}

fn write(state: &mut snow::HandshakeState, payload: &[u8]) -> Result<Vec<u8>, Refused> {
    let mut message = vec![0; payload.len() + MOST_OVERHEAD];
    let length = state.write_message(payload, &mut message)?;
    message.truncate(length);
    Ok(message)
}

fn read(state: &mut snow::HandshakeState, message: &[u8]) -> Result<Vec<u8>, Refused> {
    let mut payload = vec![0; message.len()];
    let length = state.read_message(message, &mut payload)?;
    payload.truncate(length);
    Ok(payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROLOGUE: &[u8] = b"test";

    fn keys() -> [StaticKey; 2] {
        [1, 2].map(|byte: u8| StaticKey::new([byte; 32]))
    }

    #[test]
    fn one_message_each_way_gives_both_the_same_keys_crossed() {
        let [alice, bob] = keys();
        let (initiation, first) = Initiation::new(&alice, PROLOGUE, bob.public(), b"question").unwrap();
        assert_eq!(first.len(), 96 + 8);
        let reception = Reception::new(&bob, PROLOGUE, &first).unwrap();
        assert_eq!((&reception.remote, reception.payload.as_slice()), (alice.public(), &b"question"[..]));
        let (second, theirs) = reception.reply(b"answer").unwrap();
        assert_eq!(second.len(), 48 + 6);
        let (payload, ours) = initiation.finish(&second).unwrap();
        assert_eq!(payload, b"answer");
        assert_eq!((ours.send, ours.receive), (theirs.receive, theirs.send));
        assert_ne!(ours.send, ours.receive);
    }

    #[test]
    fn another_key_another_prologue_and_every_altered_byte_are_refused() {
        let [alice, bob] = keys();
        let begin = || Initiation::new(&alice, PROLOGUE, bob.public(), b"question").unwrap();
        let (_, first) = begin();
        assert!(Reception::new(&alice, PROLOGUE, &first).is_err());
        assert!(Reception::new(&bob, b"other", &first).is_err());
        for at in 0..first.len() {
            let mut altered = first.clone();
            altered[at] ^= 1;
            assert!(Reception::new(&bob, PROLOGUE, &altered).is_err(), "byte {at} of the first");
        }
        for at in 0..48 {
            let (initiation, first) = begin();
            let (mut second, _) = Reception::new(&bob, PROLOGUE, &first).unwrap().reply(b"").unwrap();
            second[at] ^= 1;
            assert!(initiation.finish(&second).is_err(), "byte {at} of the second");
        }
    }

    #[test]
    fn garbage_never_passes_and_never_panics() {
        let [alice, bob] = keys();
        for length in [0, 1, 31, 32, 80, 95, 96, 1400, 70_000] {
            assert!(Reception::new(&bob, PROLOGUE, &vec![7; length]).is_err());
            let (initiation, _) = Initiation::new(&alice, PROLOGUE, bob.public(), b"").unwrap();
            assert!(initiation.finish(&vec![7; length]).is_err());
        }
        assert!(Initiation::new(&alice, PROLOGUE, &[0; 32], b"").is_err());
        assert!(Initiation::new(&alice, PROLOGUE, bob.public(), &[0; 70_000]).is_err());
    }
}
