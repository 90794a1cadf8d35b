//! What an attacker of the testing module does to the circuits of others while it is an ordinary relay besides.
//!
//! A circuit that is being built is left alone: one that never comes about is not attacked, and its builder would take another
//! way. Not in it: where the engine asks (the hooks in `attacks`), and who decides what lie it is (`src/testing/attackers/kx`).

use super::done::Done;
use crate::links::LinkId;
use crate::peer::Identity;
use cell::layout::{
    BODY_AT, BODY_BYTES, CELL_AT, CELL_BYTES, CellHeader, Command, DATAGRAM_BYTES, Datagram, body_mut,
    is_recognised,
};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// More cells one way than a circuit takes to be built.
const BUILDING_CELLS: u32 = 24;
const MAX_KNOWN: usize = 1 << 16;
const MAX_HELD: usize = 1 << 16;
/// How much later a cell is replayed once more.
const REPLAYED_AGAIN_AFTER: Duration = Duration::from_millis(300);
const MARK_BYTES: usize = 32;

/// What a peer lies about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// Nothing: it is only watched.
    None,
    /// Cells vanish.
    Drop,
    /// All cells come so much later.
    Delay(Duration),
    /// Cells come again, at once and later.
    Replay,
    /// Bits change.
    Modify,
    /// A mark is put on bodies and looked for at its own last hops, here and at others with the same seed.
    Tag,
    /// So many cells a second on each link, for no circuit.
    Flood(u32),
    /// So many malformed cells a second on each link and circuit.
    Malformed(u32),
    /// As exchange point: whoever calls anybody is spliced to the owner of this pseudo-identity.
    Hijack(Identity),
}

/// An attack as it is ordered.
#[derive(Clone, Debug)]
pub struct Attack {
    /// What is lied about.
    pub lie: Lie,
    /// Of a hundred cells that pass, so many are lied about.
    pub percent: u8,
    /// What chance follows from.
    pub seed: u64,
    /// Counts.
    pub done: Arc<Done>,
}

/// An attack under way.
pub(crate) struct Liar {
    pub(crate) attack: Attack,
    dice: Dice,
    mark: [u8; MARK_BYTES],
    /// Cells so far, by the link and circuit on which they go out.
    known: HashMap<(LinkId, u32), u32>,
    /// In order of time.
    held: VecDeque<(Duration, LinkId, Datagram)>,
}

/// Chance that follows from a seed (SplitMix64).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.roll() % bound.max(1)
    }

    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let random = self.roll().to_be_bytes();
            chunk.copy_from_slice(&random[..chunk.len()]);
        }
    }
}

impl Liar {
    pub(crate) fn new(attack: Attack) -> Self {
        let mut mark = [0; MARK_BYTES];
        // Known to all with this seed, whatever each of them draws.
        Dice(attack.seed).fill(&mut mark);
        Self { dice: Dice(!attack.seed), mark, known: HashMap::new(), held: VecDeque::new(), attack }
    }

    /// What goes out in place of a cell.
    pub(crate) fn cells(&mut self, now: Duration, link: LinkId, datagram: &Datagram) -> Vec<Datagram> {
        let done = self.attack.done.clone();
        let Some(header) = CellHeader::read(datagram) else { return vec![*datagram] };
        match header.command {
            Command::Created => done.creates_answered.add(1),
            Command::Create => done.creates_sent.add(1),
            Command::Relay if self.is_built(link, header.circuit) => {
                done.cells_carried.add(1);
                if self.dice.below(100) < u64::from(self.attack.percent) {
                    return self.lied(now, link, datagram);
                }
            }
            Command::Relay | Command::Destroy | Command::Padding => {}
        }
        vec![*datagram]
    }

    fn is_built(&mut self, link: LinkId, circuit: u32) -> bool {
        if self.known.len() >= MAX_KNOWN {
            self.known.clear();
        }
        let cells = self.known.entry((link, circuit)).or_default();
        *cells = cells.saturating_add(1);
        *cells > BUILDING_CELLS
    }

