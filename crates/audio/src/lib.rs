//! Voice, from microphone to loudspeaker: devices, Opus, RTP in SRTP, jitter buffer, and the session that joins them.
//!
//! `codec`, `redundancy`, `rtp`, `srtp`, `jitter`, `delay`, `stretch`, `processing`, `listener` and `tones` take time as an argument
//! and open nothing; `server` is the sound server, by `pulse` or by a
//! library that `loaded` finds; `voice` and its threads (`sending`, `receiving`, `sound`) own
//! socket and clock.
//! Audio is 48 kHz, one channel, in frames of 20 ms. What crosses the network is one packet of one size every 20 ms,
//! from the first moment of a session to its last. Not in it: signalling and keys (TypeScript, `src/voip`).

pub mod codec;
mod delay;
pub mod device;
pub mod jitter;
pub mod listener;
mod loaded;
pub mod processing;
mod pulse;
mod realtime;
mod receiving;
pub mod redundancy;
pub mod rtp;
mod sending;
mod server;
mod shared;
mod sound;
pub mod srtp;
mod stretch;
pub mod tone_player;
pub mod tones;
pub mod voice;
