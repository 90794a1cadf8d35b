//! One direction of a call in virtual time: encoder, network, jitter buffer, decoder, as the voice threads join them.

use std::sync::Mutex;

use audio::codec::{
    CodecError, DEFAULT_BITRATE, Encoder, FRAME_MS, FRAME_SAMPLES, MAX_PACKET_BYTES, SAMPLE_RATE,
};
use audio::jitter::{Counters, JitterBuffer};
use audio::listener::Listener;
use audio::redundancy::{Packer, unpack};
use lab::score::score;
use lab::wav::Recording;

use crate::network::Network;

/// A sound server asks for samples every 10 ms.
const ASK_US: i64 = 10_000;
const ASKED: usize = SAMPLE_RATE as usize / 100;
const FRAME_US: i64 = FRAME_MS as i64 * 1000;
/// What frames and the encoder's look-ahead take without any network: 20 ms and 6.5 ms.
const CODEC_MS: f64 = 26.5;

/// What was heard.
pub(crate) struct Heard {
    pub(crate) pesq: f64,
    /// Mouth to ear, less the mean delay of the network and what frames and codec take.
    pub(crate) added_ms: f64,
    pub(crate) frames: usize,
    pub(crate) lost: u64,
    pub(crate) counters: Counters,
}

/// Carries `said` over `network` and scores what comes out.
pub(crate) fn call(said: &[f32], network: &Network, seed: u64) -> Result<Heard, Box<dyn std::error::Error>> {
    let payloads = encode(said)?;
    let fates = network.fates(seed, payloads.len());
    let mut arrivals: Vec<(i64, usize)> = fates
        .iter()
        .enumerate()
        .filter_map(|(index, fate)| fate.map(|delay| ((index as i64 + 1) * FRAME_US + delay, index)))
        .collect();
    arrivals.sort_unstable();
    let buffer = Mutex::new(JitterBuffer::new());
    let mut listener = Listener::new()?;
    let mut arrivals = arrivals.into_iter().peekable();
    let mut heard = vec![];
    let mut piece = [0.0; ASKED];
    // The device's moments are its own.
    let mut now_us = (seed as i64 * 1_370) % ASK_US;
    heard.resize(now_us as usize * 48 / 1000, 0.0);
    while heard.len() < said.len() {
        while let Some((time, index)) = arrivals.next_if(|(time, _)| *time <= now_us) {
            let frames = unpack(&payloads[index]).ok_or("a payload of ours is of no known form")?;
            let mut buffer = buffer.lock().map_err(|_| "poisoned")?;
            buffer.push(time, (index as u16).wrapping_add(65_000), frames);
        }
        listener.fill(now_us, &buffer, &mut piece);
        heard.extend_from_slice(&piece);
        now_us += ASK_US;
    }
    let recording = |samples: &[f32]| Recording { rate: SAMPLE_RATE, samples: samples.to_vec() };
    let scored = score(&recording(said), &recording(&heard))?;
    let counters = buffer.lock().map_err(|_| "poisoned")?.counters();
    Ok(Heard {
        pesq: scored.pesq_wb.ok_or("no score")?,
        added_ms: scored.delay_ms - network.mean_ms() - CODEC_MS,
        frames: payloads.len(),
        lost: fates.iter().filter(|fate| fate.is_none()).count() as u64,
        counters,
    })
}

fn encode(said: &[f32]) -> Result<Vec<Vec<u8>>, CodecError> {
    let mut encoder = Encoder::new(DEFAULT_BITRATE)?;
    let mut packer = Packer::new(encoder.packet_bytes());
    let mut packet = [0; MAX_PACKET_BYTES];
    let frames = said.as_chunks::<FRAME_SAMPLES>().0.iter();
    frames
        .map(|frame| {
            encoder.encode(frame, &mut packet)?;
            Ok(packer.pack(&packet).to_vec())
        })
        .collect()
}