    fn lied(&mut self, now: Duration, link: LinkId, datagram: &Datagram) -> Vec<Datagram> {
        let done = self.attack.done.clone();
        let mut cell = *datagram;
        match self.attack.lie {
            Lie::Drop => {
                done.cells_dropped.add(1);
                vec![]
            }
            Lie::Delay(by) => {
                done.cells_delayed.add(1);
                self.hold(now + by, link, cell);
                vec![]
            }
            Lie::Replay => {
                done.cells_replayed.add(2);
                self.hold(now + REPLAYED_AGAIN_AFTER, link, cell);
                vec![cell, cell]
            }
            Lie::Modify => {
                done.cells_altered.add(1);
                cell[BODY_AT + self.dice.below(BODY_BYTES as u64) as usize] ^= 1 + self.dice.below(255) as u8;
                vec![cell]
            }
            Lie::Tag => {
                done.cells_tagged.add(1);
                self.put_mark(&mut cell);
                vec![cell]
            }
            Lie::None | Lie::Flood(_) | Lie::Malformed(_) | Lie::Hijack(_) => vec![cell],
        }
    }

    fn put_mark(&self, cell: &mut Datagram) {
        for (byte, mark) in body_mut(cell).iter_mut().zip(self.mark) {
            *byte ^= mark;
        }
    }

    /// A body that is noise to this peer as last hop: where the layers keep a change in its place, it is sound once the mark is off.
    pub(crate) fn look_for_mark(&self, datagram: &Datagram) {
        if self.attack.lie == Lie::Tag {
            let mut unmarked = *datagram;
            self.put_mark(&mut unmarked);
            self.attack.done.noise_found.add(1);
            self.attack.done.marks_found.add(u64::from(is_recognised(body_mut(&mut unmarked))));
        }
    }

    fn hold(&mut self, until: Duration, link: LinkId, datagram: Datagram) {
        if self.held.len() < MAX_HELD {
            self.held.push_back((until, link, datagram));
        }
    }

    /// A cell that was held for long enough.
    pub(crate) fn take_due(&mut self, now: Duration) -> Option<(LinkId, Datagram)> {
        self.next_due().filter(|until| *until <= now)?;
        self.held.pop_front().map(|(_, link, datagram)| (link, datagram))
    }

    pub(crate) fn next_due(&self) -> Option<Duration> {
        self.held.front().map(|(until, ..)| *until)
    }

    /// A cell of no circuit.
    pub(crate) fn stray_cell(&mut self) -> Datagram {
        let mut datagram = [0; DATAGRAM_BYTES];
        self.dice.fill(&mut datagram[BODY_AT..BODY_AT + BODY_BYTES]);
        let (circuit, sequence) = (self.dice.roll() as u32, self.dice.roll());
        CellHeader { circuit, command: Command::Relay, sequence }.write(&mut datagram);
        datagram
    }

    /// A cell that no honest peer sends.
    pub(crate) fn malformed_cell(&mut self) -> Datagram {
        let mut datagram = self.stray_cell();
        let command_at = CELL_AT + 4;
        match self.dice.below(6) {
            // A command that there is not.
            0 => datagram[command_at] = 5 + self.dice.below(251) as u8,
            // Fragments of an impossible number, or longer than a cell.
            1 => datagram[command_at] = Command::Create as u8,
            // A whole CREATE with noise for a handshake.
            2 => {
                datagram[command_at] = Command::Create as u8;
                datagram[BODY_AT..BODY_AT + 4].copy_from_slice(&[0, 1, 1, 0]);
            }
            // An answer to nothing.
            3 => datagram[command_at] = Command::Created as u8,
            // The end of nothing, for no reason that there is.
            4 => datagram[command_at] = Command::Destroy as u8,
            // Noise from end to end.
            _ => self.dice.fill(&mut datagram[CELL_AT..CELL_AT + CELL_BYTES]),
        }
        datagram
    }

    /// Command and payload of a body that its addressee recognises and cannot use.
    pub(crate) fn malformed_body(&mut self) -> (u8, Vec<u8>) {
        let mut payload = vec![0; self.dice.below(317) as usize];
        self.dice.fill(&mut payload);
        (self.dice.roll() as u8, payload)
    }
}
