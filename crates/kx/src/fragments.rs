//! Messages larger than one cell or datagram, in numbered fragments.
//!
//! Bounded by construction: at most [`MAX_FRAGMENTS`] fragments, all but the last of one size. Retransmission is the
//! caller's.

/// Most fragments one message may have.
pub const MAX_FRAGMENTS: usize = 16;

/// One fragment of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment<'a> {
    /// Its place, from 0.
    pub index: u8,
    /// How many there are.
    pub count: u8,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// Cuts `message` into fragments of at most `size` bytes; an empty message is one empty fragment.
pub fn split(message: &[u8], size: usize) -> impl Iterator<Item = Fragment<'_>> {
    let count = message.len().div_ceil(size).max(1);
    debug_assert!(count <= MAX_FRAGMENTS);
    (0..count).map(move |index| Fragment {
        index: index as u8,
        count: count as u8,
        bytes: &message[index * size..message.len().min((index + 1) * size)],
    })
}

/// Collects the fragments of one message, in any order, duplicates allowed.
#[derive(Debug, Default)]
pub struct Assembly {
    count: u8,
    present: u32,
    parts: Vec<Vec<u8>>,
}

impl Assembly {
    /// Adds a fragment; the whole message once none is missing. Fragments that contradict each other are ignored.
    pub fn add(&mut self, fragment: Fragment<'_>) -> Option<Vec<u8>> {
        let count = usize::from(fragment.count);
        if count == 0 || count > MAX_FRAGMENTS || fragment.index >= fragment.count {
            return None;
        }
        if self.count == 0 {
            self.count = fragment.count;
            self.parts.resize(count, Vec::new());
        }
        if self.count != fragment.count {
            return None;
        }
        let bit = 1 << fragment.index;
        if self.present & bit == 0 {
            self.present |= bit;
            self.parts[usize::from(fragment.index)] = fragment.bytes.to_vec();
        }
        (self.present.count_ones() as usize == count).then(|| self.parts.concat())
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_order_with_duplicates_gives_the_message(
            message in prop::collection::vec(any::<u8>(), 0..1600),
            order in prop::collection::vec(any::<prop::sample::Index>(), 0..60),
        ) {
            let fragments: Vec<_> = split(&message, 100).collect();
            let mut assembly = Assembly::default();
            let mut whole = None;
            for index in order {
                whole = assembly.add(*index.get(&fragments)).or(whole);
            }
            for fragment in fragments {
                whole = assembly.add(fragment).or(whole);
            }
            prop_assert_eq!(whole, Some(message));
        }

        #[test]
        fn arbitrary_fragments_never_panic(raw in prop::collection::vec((any::<u8>(), any::<u8>()), 0..64)) {
            let mut assembly = Assembly::default();
            for (index, count) in raw {
                assembly.add(Fragment { index, count, bytes: b"x" });
            }
        }
    }
}
