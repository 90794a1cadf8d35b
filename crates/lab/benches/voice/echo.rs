//! Voice processing in a simulated room: echo that is left when the far end speaks alone, and how the near end sounds
//! while both speak.

use audio::processing::Processor;
use lab::score::score;
use lab::wav::Recording;
use serde::Serialize;

use crate::room::{Room, alike, power, process};
use crate::speech::Voice;

const RATE: usize = 48_000;
const DELAYS_MS: [usize; 3] = [20, 60, 120];
/// Rooms of each delay.
const SEEDS: u32 = 3;
/// Of the echo against what the loudspeaker plays, in dB.
const LEVEL_DB: f32 = -6.0;
const SECONDS: usize = 20;
/// From here on the canceller must have converged.
const CONVERGED: usize = 5;

#[derive(Serialize)]
pub(crate) struct Line {
    bench: &'static str,
    echo: &'static str,
    far: &'static str,
    near: &'static str,
    /// Least over the rooms, in dB, from 5 s on.
    erle_db: f64,
    rooms: usize,
    /// Of the near end without any echo, against its clean words.
    pesq_alone: f64,
    /// Of the near end while both speak; mean over the rooms.
    pesq_both: f64,
    /// Likeness of the envelopes (0 to 1), least over the rooms.
    likeness: f64,
    /// Level of what is sent while both speak against the clean words, in dB; lowest.
    level_db: f64,
}

pub(crate) fn measure(far: &Voice, voices: &[Voice]) -> Result<Line, Box<dyn std::error::Error>> {
    let near = voices.iter().find(|it| it.name != far.name).ok_or("one voice only")?;
    let repeat =
        |voice: &Voice| -> Vec<f32> { words(voice).iter().copied().cycle().take(SECONDS * RATE).collect() };
    let (played, mut spoken) = (repeat(far), repeat(near));
    spoken[..(CONVERGED + 1) * RATE].fill(0.0);
    let mut line = Line {
        bench: "voice",
        echo: "echo",
        far: far.name,
        near: near.name,
        erle_db: f64::INFINITY,
        rooms: DELAYS_MS.len() * SEEDS as usize,
        pesq_alone: 0.0,
        pesq_both: 0.0,
        likeness: 1.0,
        level_db: f64::INFINITY,
    };
    let double = (CONVERGED + 1) * RATE..;
    let clean = &spoken[double.clone()];
    let sent = process(&mut Processor::new(), &vec![0.0; spoken.len()], &spoken);
    line.pesq_alone = pesq(clean, &sent[double.clone()])?;
    for (delay_ms, seed) in DELAYS_MS.into_iter().flat_map(|delay| (1..=SEEDS).map(move |seed| (delay, seed)))
    {
        let room = Room::new(delay_ms, LEVEL_DB, seed);
        let alone = room.hear(&played, &[]);
        let left = process(&mut Processor::new(), &played, &alone);
        let after = CONVERGED * RATE..;
        line.erle_db = line.erle_db.min(decibels(power(&alone[after.clone()]) / power(&left[after])));
        let both = room.hear(&played, &spoken);
        let sent = process(&mut Processor::new(), &played, &both);
        let sent = &sent[double.clone()];
        line.pesq_both += pesq(clean, sent)? / line.rooms as f64;
        line.likeness = line.likeness.min(alike(clean, sent));
        line.level_db = line.level_db.min(decibels(power(sent) / power(clean)));
    }
    Ok(line)
}

/// The voice without the silence around it.
fn words(voice: &Voice) -> &[f32] {
    let loud = |sample: &f32| sample.abs() > 0.01;
    let first = voice.samples.iter().position(loud).unwrap_or(0);
    let last = voice.samples.iter().rposition(loud).unwrap_or(0);
    &voice.samples[first..=last]
}

fn decibels(ratio: f64) -> f64 {
    10.0 * ratio.log10()
}

fn pesq(clean: &[f32], sent: &[f32]) -> Result<f64, Box<dyn std::error::Error>> {
    let recording = |samples: &[f32]| Recording { rate: RATE as u32, samples: samples.to_vec() };
    let mut late = recording(sent);
    late.samples.resize(late.samples.len() + RATE / 2, 0.0);
    Ok(score(&recording(clean), &late)?.pesq_wb.ok_or("no score")?)
}
