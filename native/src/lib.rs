//! The N-API border: commands in, events out; never a packet, never a sample.

mod audio;
mod call_handshake;
mod certificate;
mod kx;
mod memory;
mod noise_ik;
mod puzzle;
mod tones;
