//! The handshakes of the DHT, a call for each step.

// Nothing calls an addon's exports in a test build.
#![cfg_attr(test, allow(dead_code))]

use napi::bindgen_prelude::BufferSlice;
use napi::{Env, Error, Result};
use napi_derive::napi;
use noise::StaticKey;
use noise::ik::{Initiation, Keys, Reception};
use zeroize::Zeroizing;

/// A node's static key.
#[napi]
pub struct IkKey(StaticKey);

#[napi]
impl IkKey {
    /// Of 32 secret bytes.
    #[napi(constructor)]
    pub fn new(secret: &[u8]) -> Result<Self> {
        let secret = secret.try_into().map_err(|_| Error::from_reason("an X25519 key has 32 bytes"))?;
        Ok(Self(StaticKey::new(secret)))
    }

    /// Begins a handshake with the owner of `remote`; null where that is no usable key or the payload too long.
    #[napi]
    pub fn initiate(&self, prologue: &[u8], remote: &[u8], payload: &[u8]) -> Option<IkInitiation> {
        let remote = remote.try_into().ok()?;
        let (state, message) = Initiation::new(&self.0, prologue, remote, payload).ok()?;
        Some(IkInitiation { state: Some(state), message })
    }

    /// Reads the first message of a handshake; null where it is none for this key.
    #[napi]
    pub fn respond(&self, prologue: &[u8], message: &[u8]) -> Option<IkReception> {
        Some(IkReception(Some(Reception::new(&self.0, prologue, message).ok()?)))
    }
}

/// The initiator's side of a handshake.
#[napi]
pub struct IkInitiation {
    state: Option<Initiation>,
    message: Vec<u8>,
}

#[napi]
impl IkInitiation {
    /// The first message, once.
    #[napi]
    pub fn take_message<'env>(&mut self, env: &'env Env) -> Result<BufferSlice<'env>> {
        BufferSlice::copy_from(env, std::mem::take(&mut self.message))
    }

    /// Reads the second message, once: key for sending 32, key for receiving 32, payload; null where it is not genuine.
    #[napi]
    pub fn finish<'env>(&mut self, env: &'env Env, message: &[u8]) -> Result<Option<BufferSlice<'env>>> {
        let finished = self.state.take().and_then(|state| state.finish(message).ok());
        finished.map(|(payload, keys)| with_keys(env, &keys, &payload)).transpose()
    }
}

/// The responder's side of a handshake.
#[napi]
pub struct IkReception(Option<Reception>);

#[napi]
impl IkReception {
    /// The initiator's static key 32, payload of the first message; null after the reply.
    #[napi]
    pub fn opened<'env>(&self, env: &'env Env) -> Result<Option<BufferSlice<'env>>> {
        let bytes = self.0.as_ref().map(|state| [&state.remote, state.payload.as_slice()].concat());
        bytes.map(|bytes| BufferSlice::copy_from(env, bytes)).transpose()
    }

    /// Writes the second message, once: key for sending 32, key for receiving 32, message; null where the payload is
    /// too long.
    #[napi]
    pub fn reply<'env>(&mut self, env: &'env Env, payload: &[u8]) -> Result<Option<BufferSlice<'env>>> {
        let written = self.0.take().and_then(|state| state.reply(payload).ok());
        written.map(|(message, keys)| with_keys(env, &keys, &message)).transpose()
    }
}

fn with_keys<'env>(env: &'env Env, keys: &Keys, rest: &[u8]) -> Result<BufferSlice<'env>> {
    let bytes = Zeroizing::new([&keys.send, &keys.receive, rest].concat());
    BufferSlice::copy_from(env, bytes.as_slice())
}
