//! Change of the sampling rate by a windowed sinc: for measurements.

use std::collections::HashMap;

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
    let taps = reach as i64 + 1;
    // The kernel depends only on where between two samples its centre lies, which comes back again and again.
    let (from, to) = (u64::from(from), u64::from(to));
    let mut kernels: HashMap<u64, Vec<f64>> = HashMap::new();
    (0..length as u64)
        .map(|index| {
            let (centre, phase) = ((index * from / to) as i64, index * from % to);
            let kernel = kernels.entry(phase).or_insert_with(|| {
                let fraction = phase as f64 / to as f64;
                (-taps..=taps).map(|offset| kernel(offset as f64 - fraction, cutoff, reach)).collect()
            });
            let first = centre - taps;
            let skipped = first.min(0).unsigned_abs() as usize;
            let window = samples.get(first.max(0) as usize..).unwrap_or_default();
            let pairs = window.iter().zip(kernel.iter().skip(skipped));
            pairs.map(|(sample, weight)| f64::from(*sample) * weight).sum::<f64>() as f32
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
