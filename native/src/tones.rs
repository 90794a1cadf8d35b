//! The tones of a telephone: a class that plays one while it lives. Not in it: which one, and when.

// napi leaves its registrations out of tests, so nothing calls what JavaScript calls.
#![cfg_attr(test, allow(dead_code))]

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use audio::tone_player::TonePlayer;
use audio::tones::Tone;
use napi::{Result, Status};
use napi_derive::napi;

use crate::audio::{failure, server_choice};

/// A tone that plays from construction to `stop`, or for so many milliseconds.
#[napi]
pub struct PlayedTone(Mutex<Option<TonePlayer>>);

#[napi]
impl PlayedTone {
    /// On the named device, or without a name on the sound server's default; where there is none, it is silent.
    #[napi(constructor)]
    pub fn new(
        #[napi(ts_arg_type = "'ring' | 'waiting' | 'ringback' | 'busy' | 'failure'")] tone: String,
        #[napi(ts_arg_type = "'auto' | 'pulse' | 'pipewire'")] server: String,
        most_ms: u32,
        device: Option<String>,
    ) -> Result<Self> {
        let tone = match tone.as_str() {
            "ring" => Tone::Ring,
            "waiting" => Tone::Waiting,
            "ringback" => Tone::Ringback,
            "busy" => Tone::Busy,
            "failure" => Tone::Failure,
            _ => return Err(failure(Status::InvalidArg, "there is no such tone")),
        };
        if device.as_ref().is_some_and(|name| name.contains('\0')) {
            return Err(failure(Status::InvalidArg, "a device name contains a zero byte"));
        }
        let most = Duration::from_millis(u64::from(most_ms));
        let player = TonePlayer::start(tone, server_choice(&server)?, device, most)
            .map_err(|error| failure(Status::GenericFailure, error))?;
        Ok(Self(Mutex::new(Some(player))))
    }

    /// Ends it, and waits for nothing.
    #[napi]
    pub fn stop(&self) {
        drop(self.0.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}
