//! Voice, from microphone to loudspeaker: devices, Opus, RTP in SRTP, jitter buffer, and the session that joins them.
//!
//! Every module but `pulse` and `voice` is free of I/O, threads and clocks. Audio is 48 kHz, one channel, in frames of
//! 20 ms. What crosses the network is one packet of one size every 20 ms, from the first moment of a session to its
//! last. Not in it: signalling and keys (TypeScript, `src/voip`), echo cancellation (later).

pub mod codec;
pub mod rtp;
pub mod srtp;
