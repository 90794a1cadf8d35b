//! A simulated room: what a microphone hears of the loudspeaker beside the person in front of it.

#![allow(unreachable_pub)]

use audio::processing::Processor;

const SECOND: usize = 48_000;

/// A path from loudspeaker to microphone: the delay of devices and air, then the direct sound and as much again from the
/// walls, which fades by 60 dB in 250 ms.
pub struct Room {
    delay: usize,
    response: Vec<f32>,
}

/// Taps are this far apart: enough of them for a room, few enough to compute.
const TAP_EVERY: usize = 7;

impl Room {
    /// `gain_db`: level of the echo against what the loudspeaker plays.
    pub fn new(delay_ms: usize, gain_db: f32, seed: u32) -> Self {
        let mut noise = Noise(seed.wrapping_mul(0x9e37_79b9));
        let mut response: Vec<f32> = (0..SECOND / 10)
            .map(|i| {
                let fading = 10f32.powf(-3.0 * i as f32 / (SECOND as f32 / 4.0));
                if i % TAP_EVERY == 0 { fading * noise.next() } else { 0.0 }
            })
            .collect();
        response[0] = 0.0;
        let tail: f32 = response.iter().map(|tap| tap * tap).sum();
        response[0] = tail.sqrt();
        let scale = 10f32.powf(gain_db / 20.0) / (2.0 * tail).sqrt();
        response.iter_mut().for_each(|tap| *tap *= scale);
        Self { delay: delay_ms * SECOND / 1000, response }
    }

    /// What the microphone gives: the echo of `far`, `near` and a little noise (about -75 dBFS).
    pub fn hear(&self, far: &[f32], near: &[f32]) -> Vec<f32> {
        let mut heard = vec![0.0; far.len()];
        for (at, tap) in self.response.iter().enumerate().step_by(TAP_EVERY) {
            for (out, sample) in heard.iter_mut().skip(self.delay + at).zip(far) {
                *out += tap * sample;
            }
        }
        heard.iter_mut().zip(near).for_each(|(out, sample)| *out += sample);
        let mut noise = Noise(99);
        heard.iter_mut().for_each(|out| *out += 3e-4 * noise.next());
        heard
    }
}

struct Noise(u32);

impl Noise {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) as f32 / (1 << 23) as f32 - 1.0
    }
}

/// What the chain sends, in the pieces of a sound server; as long as what was recorded.
pub fn process(processor: &mut Processor, far: &[f32], microphone: &[f32]) -> Vec<f32> {
    let mut sent = Vec::with_capacity(microphone.len());
    for (played, recorded) in far.chunks(480).zip(microphone.chunks(480)) {
        processor.played(played);
        processor.recorded(recorded, &mut sent);
    }
    sent.resize(microphone.len(), 0.0);
    sent
}

pub fn power(samples: &[f32]) -> f64 {
    samples.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / samples.len().max(1) as f64
}

/// Correlation of the energy envelopes in steps of 10 ms, at the best delay up to 60 ms.
pub fn alike(wanted: &[f32], got: &[f32]) -> f64 {
    let envelope =
        |samples: &[f32]| -> Vec<f64> { samples.chunks_exact(480).map(|it| power(it).sqrt()).collect() };
    let (wanted, got) = (envelope(wanted), envelope(got));
    (0..6).map(|delay| correlation(&wanted[..wanted.len() - delay], &got[delay..])).fold(0.0, f64::max)
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let mean = |it: &[f64]| it.iter().sum::<f64>() / it.len() as f64;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let pairs = || a.iter().zip(b).map(|(a, b)| (a - mean_a, b - mean_b));
    let product: f64 = pairs().map(|(a, b)| a * b).sum();
    let norms: f64 = pairs().map(|(a, _)| a * a).sum::<f64>() * pairs().map(|(_, b)| b * b).sum::<f64>();
    product / (norms.sqrt() + 1e-12)
}
