//! RTP (RFC 3550): the 12-byte header that our voice packets have, and nothing more.
//!
//! Invariants: version 2, no padding, no extension, no contributing sources, one dynamic payload type, marker never
//! set: so every header has one size and tells only sequence, time and source. Other headers are refused.
//! Not in it: RTCP (statistics travel in the control connection).

/// Bytes of the header.
pub const HEADER_BYTES: usize = 12;
/// Dynamic payload type that stands for Opus in this program.
pub const PAYLOAD_TYPE: u8 = 96;

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Grows by one per packet, wraps.
    pub sequence: u16,
    /// In samples of 48 kHz, wraps (RFC 7587).
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
}

impl Header {
    /// The bytes on the wire.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0] = 2 << 6;
        bytes[1] = PAYLOAD_TYPE;
        bytes[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
        bytes
    }

    /// Reads the header at the start of `packet`; `None` if it is not exactly the form that we send.
    pub fn decode(packet: &[u8]) -> Option<Self> {
        let header = packet.first_chunk::<HEADER_BYTES>()?;
        let [first, second, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3] = *header;
        if first != 2 << 6 || second != PAYLOAD_TYPE {
            return None;
        }
        Some(Self {
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([c0, c1, c2, c3]),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(sequence: u16, timestamp: u32, ssrc: u32) {
            let header = Header { sequence, timestamp, ssrc };
            prop_assert_eq!(Header::decode(&header.encode()), Some(header));
        }

        #[test]
        fn what_is_decoded_is_canonical(packet in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Some(header) = Header::decode(&packet) {
                prop_assert_eq!(&header.encode()[..], &packet[..HEADER_BYTES]);
            }
        }
    }

    #[test]
    fn other_versions_extensions_and_payload_types_are_refused() {
        let good = Header { sequence: 1, timestamp: 2, ssrc: 3 }.encode();
        for (index, value) in [(0, 0x40), (0, 0x90), (0, 0xa0), (0, 0x81), (1, 0xe0), (1, 0)] {
            let mut bad = good;
            bad[index] = value;
            assert_eq!(Header::decode(&bad), None);
        }
        assert_eq!(Header::decode(&good[..11]), None);
    }
}
