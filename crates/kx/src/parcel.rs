//! What the engines of one peer have for each other: about circuits that end here and are spliced across two of them.
//!
//! An exchange lives at one engine, its home, which follows from the pseudo-identity. A circuit lives where its link does.
//! So a circuit asks the home of an exchange to end there, its end-to-end cells go by the home to the circuit that they
//! are for, and what happens to either is told to the other. Between the same two engines those that may be
//! lost keep their order, and those that may not; the latter overtake the former.

use crate::control::Response;
use crate::engine::Slot;
use crate::exchange::{End, Parting, Wish};
use cell::layout::Datagram;

/// A circuit at one of the engines: its slot there may be another's by now, its serial is never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CircuitAt {
    /// Where its link is.
    pub shard: u8,
    /// There.
    pub slot: Slot,
    /// Never used twice.
    pub serial: u64,
}

/// From one engine to another.
pub enum Parcel {
    /// A circuit wants to end at an exchange.
    Asked {
        /// Which.
        from: CircuitAt,
        /// The builder's number for its request.
        request: u16,
        /// As what.
        wish: Box<Wish>,
    },
    /// The home's answer.
    Answered {
        /// To the circuit that asked.
        to: CircuitAt,
        /// The builder's number for its request.
        request: u16,
        /// For the builder.
        response: Response,
        /// Where the circuit ends from now on.
        end: Option<End>,
    },
    /// A cell with end-to-end bytes from a circuit, for the home of the exchange where it ends.
    Arrived {
        /// Where it ends.
        end: End,
        /// The cell, its body recognised.
        datagram: Datagram,
    },
    /// A cell for the builder of a circuit.
    Backward {
        /// Of this one.
        to: CircuitAt,
        /// The cell, its body recognisable.
        datagram: Datagram,
    },
    /// A circuit is gone.
    Gone {
        /// Which.
        from: CircuitAt,
        /// Where it ended.
        end: End,
        /// How.
        parting: Parting,
    },
    /// A circuit is of no use any more.
    Over {
        /// Which.
        to: CircuitAt,
        /// How.
        parting: Parting,
    },
}

impl Parcel {
    /// Voice prefers loss to delay; control does not, but for a ping, which its builder repeats.
    pub fn may_be_lost(&self) -> bool {
        match self {
            Self::Arrived { .. } | Self::Backward { .. } => true,
            Self::Asked { wish, .. } => matches!(**wish, Wish::Ping { .. }),
            Self::Answered { .. } | Self::Gone { .. } | Self::Over { .. } => false,
        }
    }
}
