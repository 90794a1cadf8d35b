//! Makes two frames shorter or a part of one longer without a change of pitch, by cutting out or repeating what is alike (waveform
//! similarity, WSOLA).
//!
//! Pure functions on samples. Not in it: when to do so (jitter buffer, sending thread).

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
    let lag = if mean_square(&joined) < QUIET {
        most
    } else {
        most_alike(&joined[CUT..CUT + FADE], *LAGS.start()..=most, |lag| &joined[CUT + lag..CUT + lag + FADE])
    };
    out.extend(joined[..CUT].iter().copied());
    let fade = joined[CUT..CUT + FADE].iter().zip(&joined[CUT + lag..CUT + lag + FADE]).enumerate();
    out.extend(fade.map(|(i, (from, to))| from + (to - from) * (i as f32 + 0.5) / FADE as f32));
    out.extend(joined[CUT + lag + FADE..].iter().copied());
    lag
}

/// Fills `frame`, of which only the last `count` samples of `known` are there yet; before them, two frames that came before. What comes next goes
/// on where `known` ends, but for as many of its last samples as are returned: those come once more.
pub(crate) fn lengthen(known: &[f32], count: usize, frame: &mut Frame) -> usize {
    let end = known.len();
    let missing = FRAME_SAMPLES - count;
    let lags = missing.max(*LAGS.start())..=missing + FRAME_SAMPLES / 2;
    let lag = most_alike(&known[end - FADE..], lags, |lag| &known[end - lag - FADE..end - lag]);
    for (i, sample) in frame.iter_mut().enumerate() {
        let at = end - count + i;
        let repeated = known[at - lag];
        *sample = match known.get(at) {
            Some(given) if i + FADE < count => *given,
            Some(given) => {
                let fade = FADE.min(count);
                let faded = ((i + fade - count) as f32 + 0.5) / fade as f32;
                given + (repeated - given) * faded
            }
            None => repeated,
        };
    }
    lag - missing
}

/// Mean of the squared samples, 0 for none.
pub(crate) fn mean_square(samples: &[f32]) -> f32 {
    samples.iter().map(|sample| sample * sample).sum::<f32>() / samples.len().max(1) as f32
}

/// Looks coarsely, then closely around what was found; of equal ones the longest lag.
fn most_alike<'a>(
    kept: &[f32],
    lags: core::ops::RangeInclusive<usize>,
    other: impl Fn(usize) -> &'a [f32],
) -> usize {
    let likeness = |lag| {
        let other = other(lag);
        let product: f32 = kept.iter().zip(other).map(|(a, b)| a * b).sum();
        let energy: f32 = other.iter().map(|sample| sample * sample).sum();
        product / (energy + 1e-9).sqrt()
    };
    let best = |lags: &mut dyn Iterator<Item = usize>| {
        lags.map(|lag| (lag, likeness(lag))).max_by(|one, other| one.1.total_cmp(&other.1))
    };
    let (least, most) = (*lags.start(), *lags.end());
    let found = best(&mut lags.step_by(LAG_STEP)).map_or(most, |(lag, _)| lag);
    let near = found.saturating_sub(LAG_STEP - 1).max(least)..=(found + LAG_STEP - 1).min(most);
    best(&mut near.into_iter()).map_or(found, |(lag, _)| lag)
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
    fn a_tone_of_which_the_end_is_late_goes_on_without_a_step() {
        let sample = |i: usize| (core::f32::consts::TAU * 200.0 * i as f32 / 48_000.0).sin() * 0.5;
        for count in [0, 1, 100, 480, 700, 840, 955] {
            let known: Vec<_> = (0..2 * FRAME_SAMPLES + count).map(sample).collect();
            let mut frame = [9.0; FRAME_SAMPLES];
            let again = lengthen(&known, count, &mut frame);
            assert!(again <= FRAME_SAMPLES / 2, "{count}: {again}");
            let next = known.len() - again;
            let after = (next..next + FRAME_SAMPLES).map(sample);
            let out: Vec<_> = known[..2 * FRAME_SAMPLES].iter().copied().chain(frame).chain(after).collect();
            let step = out.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
            assert!(step < 0.02, "{count}: {step}");
        }
    }

    #[test]
    fn of_silence_as_much_goes_as_is_asked_for() {
        let mut out = vec![];
        assert_eq!(merge(&[0.0; FRAME_SAMPLES], &[0.001; FRAME_SAMPLES], 500, &mut out), 500);
        assert_eq!(out.len(), 2 * FRAME_SAMPLES - 500);
    }
}
