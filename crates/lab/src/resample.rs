//! Change of the sampling rate by a windowed sinc: for measurements, not for speed.

/// Zero crossings of the sinc on each side.
const CROSSINGS: f64 = 24.0;

/// `samples` at `from` Hz, given at `to` Hz.
pub fn resample(samples: &[f32], from: u32, to: u32) -> Vec<f32> {
    if from == to {
        return samples.to_vec();
    }
    let step = f64::from(from) / f64::from(to);
    // Below the smaller of the two Nyquist frequencies, with room for the filter's slope.
    let cutoff = 0.95 / step.max(1.0);
    let reach = CROSSINGS / cutoff;
    let length = (samples.len() as f64 / step) as usize;
    (0..length)
        .map(|index| {
            let centre = index as f64 * step;
            let first = (centre - reach).ceil().max(0.0) as usize;
            let last = ((centre + reach) as usize + 1).min(samples.len());
            let window = samples.get(first..last).unwrap_or_default();
            let sum: f64 = window
                .iter()
                .enumerate()
                .map(|(offset, sample)| {
                    f64::from(*sample) * kernel((first + offset) as f64 - centre, cutoff, reach)
                })
                .sum();
            sum as f32
        })
        .collect()
}

/// Sinc with a Blackman window.
fn kernel(distance: f64, cutoff: f64, reach: f64) -> f64 {
    use std::f64::consts::PI;
    let at = distance / reach;
    if at.abs() >= 1.0 {
        return 0.0;
    }
    let window = 0.42 + 0.5 * (PI * at).cos() + 0.08 * (2.0 * PI * at).cos();
    let phase = PI * distance * cutoff;
    let sinc = if phase.abs() < 1e-9 { 1.0 } else { phase.sin() / phase };
    cutoff * sinc * window
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(frequency: f32, rate: u32, samples: usize) -> Vec<f32> {
        (0..samples).map(|i| (std::f32::consts::TAU * frequency * i as f32 / rate as f32).sin()).collect()
    }

    #[test]
    fn a_tone_stays_the_tone() {
        for (from, to) in [(48_000, 16_000), (22_050, 16_000), (16_000, 48_000)] {
            let got = resample(&tone(440.0, from, from as usize), from, to);
            let expected = tone(440.0, to, got.len());
            let middle = got.len() / 4..got.len() * 3 / 4;
            let error = got[middle.clone()].iter().zip(&expected[middle]).map(|(a, b)| (a - b).abs());
            assert!(error.fold(0.0, f32::max) < 0.01, "{from} to {to}");
        }
    }

    #[test]
    fn what_the_lower_rate_cannot_hold_is_removed() {
        let got = resample(&tone(11_000.0, 48_000, 48_000), 48_000, 16_000);
        assert!(got[1_000..15_000].iter().all(|sample| sample.abs() < 0.01));
    }
}
