//! A relay reduced to what every cell meets, and the source of its cells.
//!
//! The tables are the code's: circuits by (link, number) in a hash map with the standard hasher, then a slot in a
//! vector. Not in it: the outbox, counters, clocks, I/O.

use std::collections::HashMap;
use std::hint::black_box;

use cell::layer::{self, Layer};
use cell::layout::{CellHeader, Command};
use cell::window::{MAX_AHEAD, ReplayWindow};

use crate::cells::Size;

const LINK: u32 = 3;

struct Circuit {
    layer: Layer,
    window: ReplayWindow,
    next_circuit: u32,
    offset: u64,
}

pub(crate) struct Relay<S: Size> {
    incoming: S::Key,
    link_window: ReplayWindow,
    outgoing: S::Key,
    counter: u64,
    slots: HashMap<(u32, u32), u32>,
    circuits: Vec<Circuit>,
    /// Of the cells of one batch that were opened: place, header and slot.
    opened: Vec<(usize, CellHeader, u32)>,
}

/// What a step consists of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part {
    LinkWindow,
    Lookup,
    CircuitWindow,
    Layer,
    Open,
    Seal,
}

impl<S: Size> Relay<S> {
    pub(crate) fn new(circuits: u32) -> Self {
        let circuit = |number: u32| Circuit {
            layer: Layer::new(&u128::from(number).to_le_bytes()),
            window: ReplayWindow::new(0),
            next_circuit: number + 1_000,
            offset: u64::from(number) << 32,
        };
        Self {
            incoming: S::key(&[1; 16]),
            link_window: ReplayWindow::new(0),
            outgoing: S::key(&[2; 16]),
            counter: 0,
            slots: (0..circuits).map(|number| ((LINK, number), number)).collect(),
            circuits: (0..circuits).map(circuit).collect(),
            opened: Vec::with_capacity(64),
        }
    }

    /// The whole step for a batch, in place; gives how many cells go on.
    pub(crate) fn forward(&mut self, batch: &mut [S::Datagram]) -> usize {
        self.opened.clear();
        for (at, datagram) in batch.iter_mut().enumerate() {
            let counter = S::counter(datagram);
            if self.link_window.check(counter, u64::MAX).is_err() || !S::open(&self.incoming, datagram) {
                continue;
            }
            self.link_window.accept(counter);
            let Some(header) = S::header(datagram) else { continue };
            let Some(&slot) = self.slots.get(&(LINK, header.circuit)) else { continue };
            layer::prefetch(&self.circuits[slot as usize]);
            self.opened.push((at, header, slot));
        }
        let mut forwarded = 0;
        for &(at, header, slot) in &self.opened {
            let (datagram, circuit) = (&mut batch[at], &mut self.circuits[slot as usize]);
            if circuit.window.check(header.sequence, MAX_AHEAD).is_err() {
                continue;
            }
            circuit.window.accept(header.sequence);
            S::decrypt(&circuit.layer, header.sequence, datagram);
            let sequence = header.sequence.wrapping_add(circuit.offset);
            let onward = CellHeader { circuit: circuit.next_circuit, command: Command::Relay, sequence };
            S::set_header(datagram, onward);
            self.counter += 1;
            S::seal(&self.outgoing, self.counter, datagram);
            forwarded += 1;
        }
        forwarded
    }

    /// Plain AEAD of the same bytes.
    pub(crate) fn reseal(&mut self, datagram: &mut S::Datagram) -> bool {
        let opened = S::open(&self.incoming, datagram);
        self.counter += 1;
        S::seal(&self.outgoing, self.counter, datagram);
        opened
    }

    /// One part of the step for each of `cells`.
    pub(crate) fn only(&mut self, part: Part, cells: &mut [S::Datagram]) {
        for datagram in cells {
            self.counter += 1;
            let number = self.counter as u32 % self.circuits.len() as u32;
            let circuit = &mut self.circuits[number as usize];
            match part {
                Part::LinkWindow => {
                    let allowed = self.link_window.check(black_box(self.counter), u64::MAX);
                    assert!(allowed.is_ok());
                    self.link_window.accept(self.counter);
                }
                Part::Lookup => assert!(black_box(self.slots.get(&(LINK, black_box(number)))).is_some()),
                Part::CircuitWindow => {
                    let sequence = self.counter / self.circuits.len() as u64;
                    let circuit = &mut self.circuits[number as usize];
                    black_box(circuit.window.check(black_box(sequence), u64::MAX - 1)).ok();
                    circuit.window.accept(sequence);
                }
                Part::Layer => S::decrypt(&circuit.layer, black_box(self.counter), datagram),
                Part::Open => assert!(S::open(&self.incoming, datagram)),
                Part::Seal => S::seal(&self.outgoing, self.counter, datagram),
            }
        }
    }
}

/// Makes the cells of one round after another, with numbers that go on. Neighbours in a round belong to circuits far
/// from each other in memory.
pub(crate) struct Source<S: Size> {
    key: S::Key,
    counter: u64,
    circuits: u32,
}

impl<S: Size> Source<S> {
    pub(crate) fn new(circuits: u32) -> Self {
        Self { key: S::key(&[1; 16]), counter: 0, circuits }
    }

    pub(crate) fn round(&mut self, cells: usize) -> Vec<S::Datagram> {
        let cell = |_| {
            let (turn, sequence) =
                (self.counter as u32 % self.circuits, self.counter / u64::from(self.circuits));
            // An odd factor modulo a power of two visits every circuit once.
            let circuit = turn.wrapping_mul(0x9e37_79b1) % self.circuits;
            let header = CellHeader { circuit, command: Command::Relay, sequence };
            let mut datagram = S::datagram(header);
            S::seal(&self.key, self.counter, &mut datagram);
            self.counter += 1;
            datagram
        };
        (0..cells).map(cell).collect()
    }
}
