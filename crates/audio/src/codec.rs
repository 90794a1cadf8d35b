//! Opus, set for conversation: 48 kHz mono, 20 ms, constant bit rate, so that every packet has one size.
//!
//! Invariants: an [`Encoder`] gives packets of exactly [`packet_bytes`] bytes whatever it hears (variable rates leak
//! phrases); a [`Decoder`] always gives [`FRAME_SAMPLES`] samples and never trusts the packet.
//!
//! The bundled libopus 1.6 is linked statically: libpulse may bring the system's older libopus into the process, and
//! the two must not meet. Not in it: when to conceal (jitter buffer), devices.

use core::ffi::c_int;
use core::ptr::NonNull;

use opusic_sys as sys;

use crate::redundancy;

/// Samples per second, at the codec and at the devices.
pub const SAMPLE_RATE: u32 = 48_000;
/// Length of a frame in milliseconds.
pub const FRAME_MS: u32 = 20;
/// Samples in a frame (one channel).
pub const FRAME_SAMPLES: usize = (SAMPLE_RATE / 1000 * FRAME_MS) as usize;
/// Bit rate where nothing else is configured.
pub const DEFAULT_BITRATE: u32 = 48_000;
/// Accepted bit rates.
pub const BITRATES: core::ops::RangeInclusive<u32> = 16_000..=64_000;
/// The largest packet of [`BITRATES`].
pub const MAX_PACKET_BYTES: usize = packet_bytes(64_000);

/// One frame of samples, -1.0 to 1.0.
pub type Frame = [f32; FRAME_SAMPLES];

/// Expected loss in percent, which makes the encoder spend bits on in-band FEC (a coarse copy of the frame before).
const LOSS_HINT: c_int = 10;
/// The same where each frame is sent twice: no FEC, but frames that depend a little less on those before them.
const LOSS_HINT_COPIED: c_int = 5;
const ENCODER_COMPLEXITY: c_int = 9;
/// From 5 on the decoder conceals by its neural network (deep PLC).
const DECODER_COMPLEXITY: c_int = 5;

/// Bytes of every packet at a bit rate in bit/s.
pub const fn packet_bytes(bitrate: u32) -> usize {
    (bitrate / 8 * FRAME_MS / 1000) as usize
}

/// Whether a packet has in-band FEC, so that the frame before it can be recovered.
pub(crate) fn has_fec(packet: &[u8]) -> bool {
    let Ok(length) = i32::try_from(packet.len()) else { return false };
    // SAFETY: `packet` has `length` bytes, which are only read.
    length > 0 && unsafe { sys::opus_packet_has_lbrr(packet.as_ptr(), length) } == 1
}

/// Why the codec could not be made or refused a frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The configured bit rate is outside [`BITRATES`].
    #[error("bit rate {0} bit/s is outside {min} to {max}", min = BITRATES.start(), max = BITRATES.end())]
    Bitrate(u32),
    /// libopus reported an error code (`opus_defines.h`).
    #[error("libopus: error {0}")]
    Opus(i32),
    /// A packet of another size than the constant one came out: a bug, nothing is sent.
    #[error("the encoder made {made} bytes instead of {expected}")]
    Size {
        /// Bytes made.
        made: usize,
        /// Bytes that every packet must have.
        expected: usize,
    },
}

fn check(code: c_int) -> Result<c_int, CodecError> {
    if code < 0 { Err(CodecError::Opus(code)) } else { Ok(code) }
}

/// Frames to packets.
pub struct Encoder {
    state: NonNull<sys::OpusEncoder>,
    packet_bytes: usize,
}

// SAFETY: the state is heap memory without thread affinity, and is reached only through `&mut self`.
unsafe impl Send for Encoder {}

