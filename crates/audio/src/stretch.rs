//! Makes two frames shorter without a change of pitch, by cutting out what repeats (waveform similarity, WSOLA).
//!
//! Pure functions on samples. Not in it: when to do so (jitter buffer).

use crate::codec::{FRAME_SAMPLES, Frame};

/// Length of the cross-fade: 5 ms.
const FADE: usize = 240;
/// Where the cut begins.
const CUT: usize = 360;
/// Shortest and longest cut: 2.5 to 20 ms, which covers voices from 50 to 400 Hz.
const LAGS: core::ops::RangeInclusive<usize> = 120..=FRAME_SAMPLES;
const LAG_STEP: usize = 4;
/// Mean square below which any piece may be cut: -50 dBFS.
pub(crate) const QUIET: f32 = 1e-5;

/// Appends `first` and `second` to `out`, shortened; gives the number of samples that were cut: at most `most`, but not
/// less than the shortest cut.
pub(crate) fn merge(first: &Frame, second: &Frame, most: usize, out: &mut impl Extend<f32>) -> usize {
    let mut joined = [0.0; 2 * FRAME_SAMPLES];
    joined[..FRAME_SAMPLES].copy_from_slice(first);
    joined[FRAME_SAMPLES..].copy_from_slice(second);
    let most = most.clamp(*LAGS.start(), *LAGS.end());
    let lag = if mean_square(&joined) < QUIET { most } else { best_lag(&joined, most) };
    out.extend(joined[..CUT].iter().copied());
    let fade = joined[CUT..CUT + FADE].iter().zip(&joined[CUT + lag..CUT + lag + FADE]).enumerate();
    out.extend(fade.map(|(i, (from, to))| from + (to - from) * (i as f32 + 0.5) / FADE as f32));
    out.extend(joined[CUT + lag + FADE..].iter().copied());
    lag
}

/// Mean of the squared samples, 0 for none.
pub(crate) fn mean_square(samples: &[f32]) -> f32 {
    samples.iter().map(|sample| sample * sample).sum::<f32>() / samples.len().max(1) as f32
}

fn best_lag(joined: &[f32; 2 * FRAME_SAMPLES], most: usize) -> usize {
    let kept = &joined[CUT..CUT + FADE];
    let mut best = (f32::MIN, most);
    for lag in (*LAGS.start()..=most).step_by(LAG_STEP) {
        let other = &joined[CUT + lag..CUT + lag + FADE];
        let product: f32 = kept.iter().zip(other).map(|(a, b)| a * b).sum();
        let energy: f32 = other.iter().map(|sample| sample * sample).sum();
        let likeness = product / (energy + 1e-9).sqrt();
        // `>=`: of equal ones the longest, which saves the most time.
        if likeness >= best.0 {
            best = (likeness, lag);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_goes_on_without_a_step() {
        let sample = |i: usize| (core::f32::consts::TAU * 200.0 * i as f32 / 48_000.0).sin() * 0.5;
        let first = core::array::from_fn(sample);
        let second = core::array::from_fn(|i| sample(i + FRAME_SAMPLES));
        let mut out = vec![];
        let cut = merge(&first, &second, FRAME_SAMPLES, &mut out);
        assert_eq!(out.len() + cut, 2 * FRAME_SAMPLES);
        assert!(cut.abs_diff(cut / 240 * 240) <= 4 || cut.abs_diff((cut / 240 + 1) * 240) <= 4, "{cut}");
        let step = out.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
        assert!(step < 0.02, "{step}");
        assert_eq!(out[out.len() - 1], second[FRAME_SAMPLES - 1]);
    }

    #[test]
    fn of_silence_as_much_goes_as_is_asked_for() {
        let mut out = vec![];
        assert_eq!(merge(&[0.0; FRAME_SAMPLES], &[0.001; FRAME_SAMPLES], 500, &mut out), 500);
        assert_eq!(out.len(), 2 * FRAME_SAMPLES - 500);
    }
}
