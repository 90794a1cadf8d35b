//! How a recording compares with what was said: where it is in it, how alike it is, how good it sounds.
//!
//! Both are brought to 16 kHz. The place is found by the normalised correlation of energy envelopes, which survives
//! small changes of speed, and refined by the correlation of the waveforms; the score is PESQ-WB (ITU-T P.862.2) of the
//! part that was found. Not in it: recording.

use realfft::RealFftPlanner;
use serde::Serialize;

use crate::resample::resample;
use crate::wav::{Recording, to_i16};

const RATE: u32 = 16_000;
/// Samples of an envelope step: 5 ms.
const STEP: usize = 80;
/// How far the waveform's place may lie from the envelope's: 60 ms.
const REFINE: usize = 960;
/// Length of the pieces whose delays are told apart: 1 s.
const PIECE: usize = 16_000;

/// The result; times in ms, likenesses from 0 to 1.
#[derive(Clone, Debug, Serialize, PartialEq)]
pub struct Score {
    /// Start of what was said in the recording, minus its start in the reference (waveform, median over pieces).
    pub delay_ms: f64,
    /// The smallest and the largest delay of a piece of one second.
    pub delay_range_ms: [f64; 2],
    /// Those of all pieces and of the whole, the smallest first.
    pub delays_ms: Vec<f64>,
    /// Normalised cross-correlation of the envelopes at the best place.
    pub peak: f64,
    /// The best envelope correlation farther than half a second from the best place.
    pub second_peak: f64,
    /// Normalised cross-correlation of the waveforms at the best place.
    pub waveform_peak: f64,
    /// Level of the found part against the reference, in dB.
    pub gain_db: f64,
    /// PESQ-WB of the found part (1.0 to 4.64); null where it cannot be computed, for instance of silence.
    pub pesq_wb: Option<f64>,
    /// Length of the reference.
    pub reference_seconds: f64,
    /// Length of the recording.
    pub recording_seconds: f64,
}

/// Why there is no score.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ScoreError {
    /// Less than half a second.
    #[error("the reference is shorter than half a second")]
    Short,
    /// The recording cannot contain the reference.
    #[error("the recording is shorter than the reference")]
    Incomplete,
    /// Nothing was said.
    #[error("the reference is silent")]
    Silent,
}

/// Compares. Leading and trailing silence of the reference is ignored.
///
/// # Errors
/// See [`ScoreError`].
pub fn score(reference: &Recording, recording: &Recording) -> Result<Score, ScoreError> {
    let said = resample(&reference.samples, reference.rate, RATE);
    let heard = resample(&recording.samples, recording.rate, RATE);
    let active = active_part(&said).ok_or(ScoreError::Silent)?;
    let speech = said.get(active.clone()).unwrap_or_default();
    if speech.len() < RATE as usize / 2 {
        return Err(ScoreError::Short);
    }
    if heard.len() < speech.len() + STEP {
        return Err(ScoreError::Incomplete);
    }
    let (coarse, peak, second_peak) = by_envelope(speech, &heard);
    let (place, waveform_peak) = by_waveform(speech, &heard, coarse);
    let mut delays: Vec<f64> = speech
        .chunks_exact(PIECE)
        .enumerate()
        .filter(|(_, piece)| power(piece) > power(speech) / 4.0)
        .map(|(index, piece)| {
            by_waveform(piece, &heard, place + index * PIECE).0 as f64 - (index * PIECE) as f64
        })
        .collect();
    delays.push(place as f64);
    delays.sort_by(f64::total_cmp);
    let milliseconds = |at: f64| (at - active.start as f64) * 1000.0 / f64::from(RATE);
    let found = heard.get(place..(place + speech.len()).min(heard.len())).unwrap_or_default();
    Ok(Score {
        delay_ms: milliseconds(delays.get(delays.len() / 2).copied().unwrap_or(place as f64)),
        delay_range_ms: [delays.first(), delays.last()]
            .map(|at| milliseconds(at.copied().unwrap_or(place as f64))),
        delays_ms: delays.iter().copied().map(milliseconds).collect(),
        peak,
        second_peak,
        waveform_peak,
        gain_db: 10.0 * (power(found).max(1e-12) / power(speech).max(1e-12)).log10(),
        pesq_wb: pesq::pesq_wb(&to_i16(speech), &to_i16(found)).ok().map(f64::from),
        reference_seconds: reference.samples.len() as f64 / f64::from(reference.rate),
        recording_seconds: recording.samples.len() as f64 / f64::from(recording.rate),
    })
}

