//! The search for a DHT position's proof, on a thread of Node's pool.

// Nothing calls an addon's exports in a test build.
#![cfg_attr(test, allow(dead_code))]

use napi::bindgen_prelude::{AsyncTask, BigInt, Buffer, Task};
use napi::{Env, Result};
use napi_derive::napi;

/// One slice of a search.
pub(crate) struct Slice {
    prefix: Vec<u8>,
    start: u64,
    attempts: u32,
    bits: u32,
}

impl Task for Slice {
    type Output = Option<u64>;
    type JsValue = Option<BigInt>;

    fn compute(&mut self) -> Result<Self::Output> {
        Ok(puzzle::search(&self.prefix, self.start, u64::from(self.attempts), self.bits))
    }

    fn resolve(&mut self, _env: Env, found: Self::Output) -> Result<Self::JsValue> {
        Ok(found.map(BigInt::from))
    }
}

/// The first number from `start` on (64 bits) whose SHA-256 behind `prefix` begins with `bits` zero bits; null where there
/// is none among `attempts`.
#[napi(ts_return_type = "Promise<bigint | null>")]
pub(crate) fn search_puzzle(prefix: Buffer, start: BigInt, attempts: u32, bits: u32) -> AsyncTask<Slice> {
    AsyncTask::new(Slice { prefix: prefix.to_vec(), start: start.get_u64().1, attempts, bits })
}
