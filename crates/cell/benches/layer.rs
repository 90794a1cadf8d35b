//! The layer cipher alone: every engine of this machine, both ways, at the body size of the code and at 512 bytes, in
//! alternating rounds of one run. One line for people and one JSON line each.
//!
//! Steady state: the keys exist before, as in a relay. Trust the ratios, not the times.

#![allow(clippy::disallowed_methods)]

use std::hint::black_box;
use std::time::Instant;

use cell::layer::{Direction, Engine, Layer};
use cell::layout::BODY_BYTES;

/// Permutations of a round.
const CALLS: u32 = 1_000;
/// Rounds of each engine and way.
const ROUNDS: usize = 300;

struct Subject<const BYTES: usize> {
    layer: Layer,
    encrypts: bool,
    body: [u8; BYTES],
    sequence: u64,
    times: Vec<f64>,
}

impl<const BYTES: usize> Subject<BYTES> {
    fn round(&mut self) {
        let begun = Instant::now();
        for _ in 0..CALLS {
            self.sequence += 1;
            let body = black_box(&mut self.body);
            if self.encrypts {
                self.layer.encrypt_sized(Direction::Forward, self.sequence, body);
            } else {
                self.layer.decrypt_sized(Direction::Forward, self.sequence, body);
            }
        }
        self.times.push(begun.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS));
    }

    fn median(&mut self) -> f64 {
        self.times.sort_by(f64::total_cmp);
        self.times[self.times.len() / 2]
    }
}

fn compare<const BYTES: usize>(engines: &[Engine]) {
    let mut subjects = Vec::new();
    for &engine in engines {
        for encrypts in [true, false] {
            let Some(layer) = Layer::with_engine(engine, &[7; 16]) else { continue };
            subjects.push(Subject::<BYTES> {
                layer,
                encrypts,
                body: [0x5a; BYTES],
                sequence: 0,
                times: Vec::new(),
            });
        }
    }
    for _ in 0..ROUNDS {
        subjects.iter_mut().for_each(Subject::round);
    }
    for subject in &mut subjects {
        let (ns, engine) = (subject.median(), subject.layer.engine());
        let way = if subject.encrypts { "encrypt" } else { "decrypt" };
        println!("layer, {BYTES} bytes, {engine:?}, {way}: {ns:.0} ns");
        println!(
            "{{\"bench\":\"layer\",\"body\":{BYTES},\"engine\":\"{engine:?}\",\"way\":\"{way}\",\"ns\":{ns:.1}}}"
        );
    }
}

#[cfg(target_arch = "x86_64")]
const ENGINES: [Engine; 4] = [Engine::Portable, Engine::AesNi, Engine::Vaes256, Engine::Vaes512];
#[cfg(not(target_arch = "x86_64"))]
const ENGINES: [Engine; 1] = [Engine::Portable];

fn main() {
    compare::<BODY_BYTES>(&ENGINES);
    compare::<512>(&ENGINES);
}
