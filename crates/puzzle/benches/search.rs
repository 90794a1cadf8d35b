//! What one candidate of a DHT position costs: a line for people and a JSON line. One thread, best of several rounds.

#![allow(clippy::disallowed_methods)]

use std::hint::black_box;
use std::time::Instant;

const CANDIDATES: u64 = 1 << 21;
const ROUNDS: usize = 8;
/// The network's constant: `PUZZLE_BITS` of src/dht/position.ts.
const PUZZLE_BITS: i32 = 24;

fn main() {
    let prefix = [7; 40];
    let nanoseconds = (0..ROUNDS as u64)
        .map(|round| {
            let begun = Instant::now();
            // No hash begins with so many zeros, so all candidates are tried.
            black_box(puzzle::search(&prefix, round * CANDIDATES, CANDIDATES, 200));
            begun.elapsed().as_secs_f64() * 1e9 / CANDIDATES as f64
        })
        .fold(f64::INFINITY, f64::min);
    let seconds = nanoseconds * 2_f64.powi(PUZZLE_BITS) / 1e9;
    println!("a candidate: {nanoseconds:.0} ns; a position: {seconds:.1} s on average");
    println!("{{\"bench\":\"puzzle\",\"ns\":{nanoseconds:.1},\"positionSeconds\":{seconds:.2}}}");
}