impl Encoder {
    /// # Errors
    /// A bit rate (bit/s) outside [`BITRATES`], or libopus out of memory.
    pub fn new(bitrate: u32) -> Result<Self, CodecError> {
        if !BITRATES.contains(&bitrate) {
            return Err(CodecError::Bitrate(bitrate));
        }
        let mut code = 0;
        // SAFETY: plain constructor; `code` outlives the call.
        let state =
            unsafe { sys::opus_encoder_create(SAMPLE_RATE as i32, 1, sys::OPUS_APPLICATION_VOIP, &mut code) };
        check(code)?;
        let state = NonNull::new(state).ok_or(CodecError::Opus(sys::OPUS_ALLOC_FAIL))?;
        let encoder = Self { state, packet_bytes: packet_bytes(bitrate) };
        let is_copied = redundancy::is_doubled(encoder.packet_bytes);
        for (request, value) in [
            (sys::OPUS_SET_BITRATE_REQUEST, bitrate as c_int),
            (sys::OPUS_SET_VBR_REQUEST, 0),
            (sys::OPUS_SET_DTX_REQUEST, 0),
            (sys::OPUS_SET_INBAND_FEC_REQUEST, c_int::from(!is_copied)),
            (sys::OPUS_SET_PACKET_LOSS_PERC_REQUEST, if is_copied { LOSS_HINT_COPIED } else { LOSS_HINT }),
            (sys::OPUS_SET_COMPLEXITY_REQUEST, ENCODER_COMPLEXITY),
            (sys::OPUS_SET_SIGNAL_REQUEST, sys::OPUS_SIGNAL_VOICE),
        ] {
            // SAFETY: these requests take one int by value.
            check(unsafe { sys::opus_encoder_ctl(encoder.state.as_ptr(), request, value) })?;
        }
        Ok(encoder)
    }

    /// Bytes of every packet that this encoder makes.
    pub fn packet_bytes(&self) -> usize {
        self.packet_bytes
    }

    /// Encodes one frame into the first [`Self::packet_bytes`] bytes of `packet`.
    ///
    /// # Errors
    /// A failure of libopus, or a packet of another size.
    pub fn encode(&mut self, frame: &Frame, packet: &mut [u8; MAX_PACKET_BYTES]) -> Result<(), CodecError> {
        // SAFETY: frame and packet have the lengths that are passed.
        let made = check(unsafe {
            sys::opus_encode_float(
                self.state.as_ptr(),
                frame.as_ptr(),
                FRAME_SAMPLES as c_int,
                packet.as_mut_ptr(),
                self.packet_bytes as i32,
            )
        })? as usize;
        if made == self.packet_bytes {
            Ok(())
        } else {
            Err(CodecError::Size { made, expected: self.packet_bytes })
        }
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        // SAFETY: created by opus_encoder_create, destroyed once.
        unsafe { sys::opus_encoder_destroy(self.state.as_ptr()) }
    }
}

/// Packets, or their absence, to frames.
pub struct Decoder {
    state: NonNull<sys::OpusDecoder>,
}

// SAFETY: as for `Encoder`.
unsafe impl Send for Decoder {}

impl Decoder {
    /// # Errors
    /// libopus out of memory.
    pub fn new() -> Result<Self, CodecError> {
        let mut code = 0;
        // SAFETY: plain constructor; `code` outlives the call.
        let state = unsafe { sys::opus_decoder_create(SAMPLE_RATE as i32, 1, &mut code) };
        check(code)?;
        let state = NonNull::new(state).ok_or(CodecError::Opus(sys::OPUS_ALLOC_FAIL))?;
        let decoder = Self { state };
        // SAFETY: the request takes one int by value.
        check(unsafe {
            sys::opus_decoder_ctl(
                decoder.state.as_ptr(),
                sys::OPUS_SET_COMPLEXITY_REQUEST,
                DECODER_COMPLEXITY,
            )
        })?;
        Ok(decoder)
    }

    /// Decodes a packet.
    ///
    /// # Errors
    /// The packet is not Opus, or not exactly one frame long; `frame` is then unspecified.
    pub fn decode(&mut self, packet: &[u8], frame: &mut Frame) -> Result<(), CodecError> {
        self.run(Some(packet), false, frame)
    }

    /// Recovers the lost frame before `next` from the redundancy in `next`, which must be decoded afterwards too.
    ///
    /// # Errors
    /// As for [`Self::decode`].
    pub fn recover(&mut self, next: &[u8], frame: &mut Frame) -> Result<(), CodecError> {
        self.run(Some(next), true, frame)
    }

    /// Invents a frame in place of a lost one.
    ///
    /// # Errors
    /// A failure of libopus.
    pub fn conceal(&mut self, frame: &mut Frame) -> Result<(), CodecError> {
        self.run(None, false, frame)
    }