fn power(samples: &[f32]) -> f64 {
    samples.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / samples.len().max(1) as f64
}

/// From the first to the last step that is louder than -40 dB below the loudest.
fn active_part(samples: &[f32]) -> Option<std::ops::Range<usize>> {
    let powers: Vec<f64> = samples.chunks(STEP).map(power).collect();
    let threshold = powers.iter().copied().fold(0.0, f64::max) * 1e-4;
    if threshold <= 1e-14 {
        return None;
    }
    let first = powers.iter().position(|power| *power > threshold)?;
    let last = powers.iter().rposition(|power| *power > threshold)?;
    Some(first * STEP..((last + 1) * STEP).min(samples.len()))
}

/// Place (samples), normalised peak, and the best peak elsewhere.
fn by_envelope(speech: &[f32], heard: &[f32]) -> (usize, f64, f64) {
    // Four steps long, so that the pulses of the voice do not show.
    let envelope = |samples: &[f32]| -> Vec<f64> {
        let powers: Vec<f64> = samples.chunks_exact(STEP).map(power).collect();
        powers.windows(4).map(|window| window.iter().sum::<f64>().sqrt()).collect()
    };
    let mut wanted = envelope(speech);
    let mean = wanted.iter().sum::<f64>() / wanted.len() as f64;
    wanted.iter_mut().for_each(|value| *value -= mean);
    let wanted_norm = wanted.iter().map(|value| value * value).sum::<f64>().sqrt();
    let likeness: Vec<f64> = envelope(heard)
        .windows(wanted.len())
        .map(|window| {
            let mean = window.iter().sum::<f64>() / window.len() as f64;
            let product: f64 = wanted.iter().zip(window).map(|(a, b)| a * b).sum();
            let norm = window.iter().map(|value| (value - mean).powi(2)).sum::<f64>().sqrt();
            product / (wanted_norm * norm + 1e-9)
        })
        .collect();
    let best = maximum(likeness.iter().copied().enumerate());
    let apart = RATE as usize / 2 / STEP;
    let second = maximum(likeness.iter().copied().enumerate().filter(|(at, _)| at.abs_diff(best.0) > apart));
    (best.0 * STEP, best.1.max(0.0), second.1.max(0.0))
}

fn maximum(values: impl Iterator<Item = (usize, f64)>) -> (usize, f64) {
    values.fold((0, f64::NEG_INFINITY), |best, value| if value.1 > best.1 { value } else { best })
}

/// Place of `speech` in `heard` within [`REFINE`] of `near`, and the normalised peak there.
fn by_waveform(speech: &[f32], heard: &[f32], near: usize) -> (usize, f64) {
    let from = near.saturating_sub(REFINE);
    let to = (near + REFINE + speech.len()).min(heard.len());
    let part = heard.get(from..to).unwrap_or_default();
    if part.len() < speech.len() {
        return (near, 0.0);
    }
    let products = correlate(speech, part);
    let lags = part.len() - speech.len() + 1;
    let mut energy = part.iter().take(speech.len()).map(|it| f64::from(*it).powi(2)).sum::<f64>();
    let norm = (power(speech) * speech.len() as f64).sqrt();
    let mut best = (0, f64::NEG_INFINITY);
    for lag in 0..lags {
        let likeness =
            f64::from(products.get(lag).copied().unwrap_or(0.0)) / (norm * energy.max(0.0).sqrt() + 1e-9);
        if likeness > best.1 {
            best = (lag, likeness);
        }
        let leaving = part.get(lag).copied().unwrap_or(0.0);
        let entering = part.get(lag + speech.len()).copied().unwrap_or(0.0);
        energy += f64::from(entering).powi(2) - f64::from(leaving).powi(2);
    }
    (from + best.0, best.1.clamp(0.0, 1.0))
}

