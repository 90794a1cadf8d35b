//! What one cell costs a relay: open the link's AEAD, check the link's window, look up the circuit, check its window,
//! permute one layer, seal the next link's AEAD; beside AES-128-GCM open and seal of the same bytes in the same run.
//!
//! Steady state: keys, tables and windows exist before, as in a running relay, and cells of all circuits come in turn.
//! Each round starts from cells that were sealed outside of the measured time. 64 circuits are served cell by cell,
//! 16 384 in batches of 32, with the circuits of a batch prefetched. Rounds of the step and of the plain AEAD
//! alternate, so that a busy machine hits both alike. Trust the ratio, not the times.
//!
//! Output: what the parts of the step cost, one JSON line for each comparison, and one line for people about the body
//! size of the code and 64 circuits.

#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

mod cells;
mod relay;

use std::hint::black_box;
use std::time::Instant;

use cell::layer::Layer;
use cell::layout::BODY_BYTES;
use cells::{Body336, Body512, Size};
use relay::{Part, Relay, Source};

/// Cells of a round, and how many of them a batch has.
const CELLS: usize = 256;
const BATCH: usize = 32;
/// Compared rounds of each kind.
const ROUNDS: usize = 2_000;
const FEW: u32 = 64;
const MANY: u32 = 16_384;

/// Median nanoseconds a cell.
struct Compared {
    step: f64,
    plain: f64,
}

impl Compared {
    fn ratio(&self) -> f64 {
        self.step / self.plain
    }
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Nanoseconds a cell of `work` over one round's cells.
fn timed<S: Size>(cells: &mut [S::Datagram], work: impl FnOnce(&mut [S::Datagram])) -> f64 {
    let begun = Instant::now();
    work(black_box(cells));
    begun.elapsed().as_secs_f64() * 1e9 / cells.len() as f64
}

/// Alternating rounds of the relay step, in batches of `batch`, and of the plain AEAD.
fn compare<S: Size>(circuits: u32, batch: usize) -> Compared {
    let (mut relay, mut source) = (Relay::<S>::new(circuits), Source::<S>::new(circuits));
    let (mut step, mut plain) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let mut cells = source.round(CELLS);
        let mut same = cells.clone();
        step.push(timed::<S>(&mut cells, |cells| {
            for batch in cells.chunks_mut(batch) {
                assert_eq!(relay.forward(batch), batch.len());
            }
        }));
        plain.push(timed::<S>(&mut same, |cells| assert!(cells.iter_mut().all(|cell| relay.reseal(cell)))));
    }
    Compared { step: median(step), plain: median(plain) }
}

/// The same step without one of its parts: what the part costs.
fn parts() {
    let all = [Part::LinkWindow, Part::Lookup, Part::CircuitWindow, Part::Layer, Part::Open, Part::Seal];
    let mut times = all.map(|_| Vec::new());
    let (mut relay, mut source) = (Relay::<Body336>::new(FEW), Source::<Body336>::new(FEW));
    for _ in 0..ROUNDS / 4 {
        for (part, times) in all.into_iter().zip(&mut times) {
            let mut cells = source.round(CELLS);
            times.push(timed::<Body336>(&mut cells, |cells| relay.only(part, cells)));
        }
    }
    for (part, times) in all.into_iter().zip(times) {
        println!("{{\"bench\":\"hop-part\",\"part\":\"{part:?}\",\"ns\":{:.1}}}", median(times));
    }
}

fn report<S: Size>(circuits: u32, batch: usize) -> Compared {
    let compared = compare::<S>(circuits, batch);
    println!(
        "{{\"bench\":\"hop\",\"body\":{},\"circuits\":{circuits},\"batch\":{batch},\"ns\":{:.1},\"gcm_ns\":{:.1},\"ratio\":{:.3}}}",
        S::BODY_BYTES,
        compared.step,
        compared.plain,
        compared.ratio()
    );
    compared
}

fn main() {
    println!("engine {:?}, {} bytes a layer", Layer::new(&[0; 16]).engine(), size_of::<Layer>());
    parts();
    let code = report::<Body336>(FEW, 1);
    report::<Body512>(FEW, 1);
    report::<Body336>(MANY, 1);
    report::<Body336>(MANY, BATCH);
    report::<Body512>(MANY, BATCH);
    assert_eq!(Body336::BODY_BYTES, BODY_BYTES);
    println!(
        "per hop: {:.0} ns a cell ({:.2} million cells/s); AES-128-GCM open + seal {:.0} ns; ratio {:.2}",
        code.step,
        1e3 / code.step,
        code.plain,
        code.ratio()
    );
}