    fn run(&mut self, packet: Option<&[u8]>, fec: bool, frame: &mut Frame) -> Result<(), CodecError> {
        let (data, length) = match packet {
            // An empty packet would mean concealment to libopus.
            Some([]) => return Err(CodecError::Opus(sys::OPUS_INVALID_PACKET)),
            Some(bytes) => (
                bytes.as_ptr(),
                i32::try_from(bytes.len()).map_err(|_| CodecError::Opus(sys::OPUS_INVALID_PACKET))?,
            ),
            None => (core::ptr::null(), 0),
        };
        // SAFETY: `data` has `length` bytes or is null with 0; `frame` has room for FRAME_SAMPLES samples.
        let samples = check(unsafe {
            sys::opus_decode_float(
                self.state.as_ptr(),
                data,
                length,
                frame.as_mut_ptr(),
                FRAME_SAMPLES as c_int,
                c_int::from(fec),
            )
        })? as usize;
        if samples == FRAME_SAMPLES { Ok(()) } else { Err(CodecError::Opus(sys::OPUS_INVALID_PACKET)) }
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // SAFETY: created by opus_decoder_create, destroyed once.
        unsafe { sys::opus_decoder_destroy(self.state.as_ptr()) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tone(start: usize) -> Frame {
        core::array::from_fn(|i| {
            let t = (start + i) as f32 / SAMPLE_RATE as f32;
            0.3 * (core::f32::consts::TAU * 220.0 * t).sin()
                * (1.0 + (core::f32::consts::TAU * 3.0 * t).sin())
        })
    }

    fn energy(frame: &Frame) -> f32 {
        frame.iter().map(|s| s * s).sum::<f32>() / FRAME_SAMPLES as f32
    }

    #[test]
    fn packets_have_one_size_for_speech_noise_and_silence() {
        for bitrate in [16_000, 24_000, 48_000, 64_000] {
            let mut encoder = Encoder::new(bitrate).unwrap();
            let mut packet = [0; MAX_PACKET_BYTES];
            let mut seed = 1u32;
            for i in 0..150 {
                let frame = match i / 50 {
                    0 => tone(i * FRAME_SAMPLES),
                    1 => [0.0; FRAME_SAMPLES],
                    _ => core::array::from_fn(|_| {
                        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        seed as f32 / u32::MAX as f32 - 0.5
                    }),
                };
                encoder.encode(&frame, &mut packet).unwrap();
            }
            assert_eq!(encoder.packet_bytes(), (bitrate / 400) as usize);
        }
    }

    #[test]
    fn a_lost_frame_is_recovered_and_a_longer_gap_concealed() {
        // The rate at which no copies fit, and in-band FEC takes their place.
        let mut encoder = Encoder::new(64_000).unwrap();
        let mut decoder = Decoder::new().unwrap();
        let mut packets = vec![];
        for i in 0..60 {
            let mut packet = [0; MAX_PACKET_BYTES];
            encoder.encode(&tone(i * FRAME_SAMPLES), &mut packet).unwrap();
            packets.push(packet[..encoder.packet_bytes()].to_vec());
        }
        let mut frame = [0.0; FRAME_SAMPLES];
        for packet in &packets[..40] {
            decoder.decode(packet, &mut frame).unwrap();
        }
        let before = energy(&frame);
        assert!(before > 0.005);
        assert!(has_fec(&packets[41]));
        decoder.recover(&packets[41], &mut frame).unwrap();
        assert!(energy(&frame) > before / 10.0);
        decoder.decode(&packets[41], &mut frame).unwrap();
        decoder.conceal(&mut frame).unwrap();
        assert!(energy(&frame) > before / 10.0);
    }

    #[test]
    fn bit_rates_outside_the_range_are_refused() {
        assert_eq!(Encoder::new(8_000).err(), Some(CodecError::Bitrate(8_000)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded_or_refused(packet in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut decoder = Decoder::new().unwrap();
            let mut frame = [0.0; FRAME_SAMPLES];
            let _ = decoder.decode(&packet, &mut frame);
            let _ = decoder.recover(&packet, &mut frame);
            prop_assert!(decoder.conceal(&mut frame).is_ok());
        }
    }
}
