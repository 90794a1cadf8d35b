//! The handshake of a call's control connection: three messages, keys at the end.

// Nothing calls an addon's exports in a test build.
#![cfg_attr(test, allow(dead_code))]

use kx::noise::{Handshake, NoiseError, StaticKey};
use napi::bindgen_prelude::Buffer;
use napi::{Error, Result, Status};
use napi_derive::napi;
use zeroize::Zeroize;

/// What a finished handshake leaves.
#[napi(object, object_from_js = false)]
pub struct CallSecrets {
    /// 32 bytes: the key of what we send.
    pub send: Buffer,
    /// 32 bytes: the key of what we receive.
    pub receive: Buffer,
    /// 32 bytes: the same on both sides, and nowhere else.
    pub transcript: Buffer,
    /// 32 bytes: the X25519 key that the other side has proven to hold.
    pub remote_key: Buffer,
}

/// One side of the handshake. Every refusal is an error; after one the object is of no use.
#[napi]
pub struct CallHandshake {
    handshake: Handshake,
    is_caller: bool,
    opening: Vec<u8>,
}

#[napi]
impl CallHandshake {
    /// Begins as `secret` (X25519, 32 bytes) a call to the owner of `callee` (X25519); both sides give the same `context`.
    #[napi(factory)]
    pub fn call(mut secret: Buffer, callee: Buffer, context: Buffer) -> Result<Self> {
        let own = static_key(&mut secret)?;
        let (handshake, opening) = Handshake::call(&own, &array(&callee)?, &context).map_err(refused)?;
        Ok(Self { handshake, is_caller: true, opening })
    }

    /// Answers a caller's first message; an error where it wants somebody else.
    #[napi(factory)]
    pub fn answer(mut secret: Buffer, context: Buffer, message: Buffer) -> Result<Self> {
        let own = static_key(&mut secret)?;
        let (handshake, opening) = Handshake::answer_call(&own, &context, &message).map_err(refused)?;
        Ok(Self { handshake, is_caller: false, opening })
    }

    /// Our first message: the caller's or the answer to it.
    #[napi(getter)]
    pub fn opening(&self) -> Buffer {
        self.opening.clone().into()
    }

    /// The caller takes the answer and gives the last message, which carries `payload`.
    #[napi]
    pub fn conclude(&mut self, answer: Buffer, payload: Buffer) -> Result<Buffer> {
        self.handshake.read_answer(&answer).map_err(refused)?;
        Ok(self.handshake.write(&payload).map_err(refused)?.into())
    }

    /// The callee takes the last message and gives what it carries.
    #[napi]
    pub fn read(&mut self, message: Buffer) -> Result<Buffer> {
        Ok(self.handshake.read(&message).map_err(refused)?.into())
    }

    /// Once, after the last message.
    #[napi]
    pub fn secrets(&mut self) -> Result<CallSecrets> {
        let missing = || Error::new(Status::GenericFailure, "the handshake is not finished");
        let transcript = self.handshake.transcript();
        let remote_key = self.handshake.remote_static().ok_or_else(missing)?;
        let secrets = self.handshake.secrets().ok_or_else(missing)?;
        let (send, receive) = match self.is_caller {
            true => (&secrets.initiator, &secrets.responder),
            false => (&secrets.responder, &secrets.initiator),
        };
        Ok(CallSecrets {
            send: send.to_vec().into(),
            receive: receive.to_vec().into(),
            transcript: transcript.into(),
            remote_key: remote_key.to_vec().into(),
        })
    }
}

fn static_key(secret: &mut Buffer) -> Result<StaticKey> {
    let mut bytes = array(secret)?;
    let key = StaticKey::new(bytes);
    bytes.zeroize();
    secret.as_mut().zeroize();
    Ok(key)
}

fn array(bytes: &Buffer) -> Result<[u8; 32]> {
    bytes[..].try_into().map_err(|_| Error::new(Status::InvalidArg, "a key must have 32 bytes"))
}

fn refused(error: NoiseError) -> Error {
    Error::new(Status::GenericFailure, error.to_string())
}
