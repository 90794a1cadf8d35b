//! What a voice packet carries: a frame, and where it fits an earlier frame again, so that a lost packet is no lost frame.
//!
//! One cell of a tunnel carries [`MAX_PAYLOAD_BYTES`] of RTP payload and has one size whatever is in it: at 48 kbit/s and
//! less the second copy costs nothing on any link. Layout: docs/protocol/voip.md.
//!
//! Invariants: at one bit rate every payload has one size, the first ones too; a payload is taken apart without trust.
//! Not in it: when a copy is heard (jitter buffer), SRTP.

use crate::codec::MAX_PACKET_BYTES;

/// RTP payload that fits a cell: 278 bytes of a piece (docs/protocol/kx.md) less protocol 1, UDP header 8, RTP header
/// 12, tag 16.
pub const MAX_PAYLOAD_BYTES: usize = 241;
/// By how many packets a copy comes after its frame. More would survive longer bursts, but the copies would come too late
/// where the delays vary (decision 0091).
const DISTANCE: u8 = 1;
/// Set in the first byte where the payload has two halves.
const TWO: u8 = 0x80;
/// The farthest copy that is accepted.
const MAX_DISTANCE: u8 = 8;

/// Whether two frames of `frame_bytes` fit.
pub(crate) const fn is_doubled(frame_bytes: usize) -> bool {
    2 * frame_bytes < MAX_PAYLOAD_BYTES
}

/// Bytes of every payload with frames of `frame_bytes`.
pub const fn payload_bytes(frame_bytes: usize) -> usize {
    1 + if is_doubled(frame_bytes) { 2 * frame_bytes } else { frame_bytes }
}

/// Makes payloads of frames.
pub struct Packer {
    frame_bytes: usize,
    /// The frame before, unless this is the first since the start or a gap.
    earlier: Option<[u8; MAX_PACKET_BYTES]>,
    payload: [u8; MAX_PAYLOAD_BYTES],
}

impl Packer {
    /// For frames of `frame_bytes`, at most [`MAX_PACKET_BYTES`].
    pub fn new(frame_bytes: usize) -> Self {
        let frame_bytes = frame_bytes.min(MAX_PACKET_BYTES);
        Self { frame_bytes, earlier: None, payload: [0; MAX_PAYLOAD_BYTES] }
    }

    /// The payload with `frame`, of which the first `frame_bytes` count.
    pub fn pack(&mut self, frame: &[u8; MAX_PACKET_BYTES]) -> &[u8] {
        let size = self.frame_bytes;
        self.payload[1..=size].copy_from_slice(&frame[..size]);
        if is_doubled(size) {
            self.payload[0] = if self.earlier.is_some() { TWO | DISTANCE } else { TWO };
            let earlier = self.earlier.replace(*frame).unwrap_or([0; MAX_PACKET_BYTES]);
            self.payload[1 + size..=2 * size].copy_from_slice(&earlier[..size]);
        }
        &self.payload[..payload_bytes(size)]
    }

    /// Packets are left out: what comes next has no earlier frames.
    pub fn leave_out(&mut self) {
        self.earlier = None;
    }
}

/// What is in a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frames<'a> {
    /// The packet's own frame.
    pub frame: &'a [u8],
    /// By how many packets another frame is earlier, and that frame.
    pub copy: Option<(u8, &'a [u8])>,
}

/// Takes a payload apart; `None` if it is of no known form.
pub fn unpack(payload: &[u8]) -> Option<Frames<'_>> {
    let (&form, rest) = payload.split_first()?;
    let fits = |frame: &[u8]| (1..=MAX_PACKET_BYTES).contains(&frame.len());
    if form == 0 {
        return fits(rest).then_some(Frames { frame: rest, copy: None });
    }
    let distance = form ^ TWO;
    if distance > MAX_DISTANCE || rest.len() % 2 != 0 {
        return None;
    }
    let (frame, copy) = rest.split_at(rest.len() / 2);
    fits(frame).then_some(Frames { frame, copy: (distance > 0).then_some((distance, copy)) })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::codec::{BITRATES, DEFAULT_BITRATE, packet_bytes};
    use proptest::prelude::*;

    #[test]
    fn a_frame_comes_again_in_a_later_packet_of_the_same_size() {
        let size = packet_bytes(DEFAULT_BITRATE);
        let mut packer = Packer::new(size);
        for number in 0..20u8 {
            if number == 12 {
                packer.leave_out();
            }
            let payload = packer.pack(&[number; MAX_PACKET_BYTES]);
            assert_eq!(payload.len(), MAX_PAYLOAD_BYTES);
            let frames = unpack(payload).unwrap();
            assert_eq!(frames.frame, vec![number; size]);
            let first = if number < 12 { 0 } else { 12 };
            let expected = vec![number.wrapping_sub(DISTANCE); size];
            let copy = (number >= first + DISTANCE).then_some((DISTANCE, &expected[..]));
            assert_eq!(frames.copy, copy, "{number}");
        }
    }

    #[test]
    fn no_bit_rate_overflows_a_cell() {
        for bitrate in BITRATES.step_by(400) {
            let size = packet_bytes(bitrate);
            let mut packer = Packer::new(size);
            let lengths: Vec<usize> = (0..5).map(|_| packer.pack(&[7; MAX_PACKET_BYTES]).len()).collect();
            assert_eq!(lengths, [payload_bytes(size); 5]);
            assert!(lengths[0] <= MAX_PAYLOAD_BYTES);
            assert_eq!(unpack(packer.pack(&[8; MAX_PACKET_BYTES])).unwrap().frame, vec![8; size]);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_apart_within_bounds_or_refused(
            payload in proptest::collection::vec(any::<u8>(), 0..520)
        ) {
            if let Some(Frames { frame, copy }) = unpack(&payload) {
                prop_assert!((1..=MAX_PACKET_BYTES).contains(&frame.len()));
                if let Some((distance, copy)) = copy {
                    prop_assert!((1..=MAX_DISTANCE).contains(&distance) && copy.len() == frame.len());
                }
            }
        }
    }
}
