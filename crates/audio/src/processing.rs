//! Voice processing between microphone and encoder: echo cancellation, noise suppression, gain control.
//!
//! By `sonora`, a port of WebRTC's audio processing. What the loudspeaker was given is the reference for the echo: call
//! [`Processor::played`] with it and [`Processor::recorded`] with what the microphone gave, in pieces of any length. The
//! library works on 10 ms; a last piece shorter than that waits for the next one.
//!
//! Invariants: as many samples come out as went in, but for those that wait (less than 10 ms); nothing here allocates
//! after the start (inside the library short-lived small pieces do, see decision 0090); a fault in the library ends the
//! processing and not the call: the samples then pass as they are. Not in it: when to bypass (the sound thread).

use std::panic::{AssertUnwindSafe, catch_unwind};

use sonora::config::{
    AdaptiveDigital, EchoCanceller, GainController2, HighPassFilter, MaxProcessingRate, NoiseSuppression,
    NoiseSuppressionLevel, Pipeline,
};
use sonora::{AudioProcessing, Config, StreamConfig};

use crate::codec::SAMPLE_RATE;

/// Samples of the library's frame: 10 ms.
const PIECE: usize = SAMPLE_RATE as usize / 100;

/// Samples on their way to a whole piece.
struct Partial {
    samples: [f32; PIECE],
    filled: usize,
}

impl Partial {
    const fn new() -> Self {
        Self { samples: [0.0; PIECE], filled: 0 }
    }

    /// Calls `whole` with each piece that `samples` completes.
    fn feed(&mut self, mut samples: &[f32], mut whole: impl FnMut(&[f32; PIECE])) {
        while !samples.is_empty() {
            let (now, later) = samples.split_at(samples.len().min(PIECE - self.filled));
            self.samples[self.filled..self.filled + now.len()].copy_from_slice(now);
            self.filled += now.len();
            samples = later;
            if self.filled == PIECE {
                self.filled = 0;
                whole(&self.samples);
            }
        }
    }
}

/// See the module.
pub struct Processor {
    /// `None` after a fault in the library.
    library: Option<Box<AudioProcessing>>,
    recorded: Partial,
    played: Partial,
    /// Pieces that were played since one was recorded.
    unheard: u32,
}

/// The library keeps this many reference pieces between two recorded ones; more say nothing about an echo.
const MOST_UNHEARD: u32 = 50;

impl Default for Processor {
    fn default() -> Self {
        Self::new()
    }
}

impl Processor {
    /// A chain that knows nothing yet of the echo, the noise and the voice.
    pub fn new() -> Self {
        let stream = StreamConfig::new(SAMPLE_RATE, 1);
        let config = Config {
            pipeline: Pipeline {
                maximum_internal_processing_rate: MaxProcessingRate::Rate48kHz,
                ..Pipeline::default()
            },
            high_pass_filter: Some(HighPassFilter::default()),
            echo_canceller: Some(EchoCanceller::default()),
            noise_suppression: Some(NoiseSuppression {
                level: NoiseSuppressionLevel::Moderate,
                ..NoiseSuppression::default()
            }),
            gain_controller2: Some(GainController2 {
                // Begins with what the microphone gives, so that a good microphone is not made too loud at first.
                adaptive_digital: Some(AdaptiveDigital {
                    initial_gain_db: 0.0,
                    ..AdaptiveDigital::default()
                }),
                ..GainController2::default()
            }),
            ..Config::default()
        };
        let library = AudioProcessing::builder().config(config).capture_config(stream).render_config(stream);
        Self {
            library: Some(Box::new(library.build())),
            recorded: Partial::new(),
            played: Partial::new(),
            unheard: 0,
        }
    }

    /// The loudspeaker was given `samples`.
    pub fn played(&mut self, samples: &[f32]) {
        let Self { library, played, unheard, .. } = self;
        played.feed(samples, |piece| {
            if *unheard < MOST_UNHEARD {
                *unheard += 1;
                guarded(library, |library| {
                    let mut ignored = [0.0; PIECE];
                    let _ = library.process_render_f32(&[piece], &mut [&mut ignored]);
                });
            }
        });
    }

    /// The microphone gave `samples`: what is to be sent of them is appended to `out`.
    pub fn recorded(&mut self, samples: &[f32], out: &mut Vec<f32>) {
        let Self { library, recorded, unheard, .. } = self;
        recorded.feed(samples, |piece| {
            *unheard = 0;
            let mut processed = *piece;
            guarded(library, |library| {
                let _ = library.process_capture_f32(&[piece], &mut [&mut processed]);
            });
            if processed.iter().any(|sample| !sample.is_finite()) {
                processed = *piece;
            }
            out.extend_from_slice(&processed);
        });
    }

    /// Whether the library still works.
    pub fn works(&self) -> bool {
        self.library.is_some()
    }
}

/// Uses the library, and gives it up where it panics.
fn guarded(library: &mut Option<Box<AudioProcessing>>, action: impl FnOnce(&mut AudioProcessing)) {
    if let Some(inner) = library
        && catch_unwind(AssertUnwindSafe(|| action(inner))).is_err()
    {
        *library = None;
    }
}
