//! The check of the DHT's certificates: a third of the time of OpenSSL through Node.

// Nothing calls an addon's exports in a test build.
#![cfg_attr(test, allow(dead_code))]

use kx::certificate::{Purpose, verify};
use napi::bindgen_prelude::BufferSlice;
use napi::{Env, Result};
use napi_derive::napi;

/// Identity 32, X25519 key 32, expiry (Unix seconds) u64 of a certificate for DHT use; null where it does not hold at
/// `now_seconds`.
#[napi]
pub(crate) fn read_dht_certificate<'env>(
    env: &'env Env,
    bytes: &[u8],
    now_seconds: u32,
) -> Result<Option<BufferSlice<'env>>> {
    let Ok(read) = verify(bytes, Purpose::Dht, u64::from(now_seconds)) else { return Ok(None) };
    let told = [&read.identity[..], &read.key, &read.expires_at.to_be_bytes()].concat();
    BufferSlice::copy_from(env, told).map(Some)
}
