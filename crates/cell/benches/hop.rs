//! What one cell costs a relay: open the link's AEAD, look up the circuit, check the replay window, permute one layer,
//! seal the next link's AEAD; beside AES-128-GCM open and seal of the same bytes in the same run.
//!
//! Steady state: keys, tables and windows exist before, as in a running relay, and cells of all circuits come in turn.
//! Each round starts from cells that were sealed outside of the measured time. At the end one line gives ns per cell,
//! cells per second and the ratio, from alternating rounds of both, so that a busy machine hits both alike.
//! Trust the ratio, not the times.

#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

use std::collections::HashMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use cell::layer::{Direction, Layer};
use cell::layout::{CellHeader, Command, Datagram, body_mut};
use cell::link::{LinkKey, SealedHeader};
use cell::window::{MAX_AHEAD, ReplayWindow};
use criterion::{BatchSize, Criterion, Throughput};

const CIRCUITS: u32 = 64;
/// Cells of a round: four of each circuit.
const CELLS: u32 = 4 * CIRCUITS;
/// Compared rounds of each kind.
const ROUNDS: usize = 2_000;

struct Circuit {
    layer: Layer,
    window: ReplayWindow,
    next_circuit: u32,
    offset: u64,
}

struct Relay {
    incoming: LinkKey,
    link_window: ReplayWindow,
    outgoing: LinkKey,
    counter: u64,
    circuits: HashMap<u32, Circuit>,
}

impl Relay {
    fn new() -> Self {
        let circuit = |id: u32| Circuit {
            layer: Layer::new(&[id as u8; 16]),
            window: ReplayWindow::new(0),
            next_circuit: id + 1_000,
            offset: u64::from(id) << 32,
        };
        Self {
            incoming: LinkKey::new(&[1; 16]),
            link_window: ReplayWindow::new(0),
            outgoing: LinkKey::new(&[2; 16]),
            counter: 0,
            circuits: (0..CIRCUITS).map(|id| (id, circuit(id))).collect(),
        }
    }

    /// The whole step, in place; `false` if the cell is dropped.
    fn forward(&mut self, datagram: &mut Datagram) -> bool {
        let counter = SealedHeader::read(datagram).counter;
        if self.link_window.check(counter, u64::MAX).is_err() || !self.incoming.open(datagram) {
            return false;
        }
        self.link_window.accept(counter);
        let Some(header) = CellHeader::read(datagram) else { return false };
        let Some(circuit) = self.circuits.get_mut(&header.circuit) else { return false };
        if circuit.window.check(header.sequence, MAX_AHEAD).is_err() {
            return false;
        }
        circuit.window.accept(header.sequence);
        circuit.layer.decrypt(Direction::Forward, header.sequence, body_mut(datagram));
        let sequence = header.sequence.wrapping_add(circuit.offset);
        CellHeader { circuit: circuit.next_circuit, command: Command::Relay, sequence }.write(datagram);
        self.counter += 1;
        self.outgoing.seal(9, self.counter, datagram);
        true
    }

    /// Plain AEAD of the same bytes.
    fn reseal(&mut self, datagram: &mut Datagram) -> bool {
        let opened = self.incoming.open(datagram);
        self.counter += 1;
        self.outgoing.seal(9, self.counter, datagram);
        opened
    }
}

/// Makes the cells of one round after another, with numbers that go on.
struct Source {
    key: LinkKey,
    counter: u64,
}

impl Source {
    fn round(&mut self) -> Vec<Datagram> {
        let cell = |_| {
            let mut datagram = [0x5a; _];
            let (circuit, sequence) = (self.counter as u32 % CIRCUITS, self.counter / u64::from(CIRCUITS));
            CellHeader { circuit, command: Command::Relay, sequence }.write(&mut datagram);
            self.key.seal(9, self.counter, &mut datagram);
            self.counter += 1;
            datagram
        };
        (0..CELLS).map(cell).collect()
    }
}

fn new_source() -> Source {
    Source { key: LinkKey::new(&[1; 16]), counter: 0 }
}

fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("hop");
    group.throughput(Throughput::Elements(u64::from(CELLS)));
    for (name, step) in [
        ("relay step", Relay::forward as fn(&mut Relay, &mut Datagram) -> bool),
        ("gcm open + seal", Relay::reseal),
    ] {
        let (mut relay, mut source) = (Relay::new(), new_source());
        group.bench_function(name, |bencher| {
            bencher.iter_batched_ref(
                || source.round(),
                |cells| cells.iter_mut().for_each(|cell| assert!(step(&mut relay, black_box(cell)))),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
    let layer = Layer::new(&[7; 16]);
    let (mut body, mut sequence) = ([0x5a; _], 0);
    criterion.bench_function("layer permutation", |bencher| {
        bencher.iter(|| {
            sequence += 1;
            layer.decrypt(Direction::Forward, sequence, black_box(&mut body));
        });
    });
}

/// Median nanoseconds per cell of the relay step and of the plain AEAD, in alternating rounds.
fn compare() -> (f64, f64) {
    let mut relays = [(Relay::new(), new_source()), (Relay::new(), new_source())];
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (kind, (relay, source)) in relays.iter_mut().enumerate() {
            let mut cells = source.round();
            let begun = Instant::now();
            for cell in &mut cells {
                let done =
                    if kind == 0 { relay.forward(black_box(cell)) } else { relay.reseal(black_box(cell)) };
                assert!(done);
            }
            times[kind].push(begun.elapsed());
        }
    }
    let median = |times: &mut Vec<Duration>| {
        times.sort();
        times[times.len() / 2].as_secs_f64() * 1e9 / f64::from(CELLS)
    };
    let [step, plain] = &mut times;
    (median(step), median(plain))
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    bench(&mut criterion);
    criterion.final_summary();
    let (step, plain) = compare();
    println!(
        "per hop: {step:.0} ns a cell ({:.2} million cells/s); AES-128-GCM open + seal {plain:.0} ns; ratio {:.2}",
        1e3 / step,
        step / plain
    );
}
