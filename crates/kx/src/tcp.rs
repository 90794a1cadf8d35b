//! What a TCP header tells of the machine that made it, taken out before it travels.
//!
//! Options differ from one operating system to the next: their order, their padding, clocks in them. Only three are needed:
//! segment size, window scale and selective acknowledgement; they go out in one order, the segment size as one constant,
//! and everything else (timestamps, fast open, unknown ones) not at all. Both ends do it, so neither meets what the other
//! has not agreed to. Ports, numbers, windows and flags stay. Parsers are total.

use crate::ip::FULL_TRANSPORT_BYTES;

const HEADER_BYTES: usize = 20;
/// With the most options.
pub const MAX_HEADER_BYTES: usize = 60;
const SYN: u8 = 2;
const FLAGS: u8 = 0x3f;
/// The segment size of a full packet; the same in both families.
pub const SEGMENT_BYTES: u16 = (FULL_TRANSPORT_BYTES - HEADER_BYTES) as u16;

/// What of the options is kept.
#[derive(Default)]
struct Options<'a> {
    segment: Option<u16>,
    scale: Option<u8>,
    selective: bool,
    blocks: Option<&'a [u8]>,
}

impl<'a> Options<'a> {
    /// Reads until the end or the first impossible length.
    fn read(mut bytes: &'a [u8]) -> Self {
        let mut found = Self::default();
        while let [kind, rest @ ..] = bytes {
            match kind {
                0 => break,
                1 => bytes = rest,
                _ => {
                    let Some(length) = rest.first().map(|&length| usize::from(length)) else { break };
                    let Some(value) = bytes.get(2..length) else { break };
                    match (kind, value) {
                        (2, &[high, low]) => found.segment = Some(u16::from_be_bytes([high, low])),
                        (3, &[scale]) => found.scale = Some(scale),
                        (4, []) => found.selective = true,
                        (5, blocks) if blocks.len() % 8 == 0 && (8..=32).contains(&blocks.len()) => {
                            found.blocks = Some(blocks);
                        }
                        _ => {}
                    }
                    bytes = &bytes[length..];
                }
            }
        }
        found
    }

    /// Writes them in the one order; how many bytes, a multiple of four.
    fn write(&self, syn: bool, out: &mut [u8; 40]) -> usize {
        let mut at = 0;
        let mut put = |bytes: &[u8]| {
            out[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        };
        if syn {
            if let Some(segment) = self.segment {
                let [high, low] = segment.min(SEGMENT_BYTES).to_be_bytes();
                put(&[2, 4, high, low]);
            }
            if self.selective {
                put(&[1, 1, 4, 2]);
            }
            if let Some(scale) = self.scale {
                put(&[1, 3, 3, scale]);
            }
        } else if let Some(blocks) = self.blocks {
            put(&[1, 1, 5, blocks.len() as u8 + 2]);
            put(blocks);
        }
        at
    }
}

/// Length of the header at the start of `segment`, which [`crate::ip::check_transport`] has passed.
pub fn header_bytes(segment: &[u8]) -> usize {
    usize::from(segment[12] >> 4) * 4
}

/// Rewrites the TCP header at the start of `segment` (which [`crate::ip::check_transport`] has passed); the new length of
/// the whole, never longer. The checksum is left stale: the other end writes its own.
pub fn normalise(segment: &mut [u8]) -> usize {
    let length = segment.len();
    let header = header_bytes(segment);
    let syn = segment[13] & SYN != 0;
    let mut fresh = [0; 40];
    let options = Options::read(&segment[HEADER_BYTES..header]).write(syn, &mut fresh);
    // Never longer than what was there: each option kept is padded to at most what its own length allows.
    let options = options.min(header - HEADER_BYTES) / 4 * 4;
    segment[HEADER_BYTES..HEADER_BYTES + options].copy_from_slice(&fresh[..options]);
    segment.copy_within(header.., HEADER_BYTES + options);
    segment[12] = ((HEADER_BYTES + options) as u8 / 4) << 4;
    // Reserved bits and those of congestion notification; the checksum; the urgent pointer where nothing is urgent.
    segment[13] &= FLAGS;
    segment[16..18].fill(0);
    if segment[13] & 0x20 == 0 {
        segment[18..20].fill(0);
    }
    length - header + HEADER_BYTES + options
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ip::{TCP, check_transport};
    use proptest::prelude::*;

    fn segment(flags: u8, options: &[u8], payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER_BYTES];
        bytes[12] = ((HEADER_BYTES + options.len()) as u8 / 4) << 4 | 0xf;
        bytes[13] = flags | 0xc0;
        bytes.extend_from_slice(options);
        bytes.extend_from_slice(payload);
        bytes
    }

    fn normalised(mut bytes: Vec<u8>) -> Vec<u8> {
        let length = normalise(&mut bytes);
        bytes.truncate(length);
        assert!(check_transport(TCP, &bytes));
        bytes
    }

    #[test]
    fn linux_and_another_system_open_alike() {
        // Linux: segment size, selective, timestamp, padding, scale.
        let linux = [2, 4, 5, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7].to_vec();
        // Another order, other padding, an end mark.
        let other = [2, 4, 5, 0xb4, 1, 3, 3, 7, 1, 1, 8, 10, 9, 9, 9, 9, 0, 0, 0, 0, 4, 2, 0, 0].to_vec();
        let (a, b) = (normalised(segment(SYN, &linux, b"")), normalised(segment(SYN, &other, b"")));
        assert_eq!(a, b);
        let [high, low] = SEGMENT_BYTES.to_be_bytes();
        assert_eq!(a[HEADER_BYTES..], [2, 4, high, low, 1, 1, 4, 2, 1, 3, 3, 7]);
        assert_eq!(a[12] >> 4, 8);
    }

    #[test]
    fn timestamps_go_and_selective_acknowledgements_and_payload_stay() {
        let options = [1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 1, 5, 10, 1, 1, 1, 1, 2, 2, 2, 2];
        let bytes = normalised(segment(0x10, &options, b"payload"));
        assert_eq!(bytes[HEADER_BYTES..], [&[1, 1, 5, 10, 1, 1, 1, 1, 2, 2, 2, 2][..], b"payload"].concat());
        let plain = normalised(segment(0x10, &[1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8], b"payload"));
        assert_eq!(plain[HEADER_BYTES..], *b"payload");
    }

    #[test]
    fn what_an_open_does_not_offer_is_not_made_up() {
        assert_eq!(normalised(segment(SYN, &[], b"")).len(), HEADER_BYTES);
        assert_eq!(normalised(segment(SYN, &[2, 4, 1, 0], b""))[HEADER_BYTES..], [2, 4, 1, 0]);
    }

    proptest! {
        #[test]
        fn arbitrary_options_never_panic_nor_grow(
            flags: u8,
            options in prop::collection::vec(any::<u8>(), 0..40),
            payload in prop::collection::vec(any::<u8>(), 0..50),
        ) {
            let whole = &options[..options.len() / 4 * 4];
            let before = segment(flags, whole, &payload);
            let length = before.len();
            let after = normalised(before);
            prop_assert!(after.len() <= length);
            prop_assert!(after.ends_with(&payload));
            let again = normalised(after.clone());
            prop_assert_eq!(again, after);
        }
    }
}
