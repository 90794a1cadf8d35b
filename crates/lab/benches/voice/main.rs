//! How voice sounds after codec, network and jitter buffer, in virtual time; and what voice processing leaves of an
//! echo and of who speaks into it.
//!
//! One JSON line each for a network (mean and worst PESQ-WB over voices and seeds, delay that was added) and for the
//! echo. Voices: the recorded prompts of Debian's alsa-utils and espeak-ng. `cargo bench -p lab --bench voice`.

mod call;
mod echo;
mod network;
mod speech;

#[path = "../../../audio/tests/room/mod.rs"]
mod room;

use serde::Serialize;

use call::{Heard, call};
use network::{Delay, Loss, Network};
use speech::Voice;

/// Calls over each network that draws lots, for each voice.
const SEEDS: u64 = 24;

const NETWORKS: [(&str, Network); 7] = [
    ("no loss", Network { loss: Loss::Single(0.0), delay: Delay::Fixed(40.0) }),
    ("1 % loss", Network { loss: Loss::Single(0.01), delay: Delay::Fixed(40.0) }),
    ("3 % loss", Network { loss: Loss::Single(0.03), delay: Delay::Fixed(40.0) }),
    ("5 % loss", Network { loss: Loss::Single(0.05), delay: Delay::Fixed(40.0) }),
    ("10 % loss", Network { loss: Loss::Single(0.10), delay: Delay::Fixed(40.0) }),
    ("bursts and jitter", Network { loss: Loss::Bursts(0.03, 2.5), delay: Delay::Normal(40.0, 15.0) }),
    ("jitter", Network { loss: Loss::Single(0.0), delay: Delay::Normal(40.0, 15.0) }),
];

#[derive(Serialize)]
struct Line<'a> {
    bench: &'static str,
    network: &'a str,
    voice: &'a str,
    calls: usize,
    pesq: f64,
    worst_pesq: f64,
    added_ms: f64,
    most_added_ms: f64,
    lost: f64,
    recovered: f64,
    concealed: f64,
    merged: f64,
}

fn mean(values: impl Iterator<Item = f64> + Clone) -> f64 {
    values.clone().sum::<f64>() / values.count().max(1) as f64
}

fn line<'a>(network: &'a str, voice: &'a str, heard: &[Heard]) -> Line<'a> {
    let share = |count: fn(&Heard) -> u64| mean(heard.iter().map(|it| count(it) as f64 / it.frames as f64));
    Line {
        bench: "voice",
        network,
        voice,
        calls: heard.len(),
        pesq: mean(heard.iter().map(|it| it.pesq)),
        worst_pesq: heard.iter().map(|it| it.pesq).fold(f64::INFINITY, f64::min),
        added_ms: mean(heard.iter().map(|it| it.added_ms)),
        most_added_ms: heard.iter().map(|it| it.added_ms).fold(f64::NEG_INFINITY, f64::max),
        lost: share(|it| it.lost),
        recovered: share(|it| it.counters.recovered),
        concealed: share(|it| it.counters.concealed),
        merged: share(|it| it.counters.merged),
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // `cargo bench` adds options of its own; a word is a part of the names wanted.
    let wanted = std::env::args().skip(1).find(|it| !it.starts_with('-')).unwrap_or_default();
    let voices = [Voice::human()?, Voice::synthetic()?];
    for (name, network) in NETWORKS.iter().filter(|(name, _)| name.contains(&wanted)) {
        for voice in &voices {
            let seeds = if network.is_random() { SEEDS } else { 1 };
            let heard: Vec<Heard> =
                (1..=seeds).map(|seed| call(&voice.samples, network, seed)).collect::<Result<_, _>>()?;
            println!("{}", serde_json::to_string(&line(name, voice.name, &heard))?);
        }
    }
    if "echo".contains(&wanted) {
        for voice in &voices {
            println!("{}", serde_json::to_string(&echo::measure(voice, &voices)?)?);
        }
    }
    Ok(())
}
