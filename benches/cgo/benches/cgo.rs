//! The layer cipher beside the relay operation of Tor's Counter Galois Onion (CGO-128), in alternating rounds of one run.
//!
//! Both do what a relay does to a cell that is not for it, forward: ours one HCTR2 permutation of 336 (the code's size) or 512
//! bytes, theirs one CGO step of 509. Steady state: keys and state exist before the clock starts, as in a relay (the benchmarks
//! that tor-proto ships make them anew for each cell, which flatters whoever is compared). One line for people and one JSON
//! line each; trust the ratios, not the times.

use aes::Aes128Enc;
use cell::layer::{Direction, Layer};
use cell::layout::BODY_BYTES;
use std::hint::black_box;
use std::time::Instant;
use tor_bytes::SecretBuf;
use tor_proto::bench_utils::{
    BENCH_CHAN_CMD, CryptInit, KGen, OutboundRelayLayer, RelayCellBody, RelayLayer, cgo,
};

/// Cells of a round.
const CELLS: u32 = 1_000;
const ROUNDS: usize = 400;
const TOR_BYTES: usize = 509;

/// Nanoseconds a cell of one round.
fn round(mut step: impl FnMut()) -> f64 {
    let begun = Instant::now();
    for _ in 0..CELLS {
        step();
    }
    begun.elapsed().as_secs_f64() * 1e9 / f64::from(CELLS)
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn main() {
    let seed: SecretBuf = b"the seed of a relay's keys".to_vec().into();
    let pair = cgo::CryptStatePair::<Aes128Enc, Aes128Enc>::construct(KGen::new(seed)).expect("a relay's state");
    let (mut relay, _, _) = pair.split_relay_layer();
    let mut tor_cell: RelayCellBody = Box::new([0x5a; TOR_BYTES]).into();
    let layer = Layer::new(&[7; 16]);
    let (mut ours, mut large, mut sequence) = ([0x5a; BODY_BYTES], [0x5a; 512], 0);
    let [mut at_ours, mut at_512, mut at_tor]: [Vec<f64>; 3] = Default::default();
    for _ in 0..ROUNDS {
        at_ours.push(round(|| {
            sequence += 1;
            layer.decrypt_sized(Direction::Forward, sequence, black_box(&mut ours));
        }));
        at_tor.push(round(|| {
            black_box(relay.decrypt_outbound(BENCH_CHAN_CMD, black_box(&mut tor_cell)));
        }));
        at_512.push(round(|| {
            sequence += 1;
            layer.decrypt_sized(Direction::Forward, sequence, black_box(&mut large));
        }));
    }
    let tor = median(&mut at_tor);
    println!("CGO-128, {TOR_BYTES} bytes: {tor:.0} ns");
    for (bytes, times) in [(BODY_BYTES, &mut at_ours), (512, &mut at_512)] {
        let (ns, engine) = (median(times), layer.engine());
        let ratio = ns / tor;
        println!("layer, {bytes} bytes, {engine:?}: {ns:.0} ns, {ratio:.2} x CGO-128");
        println!(
            "{{\"bench\":\"cgo\",\"body\":{bytes},\"engine\":\"{engine:?}\",\"ns\":{ns:.1},\"cgoNs\":{tor:.1},\"ratio\":{ratio:.3}}}"
        );
    }
}