/// Sum of `speech[i] * part[i + lag]` for each lag, by FFT.
fn correlate(speech: &[f32], part: &[f32]) -> Vec<f32> {
    let length = (speech.len() + part.len()).next_power_of_two();
    let mut planner = RealFftPlanner::<f32>::new();
    let (forward, inverse) = (planner.plan_fft_forward(length), planner.plan_fft_inverse(length));
    let spectrum = |samples: &[f32]| {
        let mut padded = samples.to_vec();
        padded.resize(length, 0.0);
        let mut output = forward.make_output_vec();
        // The lengths are those of the plan, which is the only thing that can be wrong.
        let _ = forward.process(&mut padded, &mut output);
        output
    };
    let mut product = spectrum(part);
    product.iter_mut().zip(spectrum(speech)).for_each(|(a, b)| *a *= b.conj());
    let mut output = inverse.make_output_vec();
    let _ = inverse.process(&mut product, &mut output);
    output.iter_mut().for_each(|value| *value /= length as f32);
    output
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Something like speech: syllables of a buzzing tone with changing pitch.
    fn speech(rate: u32, seconds: f32) -> Recording {
        let mut state = 7u32;
        let mut phase = 0.0f32;
        let samples = (0..(seconds * rate as f32) as usize)
            .map(|i| {
                let t = i as f32 / rate as f32;
                let syllable = (t * 4.0) as u32;
                let hash = syllable.wrapping_mul(0x9e37_79b9) >> 20;
                let pitch = 100.0 + (hash % 120) as f32;
                phase += pitch / rate as f32;
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let breath = (state >> 16) as f32 / 65_536.0 - 0.5;
                let loudness = (hash % 7) as f32 / 7.0 * (std::f32::consts::PI * (t * 4.0).fract()).sin();
                let buzz: f32 =
                    (1..12).map(|k| (std::f32::consts::TAU * phase * k as f32).sin() / k as f32).sum();
                0.2 * loudness * (buzz + 0.3 * breath)
            })
            .collect();
        Recording { rate, samples }
    }

    fn delayed(recording: &Recording, milliseconds: usize, gain: f32) -> Recording {
        let mut samples = vec![0.0; recording.rate as usize * milliseconds / 1000];
        samples.extend(recording.samples.iter().map(|sample| sample * gain));
        samples.resize(samples.len() + recording.rate as usize, 0.0);
        Recording { rate: recording.rate, samples }
    }

    #[test]
    fn a_delayed_copy_is_found_and_scores_best() {
        let reference = speech(48_000, 6.0);
        let score = score(&reference, &delayed(&reference, 1_234, 0.5)).unwrap();
        assert!((score.delay_ms - 1_234.0).abs() < 0.5, "{score:?}");
        assert!(score.peak > 0.95 && score.waveform_peak > 0.99, "{score:?}");
        assert!((score.gain_db + 6.0).abs() < 0.2, "{score:?}");
        assert!(score.pesq_wb.unwrap() > 4.3, "{score:?}");
    }

    #[test]
    fn different_rates_are_brought_together() {
        let score = score(&speech(22_050, 5.0), &delayed(&speech(48_000, 5.0), 300, 1.0)).unwrap();
        assert!((score.delay_ms - 300.0).abs() < 5.0, "{score:?}");
    }

    #[test]
    fn noise_is_not_speech() {
        let reference = speech(16_000, 5.0);
        let mut state = 3u32;
        let noise = Recording {
            rate: 16_000,
            samples: (0..160_000)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (state >> 16) as f32 / 65_536.0 - 0.5
                })
                .collect(),
        };
        assert!(score(&reference, &noise).unwrap().peak < 0.4);
    }

    #[test]
    fn what_cannot_be_compared_is_an_error() {
        let reference = speech(16_000, 3.0);
        let silence = Recording { rate: 16_000, samples: vec![0.0; 160_000] };
        assert_eq!(score(&silence, &reference), Err(ScoreError::Silent));
        assert_eq!(score(&delayed(&reference, 0, 1.0), &speech(16_000, 1.0)), Err(ScoreError::Incomplete));
        assert!(score(&reference, &silence).unwrap().peak < 0.1);
    }
}
