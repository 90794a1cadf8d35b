//! Which engine this machine uses.
//!
//! Role: try the engines from the fastest on, once in the life of the process, and take the first that has its
//! instructions and computes what the portable one computes. So a processor, an emulator or a compiler that gets one
//! wide instruction wrong costs speed, not calls.
//!
//! Invariant: the answer never changes. Not in it: the engines.

use super::{Direction, Engine, Layer};
use crate::layout::BODY_BYTES;
use std::sync::OnceLock;

/// From the fastest on; the portable one, which always works, is not among them.
#[cfg(target_arch = "x86_64")]
const PREFERRED: [Engine; 3] = [Engine::Vaes512, Engine::Vaes256, Engine::AesNi];
#[cfg(not(target_arch = "x86_64"))]
const PREFERRED: [Engine; 0] = [];

/// A layer on the chosen engine.
pub(super) fn fastest(key: &[u8; 16]) -> Layer {
    static CHOSEN: OnceLock<Engine> = OnceLock::new();
    let chosen = *CHOSEN
        .get_or_init(|| PREFERRED.into_iter().find(|&engine| is_right(engine)).unwrap_or(Engine::Portable));
    match Layer::with_engine(chosen, key) {
        Some(layer) => layer,
        None => unreachable!("the engine has worked before"),
    }
}

/// Whether `engine` exists here and agrees with the portable one, in both ways, on a few bodies.
pub(super) fn is_right(engine: Engine) -> bool {
    (0u8..4).all(|round| {
        let key = core::array::from_fn(|at| (at as u8).wrapping_mul(29) ^ round);
        let plain: [u8; BODY_BYTES] =
            core::array::from_fn(|at| (at as u8).wrapping_mul(37).wrapping_add(round));
        let (direction, sequence) = (Direction::Backward, u64::from(round) << 40 | 0x5a);
        let (Some(tried), Some(portable)) =
            (Layer::with_engine(engine, &key), Layer::with_engine(Engine::Portable, &key))
        else {
            return false;
        };
        let (mut ours, mut theirs) = (plain, plain);
        tried.encrypt(direction, sequence, &mut ours);
        portable.encrypt(direction, sequence, &mut theirs);
        if ours != theirs {
            return false;
        }
        tried.decrypt(direction, sequence, &mut ours);
        ours == plain
    })
}
