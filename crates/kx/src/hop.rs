//! What builder and hop share after a hop handshake.
//!
//! One secret gives the layer cipher, the secret offset that the hop adds to forward sequence numbers, and the number
//! at which its own backward cells start, and by which what is proven on one circuit is worth nothing on another.

use crate::noise::{Secrets, derive};
use cell::layer::Layer;
use zeroize::Zeroizing;

/// Sequence numbers start below this, so no circuit lives long enough for them to wrap.
const START_BITS: u32 = 48;

/// One hop's share of a circuit.
pub struct HopKeys {
    /// Wide-block cipher for both directions.
    pub layer: Layer,
    /// What the hop adds to forward sequence numbers.
    pub forward_offset: u64,
    /// Sequence number of the first backward cell that the hop originates.
    pub backward_start: u64,
    /// Known to the two ends of this handshake and to nobody else: what is signed over it holds for this circuit alone.
    pub binding: Zeroizing<[u8; 32]>,
}

impl HopKeys {
    /// Derives everything from the handshake's secrets.
    pub fn new(secrets: &Secrets) -> Self {
        let both = Zeroizing::new([secrets.initiator, secrets.responder].concat());
        let key = Zeroizing::new(derive::<16>(&both, b"layer"));
        let number = |label| u64::from_be_bytes(derive::<8>(&both, label)) >> (64 - START_BITS);
        Self {
            layer: Layer::new(&key),
            forward_offset: number(b"offset"),
            backward_start: number(b"start"),
            binding: Zeroizing::new(derive::<32>(&both, b"binding")),
        }
    }
}
