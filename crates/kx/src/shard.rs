//! Several engines of one peer, each the owner of its links and of the circuits on them.
//!
//! They share nothing. What an end of a splice on one has for an end on another goes through the caller as a parcel
//! (`exchange`, `outbox`). A link's number carries that of its shard in its top bits.

use crate::links::LinkId;
use cell::layout::{Datagram, Kind, read_u32};

/// Most engines of one peer: as many links as one identity may have to another are few.
pub const MAX_SHARDS: usize = 4;
/// Where the shard's number begins in the number of a link.
pub const SHARD_AT: u32 = 28;

/// Where the addressee's number for the link stands in a datagram, and the sender's in a hello or handshake.
pub const RECEIVER_AT: usize = 4;
/// See [`RECEIVER_AT`].
pub const SENDER_AT: usize = 8;
/// Above a stranger's table slot, which is 0 for most.
pub const RANDOM_BITS_AT: u32 = 16;

/// Which of a peer's engines this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// From 0.
    pub index: u8,
    /// At least 1, at most [`MAX_SHARDS`].
    pub count: u8,
}

impl Shard {
    /// The only one.
    pub const WHOLE: Self = Self { index: 0, count: 1 };

    /// Puts its number into a link's.
    pub(crate) fn mark(self, link: LinkId) -> LinkId {
        (link & ((1 << SHARD_AT) - 1)) | u32::from(self.index) << SHARD_AT
    }
}

/// The shard of a link of this peer's.
pub fn shard_of(link: LinkId) -> usize {
    (link >> SHARD_AT) as usize
}

/// Which engine a datagram is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// This one.
    Shard(usize),
    /// Whoever has the link that it may be about.
    Every,
}

/// Whose a datagram is among `shards` engines: that of its link, or, before it has one, by the stranger's number for it.
pub fn owner_of(datagram: &Datagram, shards: usize) -> Owner {
    let by_sender = || (read_u32(datagram, SENDER_AT) >> RANDOM_BITS_AT) as usize % shards;
    let receiver = read_u32(datagram, RECEIVER_AT);
    match Kind::of(datagram) {
        // It names the link by the other side's number.
        Some(Kind::Lost) => Owner::Every,
        Some(Kind::Hello) => Owner::Shard(by_sender()),
        Some(Kind::Handshake) if receiver == 0 => Owner::Shard(by_sender()),
        _ => Owner::Shard(shard_of(receiver) % shards),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cell::layout::DATAGRAM_BYTES;

    fn datagram(kind: u8, receiver: u32, sender: u32) -> Datagram {
        let mut datagram = [0; DATAGRAM_BYTES];
        datagram[0] = kind;
        datagram[RECEIVER_AT..RECEIVER_AT + 4].copy_from_slice(&receiver.to_be_bytes());
        datagram[SENDER_AT..SENDER_AT + 4].copy_from_slice(&sender.to_be_bytes());
        datagram
    }

    #[test]
    fn links_go_by_our_number_and_first_messages_by_the_strangers() {
        assert_eq!(owner_of(&datagram(4, 2 << 28 | 77, 9 << 16), 3), Owner::Shard(2));
        assert_eq!(owner_of(&datagram(3, 1 << 28, 9 << 16), 3), Owner::Shard(1));
        assert_eq!(owner_of(&datagram(3, 0, 8 << 16), 3), Owner::Shard(2));
        assert_eq!(owner_of(&datagram(1, 0, 8 << 16), 3), Owner::Shard(2));
        assert_eq!(owner_of(&datagram(5, 1, 1), 3), Owner::Every);
        assert_eq!(owner_of(&datagram(200, u32::MAX, 1), 3), Owner::Shard(0));
    }
}
