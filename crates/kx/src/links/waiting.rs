//! Cells that wait for a beat, or for something to answer: few, and not for long.
//!
//! Circuits take turns, so that voice is not held up behind the handshakes of another circuit. Where more comes than
//! the beat carries, none wait for a while: what is sent then is seen, but nothing is late or lost.

use cell::layout::{CELL_AT, Datagram, read_u32};
use std::collections::VecDeque;
use std::time::Duration;

/// Cells of a handshake's longest message and of two calls, twice.
const MOST: usize = 16;
/// Beats in a row that leave some waiting: longer than a burst of [`MOST`] takes beside a call.
const MOST_LATE: u8 = 40;
const CROWDED_FOR: Duration = Duration::from_secs(30);

/// The queue of one link. Its memory comes with the first cell that waits.
#[derive(Default)]
pub(super) struct Waiting {
    cells: VecDeque<Datagram>,
    last_circuit: u32,
    late: u8,
    crowded_until: Duration,
}

impl Waiting {
    /// Whether cells may wait now.
    pub(super) fn is_open(&self, now: Duration) -> bool {
        now >= self.crowded_until
    }

    pub(super) fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// Keeps a cell that is not sealed yet. `false`: there are too many.
    pub(super) fn push(&mut self, now: Duration, cell: &Datagram) -> bool {
        if self.cells.len() >= MOST {
            self.close(now);
            return false;
        }
        self.cells.push_back(*cell);
        true
    }

    /// The one whose turn it is: the oldest of another circuit than the last was of.
    pub(super) fn pop(&mut self) -> Option<Datagram> {
        let other = self.cells.iter().position(|cell| circuit_of(cell) != self.last_circuit);
        let cell = self.cells.remove(other.unwrap_or_default())?;
        self.last_circuit = circuit_of(&cell);
        if self.cells.is_empty() {
            self.late = 0;
        }
        Some(cell)
    }

    /// The same at a beat. Where every beat leaves some, more comes than it carries.
    pub(super) fn take(&mut self, now: Duration) -> Option<Datagram> {
        let cell = self.pop();
        if !self.cells.is_empty() {
            self.late += 1;
            if self.late >= MOST_LATE {
                self.close(now);
            }
        }
        cell
    }

    fn close(&mut self, now: Duration) {
        self.late = 0;
        self.crowded_until = now + CROWDED_FOR;
    }
}

fn circuit_of(cell: &Datagram) -> u32 {
    read_u32(cell, CELL_AT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cell::layout::{CellHeader, Command, DATAGRAM_BYTES};

    fn cell(circuit: u32, sequence: u64) -> Datagram {
        let mut datagram = [0; DATAGRAM_BYTES];
        CellHeader { circuit, command: Command::Relay, sequence }.write(&mut datagram);
        datagram
    }

    fn taken(waiting: &mut Waiting, now: Duration) -> Option<(u32, u64)> {
        let cell = waiting.take(now)?;
        let header = CellHeader::read(&cell).unwrap();
        Some((header.circuit, header.sequence))
    }

    #[test]
    fn circuits_take_turns_and_each_keeps_its_order() {
        let mut waiting = Waiting::default();
        for (circuit, sequence) in [(1, 0), (1, 1), (1, 2), (2, 0), (2, 1)] {
            assert!(waiting.push(Duration::ZERO, &cell(circuit, sequence)));
        }
        let all: Vec<_> = std::iter::from_fn(|| taken(&mut waiting, Duration::ZERO)).collect();
        assert_eq!(all, [(1, 0), (2, 0), (1, 1), (2, 1), (1, 2)]);
        assert!(waiting.is_empty());
    }

    #[test]
    fn one_too_many_or_some_for_long_and_none_wait_for_half_a_minute() {
        let mut waiting = Waiting::default();
        let at_once = (0..100).filter(|&n| waiting.push(Duration::ZERO, &cell(1, n))).count();
        assert_eq!(at_once, MOST);
        assert!(!waiting.is_open(Duration::ZERO));
        assert!(waiting.is_open(CROWDED_FOR));
        let now = CROWDED_FOR;
        while waiting.take(now).is_some() {}
        assert!(waiting.is_open(now));
        let mut beats = 0;
        waiting.push(now, &cell(1, 0));
        while waiting.is_open(now) && beats < 100 {
            waiting.push(now, &cell(1, 0));
            waiting.take(now);
            beats += 1;
        }
        assert_eq!(beats, MOST_LATE);
    }
}
