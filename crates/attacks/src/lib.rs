//! The addon of the attackers: the KX engine as `native` has it, with the crate `kx`'s feature `attacks`.
//!
//! It is never shipped: only `peer test attacker kx-…` loads it, and only the set-up of the tests builds it.

#[path = "../../../native/src/kx.rs"]
mod kx;

use crate::kx::KxEngine;
use ::kx::attacks::{Attack, Done, Lie};
use ::kx::event::Command;
use napi::bindgen_prelude::Buffer;
use napi::{Error, Result, Status};
use napi_derive::napi;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// What the engine is to lie about.
#[napi(object, object_to_js = false)]
pub struct KxAttack {
    /// `none`, `drop`, `delay`, `replay`, `modify`, `tag`, `flood`, `malformed` or `hijack`.
    pub lie: String,
    /// Of a hundred cells that pass, so many are lied about.
    pub percent: u8,
    pub seed: u32,
    /// For `delay`.
    pub delay_ms: Option<u32>,
    /// For `flood` and `malformed`: cells on each link.
    pub per_second: Option<u32>,
    /// For `hijack`: whom callers get, 32 bytes.
    pub pseudo_identity: Option<Buffer>,
}

/// A lie under way.
#[napi]
pub struct KxLie {
    done: Arc<Done>,
}

#[napi]
impl KxLie {
    /// Makes an engine lie from now on.
    #[napi(constructor)]
    pub fn new(engine: &KxEngine, attack: KxAttack) -> Result<Self> {
        let done = Arc::new(Done::default());
        let KxAttack { percent, seed, .. } = attack;
        let order = Attack { lie: lie(&attack)?, percent, seed: u64::from(seed), done: done.clone() };
        engine.running()?.command(Command::Attack(order));
        Ok(Self { done })
    }

    /// What it has done so far.
    #[napi]
    pub fn done(&self) -> HashMap<String, f64> {
        self.done.named().map(|(name, value)| (name.to_owned(), value as f64)).collect()
    }
}

fn lie(attack: &KxAttack) -> Result<Lie> {
    let missing = || Error::new(Status::InvalidArg, format!("the lie {} lacks something", attack.lie));
    let per_second = attack.per_second.ok_or_else(missing);
    Ok(match attack.lie.as_str() {
        "none" => Lie::None,
        "drop" => Lie::Drop,
        "delay" => Lie::Delay(Duration::from_millis(u64::from(attack.delay_ms.ok_or_else(missing)?))),
        "replay" => Lie::Replay,
        "modify" => Lie::Modify,
        "tag" => Lie::Tag,
        "flood" => Lie::Flood(per_second?),
        "malformed" => Lie::Malformed(per_second?),
        "hijack" => {
            let bytes = attack.pseudo_identity.as_ref().and_then(|bytes| bytes[..].try_into().ok());
            Lie::Hijack(bytes.ok_or_else(missing)?)
        }
        other => return Err(Error::new(Status::InvalidArg, format!("there is no lie {other}"))),
    })
}
