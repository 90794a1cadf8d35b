//! The tones of a telephone, made sample by sample: what rings here, and what a caller hears of the other side.
//!
//! Invariants: no allocation, no clock: time is the number of samples; every tone begins and ends softly, so that nothing
//! clicks. Frequencies and cadences of what a caller hears are those of Europe (ETSI TR 101 041, ITU-T E.180). Not in it: devices.

use crate::codec::SAMPLE_RATE;

/// What is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Somebody calls: for the whole room.
    Ring,
    /// Somebody calls while one speaks with another.
    Waiting,
    /// It rings at the other side.
    Ringback,
    /// The other side is busy, or declines.
    Busy,
    /// The call did not come about.
    Failure,
}

/// A part of a tone: frequency in Hz (0: silence) and length in ms.
type Part = (f32, u32);

const RING: [Part; 12] = [
    (660.0, 60),
    (880.0, 60),
    (660.0, 60),
    (880.0, 60),
    (660.0, 60),
    (880.0, 60),
    (660.0, 60),
    (880.0, 60),
    (660.0, 60),
    (880.0, 60),
    (660.0, 60),
    (0.0, 2_340),
];
/// A sample rises to its level, and falls, within this.
const RAMP_MS: u32 = 5;

impl Tone {
    const fn parts(self) -> &'static [Part] {
        match self {
            Self::Ring => &RING,
            Self::Waiting => &[(425.0, 200), (0.0, 200), (425.0, 200), (0.0, 4_400)],
            Self::Ringback => &[(425.0, 1_000), (0.0, 4_000)],
            Self::Busy => &[(425.0, 500), (0.0, 500)],
            Self::Failure => &[(425.0, 250), (0.0, 250)],
        }
    }

    const fn level(self) -> f32 {
        match self {
            Self::Ring => 0.4,
            Self::Ringback | Self::Busy | Self::Failure => 0.1,
            Self::Waiting => 0.05,
        }
    }
}

const fn samples(ms: u32) -> u32 {
    SAMPLE_RATE / 1000 * ms
}

/// A tone that goes on for ever.
pub struct Generator {
    tone: Tone,
    part: usize,
    /// Samples of the part that have been given.
    position: u32,
}

impl Generator {
    /// From its beginning.
    pub fn new(tone: Tone) -> Self {
        Self { tone, part: 0, position: 0 }
    }

    /// The next samples.
    pub fn fill(&mut self, samples: &mut [f32]) {
        for sample in samples {
            *sample = self.next();
        }
    }

    fn next(&mut self) -> f32 {
        let parts = self.tone.parts();
        let (frequency, ms) = parts[self.part % parts.len()];
        let (length, ramp) = (samples(ms), samples(RAMP_MS));
        let seconds = self.position as f32 / SAMPLE_RATE as f32;
        let edge = self.position.min(length - 1 - self.position).min(ramp) as f32 / ramp as f32;
        let sample = (std::f32::consts::TAU * frequency * seconds).sin() * edge * self.tone.level();
        self.position += 1;
        if self.position == length {
            (self.part, self.position) = ((self.part + 1) % parts.len(), 0);
        }
        sample
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Tone; 5] = [Tone::Ring, Tone::Waiting, Tone::Ringback, Tone::Busy, Tone::Failure];
    const MS: usize = SAMPLE_RATE as usize / 1000;

    fn first(tone: Tone, ms: usize) -> Vec<f32> {
        let mut samples = vec![0.0; ms * MS];
        let mut generator = Generator::new(tone);
        // In pieces of an odd length, which must not show.
        samples.chunks_mut(479).for_each(|piece| generator.fill(piece));
        samples
    }

    fn is_silent(samples: &[f32]) -> bool {
        samples.iter().all(|sample| *sample == 0.0)
    }

    #[test]
    fn a_caller_hears_the_cadences_that_telephones_have() {
        for (tone, on, off) in
            [(Tone::Ringback, 1_000, 4_000), (Tone::Busy, 500, 500), (Tone::Failure, 250, 250)]
        {
            let heard = first(tone, 2 * (on + off));
            for start in [0, on + off] {
                let sounding = &heard[start * MS..(start + on) * MS];
                let rises = sounding.windows(2).filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0).count();
                let wanted = 425 * on / 1000;
                assert!(rises.abs_diff(wanted) <= 1, "{tone:?}: {rises} periods of {wanted}");
                assert!(is_silent(&heard[(start + on) * MS..(start + on + off) * MS]), "{tone:?}");
            }
        }
    }

    #[test]
    fn nothing_clicks_and_nothing_is_louder_than_its_level() {
        for tone in ALL {
            let heard = first(tone, 10_000);
            assert!(heard.iter().all(|sample| sample.abs() <= tone.level()), "{tone:?}");
            // The steepest that a sine of this level and 880 Hz is, and a little for the ramp.
            let steepest = tone.level() * std::f32::consts::TAU * 880.0 / SAMPLE_RATE as f32 + 0.002;
            let step = heard.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
            assert!(step <= steepest, "{tone:?}: {step} of {steepest}");
        }
    }

    #[test]
    fn what_rings_for_the_room_is_the_loudest() {
        assert!(ALL.iter().all(|tone| *tone == Tone::Ring || tone.level() < Tone::Ring.level()));
    }
}
