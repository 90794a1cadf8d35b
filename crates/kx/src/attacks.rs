//! A peer that lies: hooks with which tests and attackers alter what an otherwise honest engine does.
//!
//! Only with the feature `attacks`, which is never shipped. A hook may alter, hold back, repeat or invent cells; it sees
//! what the peer itself sees and no more.

use crate::engine::Engine;
use cell::layout::Datagram;

/// What becomes of a cell.
pub type Tamper = Box<dyn FnMut(Datagram) -> Vec<Datagram> + Send>;

/// Where a peer lies.
#[derive(Default)]
pub struct Attacks {
    /// On every cell that it sends on a link which is up, before the link seals it.
    pub cell: Option<Tamper>,
    /// As exchange point, on recognised end-to-end bodies before they are spliced.
    pub splice: Option<Tamper>,
}

impl Engine {
    /// From now on this peer lies.
    pub fn attack(&mut self, attacks: Attacks) {
        self.links.tamper = attacks.cell;
        self.tamper_splice = attacks.splice;
    }
}
