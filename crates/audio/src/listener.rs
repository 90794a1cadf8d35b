//! What the loudspeaker hears: frames decided by the jitter buffer, decoded, shortened or invented, as a stream of
//! samples of any length.
//!
//! Invariants: always as many samples as are asked for; a packet that does not decode is concealed. Time is an
//! argument. Not in it: devices.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use crate::codec::{CodecError, Decoder, FRAME_SAMPLES, Frame};
use crate::jitter::{JitterBuffer, Packet, Playout};
use crate::stretch::{QUIET, mean_square, merge};

/// Decoder and the samples that are ready.
pub struct Listener {
    decoder: Decoder,
    ready: VecDeque<f32>,
    quiet: bool,
    mean_square: f32,
}

impl Listener {
    /// # Errors
    /// libopus out of memory.
    pub fn new() -> Result<Self, CodecError> {
        Ok(Self {
            decoder: Decoder::new()?,
            ready: VecDeque::with_capacity(4 * FRAME_SAMPLES),
            quiet: true,
            mean_square: 0.0,
        })
    }

    /// Fills `samples` with what is to be heard from `now_us` on. The buffer is locked for moments only, never while
    /// a frame is decoded.
    pub fn fill(&mut self, now_us: i64, buffer: &Mutex<JitterBuffer>, samples: &mut [f32]) {
        let buffer = || buffer.lock().unwrap_or_else(PoisonError::into_inner);
        while self.ready.len() < samples.len() {
            let playout = buffer().pop(now_us, self.quiet);
            if let Some(cut) = self.hear(playout) {
                buffer().shortened(cut);
            }
        }
        let count = samples.len();
        for (sample, ready) in samples.iter_mut().zip(self.ready.drain(..count)) {
            *sample = ready;
        }
    }

    /// Mean square of the last frame.
    pub fn mean_square(&self) -> f32 {
        self.mean_square
    }

    fn hear(&mut self, playout: Playout) -> Option<usize> {
        let mut frame = [0.0; FRAME_SAMPLES];
        let mut cut = None;
        let mut length = FRAME_SAMPLES;
        match playout {
            Playout::Packet(packet) => self.decode(&packet, &mut frame),
            Playout::Recover(next) => {
                if self.decoder.recover(next.payload(), &mut frame).is_err() {
                    self.conceal(&mut frame);
                }
            }
            Playout::Conceal => self.conceal(&mut frame),
            Playout::Silence => {}
            Playout::Merge(first, second, most) => {
                let mut earlier = [0.0; FRAME_SAMPLES];
                self.decode(&first, &mut earlier);
                self.decode(&second, &mut frame);
                cut = Some(merge(&earlier, &frame, most, &mut self.ready));
            }
            Playout::Wait(count) => {
                self.conceal(&mut frame);
                length = count.min(FRAME_SAMPLES);
            }
        }
        if cut.is_none() {
            self.ready.extend(&frame[..length]);
        }
        self.mean_square = mean_square(&frame);
        self.quiet = self.mean_square < QUIET;
        cut
    }

    fn decode(&mut self, packet: &Packet, frame: &mut Frame) {
        if self.decoder.decode(packet.payload(), frame).is_err() {
            self.conceal(frame);
        }
    }

    fn conceal(&mut self, frame: &mut Frame) {
        if self.decoder.conceal(frame).is_err() {
            frame.fill(0.0);
        }
    }
}
