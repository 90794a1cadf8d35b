//! Several engines of one peer, each the owner of its links and of the circuits on them.
//!
//! They share nothing. What an end of a splice on one has for an end on another goes through the caller as a parcel
//! (`exchange`, `outbox`). A link's number tells its shard in its top bits, by a secret
//! table.

use crate::links::LinkId;
use cell::layout::{Datagram, Kind, read_u32};

/// Most engines of one peer: as many links as one identity may have to another are few.
pub const MAX_SHARDS: usize = 4;
/// Where the four bits begin that tell the shard in the number of a link.
pub const SHARD_AT: u32 = 28;
/// Where the addressee's number for the link stands in a datagram, and the sender's in a hello or handshake.
pub const RECEIVER_AT: usize = 4;
/// See [`RECEIVER_AT`].
pub const SENDER_AT: usize = 8;
/// Where four random bits of a stranger's number begin; below is its table slot, which is 0 for most.
pub const RANDOM_BITS_AT: u32 = 16;

/// Which engine each of the sixteen values of those four bits stands for: two bits for each, the lowest value's lowest.
///
/// Drawn at start and secret, so that the number of a link does not say at once which engine has it. It is no more than that: whoever opens many links
/// to a peer can find out which values belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shares(pub u32);

impl Shares {
    /// About as many values for each of `count` engines, and at least three; in an order that `random` draws.
    pub fn draw(count: u8, mut random: impl FnMut() -> u64) -> Self {
        let mut values: [u8; 16] = std::array::from_fn(|at| at as u8 % count.max(1));
        for at in (1..values.len()).rev() {
            values.swap(at, (random() % (at as u64 + 1)) as usize);
        }
        Self(values.iter().rev().fold(0, |shares, value| shares << 2 | u32::from(*value)))
    }

    /// The engine that a value of the four bits stands for.
    pub fn of(self, value: u32) -> usize {
        (self.0 >> (2 * (value & 15)) & 3) as usize
    }
}

/// Which of a peer's engines this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// From 0.
    pub index: u8,
    /// At least 1, at most [`MAX_SHARDS`].
    pub count: u8,
    /// The same for all of them.
    pub shares: Shares,
}

impl Shard {
    /// The only one.
    pub const WHOLE: Self = Self { index: 0, count: 1, shares: Shares(0) };

    /// Puts one of its values into the number of a link, whose upper half is random.
    pub(crate) fn mark(self, link: LinkId) -> LinkId {
        let drawn = link >> SHARD_AT;
        let value = (0..16)
            .map(|more| (drawn + more) % 16)
            .find(|&value| self.shares.of(value) == usize::from(self.index));
        value.unwrap_or(drawn) << SHARD_AT | link & ((1 << SHARD_AT) - 1)
    }
}

/// Which engine a datagram is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// This one.
    Shard(usize),
    /// Whoever has the link that it may be about.
    Every,
}

/// Whose a datagram is: that of its link, or, before it has one, by the stranger's number for it.
pub fn owner_of(datagram: &Datagram, shares: Shares) -> Owner {
    let by_sender = || shares.of(read_u32(datagram, SENDER_AT) >> RANDOM_BITS_AT);
    let receiver = read_u32(datagram, RECEIVER_AT);
    match Kind::of(datagram) {
        // It names the link by the other side's number.
        Some(Kind::Lost) => Owner::Every,
        Some(Kind::Hello) => Owner::Shard(by_sender()),
        Some(Kind::Handshake) if receiver == 0 => Owner::Shard(by_sender()),
        _ => Owner::Shard(shares.of(receiver >> SHARD_AT)),
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
        // 0 and 4 are the first engine's, 1 and 5 the second's, and so on.
        let shares = Shares(0b11_10_01_00_11_10_01_00);
        assert_eq!(owner_of(&datagram(4, 2 << 28 | 77, 9 << 16), shares), Owner::Shard(2));
        assert_eq!(owner_of(&datagram(3, 5 << 28, 9 << 16), shares), Owner::Shard(1));
        assert_eq!(owner_of(&datagram(3, 0, 0x76 << 16), shares), Owner::Shard(2));
        assert_eq!(owner_of(&datagram(1, 0, 3 << 16), shares), Owner::Shard(3));
        assert_eq!(owner_of(&datagram(5, 1, 1), shares), Owner::Every);
        assert_eq!(owner_of(&datagram(200, 1 << 28, 1), shares), Owner::Shard(1));
    }

    #[test]
    fn every_engine_has_its_values_and_marks_links_with_all_of_them() {
        let mut state = 7_u64;
        let mut random = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state >> 33
        };
        for count in 1..=MAX_SHARDS as u8 {
            let shares = Shares::draw(count, &mut random);
            for index in 0..count {
                let shard = Shard { index, count, shares };
                let marked: std::collections::HashSet<u32> =
                    (0..2000).map(|_| shard.mark((random() as u32) << 16) >> SHARD_AT).collect();
                assert!(marked.len() >= 16 / usize::from(count), "{count} {index}: {marked:?}");
                assert!(marked.iter().all(|&value| shares.of(value) == usize::from(index)));
            }
        }
        assert_eq!(Shard::WHOLE.mark(0x1234_5678), 0x1234_5678);
    }
}
