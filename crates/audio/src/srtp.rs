//! SRTP with AEAD_AES_128_GCM (RFC 3711, RFC 7714) around our RTP packets, by the `rtc-srtp` crate.
//!
//! Invariants: a sender protects each sequence number once under a key; a receiver hands out only authentic packets, each
//! once, of one source for each key: the source of its first authentic packet. Packets of other sources never reach its
//! tables, so a stranger cannot make them grow. With a new key the sender's source changes, its sequence numbers go on; the
//! source before is heard until the next key. Not in it: SRTCP, key agreement (the control handshake gives the keys).

use rtc_crypto::providers::AwsLcRsCrypto;
use rtc_srtp::context::Context;
use rtc_srtp::option::srtp_replay_protection;
use rtc_srtp::protection_profile::ProtectionProfile;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::rtp::{HEADER_BYTES, Header};

/// Master key (16 bytes) and master salt (12 bytes).
pub const KEY_BYTES: usize = 28;
/// The GCM tag that protection adds.
pub const TAG_BYTES: usize = 16;
/// A packet that came this far behind the newest is refused (1.28 s of frames).
const REPLAY_WINDOW: usize = 64;

/// One direction's master key and salt; wiped on drop.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct MasterKey([u8; KEY_BYTES]);

impl MasterKey {
    /// Takes 16 bytes of key and 12 of salt.
    pub fn new(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes)
    }

    fn context(&self) -> Result<Context, SrtpError> {
        let (key, salt) = self.0.split_at(16);
        let replay = Some(srtp_replay_protection(REPLAY_WINDOW));
        Context::new(key, salt, ProtectionProfile::AeadAes128Gcm, replay, None, &AwsLcRsCrypto)
            .map_err(|_| SrtpError::Library)
    }
}

impl core::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("MasterKey(secret)")
    }
}

/// Why a packet was not protected or not accepted. All but `Library` are the network's doing: count and drop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SrtpError {
    /// Not an RTP packet of ours, or too short for a tag.
    #[error("malformed packet")]
    Malformed,
    /// Of another source than the one that is heard.
    #[error("unknown source")]
    Source,
    /// The tag is wrong, or the packet was there before or is too old.
    #[error("not authentic, or a repetition")]
    Rejected,
    /// The cipher could not be set up or 2^48 packets were sent.
    #[error("SRTP failed")]
    Library,
}

/// Protects what we send.
pub struct Sender {
    context: Context,
    next: Header,
    step: u32,
    plain: Vec<u8>,
}

impl Sender {
    /// `first` is the header of the first packet (its sequence number should be below 2^15, RFC 3711 3.3.1); each
    /// following one is `step` samples later.
    ///
    /// # Errors
    /// The cipher cannot be set up.
    pub fn new(key: &MasterKey, first: Header, step: u32) -> Result<Self, SrtpError> {
        Ok(Self { context: key.context()?, next: first, step, plain: Vec::with_capacity(256) })
    }

    /// Goes on under another key, as another source; `false`, and nothing changes, where the sequence numbers are about to begin
    /// again: try later.
    ///
    /// # Errors
    /// The cipher cannot be set up.
    pub fn renew(&mut self, key: &MasterKey, ssrc: u32) -> Result<bool, SrtpError> {
        if self.next.sequence >= LAST_RENEWAL {
            return Ok(false);
        }
        self.context = key.context()?;
        self.next.ssrc = ssrc;
        Ok(true)
    }

    /// Passes over packets that will never be sent, so that the other side counts them as lost and time goes on.
    pub fn leave_out(&mut self, packets: u32) {
        // More at once would make the other side miss a round of the sequence numbers.
        let packets = packets.min(10_000);
        self.next.sequence = self.next.sequence.wrapping_add(packets as u16);
        self.next.timestamp = self.next.timestamp.wrapping_add(packets.wrapping_mul(self.step));
    }

    /// The next packet: header, encrypted payload, tag.
    ///
    /// # Errors
    /// 2^48 packets were sent.
    pub fn protect(&mut self, payload: &[u8]) -> Result<impl AsRef<[u8]> + use<>, SrtpError> {
        self.plain.clear();
        self.plain.extend_from_slice(&self.next.encode());
        self.plain.extend_from_slice(payload);
        self.next.sequence = self.next.sequence.wrapping_add(1);
        self.next.timestamp = self.next.timestamp.wrapping_add(self.step);
        self.context.encrypt_rtp(&self.plain).map_err(|_| SrtpError::Library)
    }
}

/// A new key is taken only below this sequence number: so that whoever hears none of the packets before the numbers begin
/// again (five minutes of them) is the only one who takes the first packets under the new key for those of another round.
const LAST_RENEWAL: u16 = 0xc000;

/// Checks and opens what arrives.
pub struct Receiver {
    /// Of a source that was not heard yet.
    key: Option<MasterKey>,
    heard: Option<(u32, Context)>,
    before: Option<(u32, Context)>,
}

impl Receiver {
    /// A receiver that will hear the first source with an authentic packet.
    pub fn new(key: MasterKey) -> Self {
        Self { key: Some(key), heard: None, before: None }
    }

    /// Hears another source under this key from now on; the one that is heard now until the next call.
    pub fn expect(&mut self, key: MasterKey) {
        self.key = Some(key);
    }

    /// Header and payload of an authentic packet that was not there before.
    ///
    /// # Errors
    /// Everything else; the receiver's state is as before.
    pub fn unprotect(&mut self, packet: &[u8]) -> Result<(Header, impl AsRef<[u8]> + use<>), SrtpError> {
        let header = Header::decode(packet).ok_or(SrtpError::Malformed)?;
        if packet.len() < HEADER_BYTES + TAG_BYTES {
            return Err(SrtpError::Malformed);
        }
        let known = [&mut self.heard, &mut self.before].into_iter().flatten();
        if let Some((_, context)) = known.into_iter().find(|(ssrc, _)| *ssrc == header.ssrc) {
            let opened = context.decrypt_rtp(packet).map_err(|_| SrtpError::Rejected)?;
            return Ok((header, Payload(opened)));
        }
        let mut context = self.key.as_ref().ok_or(SrtpError::Source)?.context()?;
        let opened = context.decrypt_rtp(packet).map_err(|_| SrtpError::Rejected)?;
        self.before = self.heard.replace((header.ssrc, context));
        self.key = None;
        Ok((header, Payload(opened)))
    }
}

struct Payload<T>(T);

impl<T: AsRef<[u8]>> AsRef<[u8]> for Payload<T> {
    fn as_ref(&self) -> &[u8] {
        self.0.as_ref().get(HEADER_BYTES..).unwrap_or_default()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use aes::cipher::{BlockCipherEncrypt, KeyInit};
    use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
    use proptest::prelude::*;

    /// RFC 3711 4.3.3, with the 96-bit salt padded on the right (RFC 7714 11).
    fn derive(master: &[u8; KEY_BYTES], label: u8) -> [u8; 16] {
        let mut block = [0u8; 16];
        block[..12].copy_from_slice(&master[16..]);
        block[7] ^= label;
        let mut block = block.into();
        aes::Aes128::new(master[..16].try_into().unwrap()).encrypt_block(&mut block);
        block.into()
    }

    /// RFC 7714 8.1 and 8.2, with session key and salt.
    fn reference(key: &[u8], salt: &[u8], rollovers: u32, packet: &[u8]) -> Vec<u8> {
        let mut iv = [0u8; 12];
        iv[2..6].copy_from_slice(&packet[8..12]);
        iv[6..10].copy_from_slice(&rollovers.to_be_bytes());
        iv[10..].copy_from_slice(&packet[2..4]);
        iv.iter_mut().zip(salt).for_each(|(byte, salt)| *byte ^= salt);
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, key).unwrap());
        let (header, payload) = packet.split_at(HEADER_BYTES);
        let mut sealed = payload.to_vec();
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(iv), Aad::from(header), &mut sealed)
            .unwrap();
        [header, &sealed].concat()
    }

    #[test]
    fn reference_gives_the_vector_of_rfc_7714_section_16_1_1() {
        let key: Vec<u8> = (0..16).collect();
        let salt = hex::decode("517569642070726f2071756f").unwrap();
        let plain = hex::decode(
            "8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e69732064697669736120696e207061727465732074726573",
        )
        .unwrap();
        let expected = "8040f17b8041f8d35501a0b2f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf\
                        8833899d7f27beb16a9152cf765ee4390cce";
        assert_eq!(hex::encode(reference(&key, &salt, 0, &plain)), expected);
    }

    fn pair(first: Header) -> (Sender, Receiver) {
        let key = MasterKey::new(core::array::from_fn(|i| i as u8 * 3));
        (Sender::new(&key, first, 960).unwrap(), Receiver::new(key))
    }

    const FIRST: Header = Header { sequence: 7, timestamp: u32::MAX - 100, ssrc: 99 };

    proptest! {
        #[test]
        fn packets_are_those_of_the_rfc(
            master: [u8; KEY_BYTES], timestamp: u32, ssrc: u32, sequence in 0u16..0x8000,
            payload in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let first = Header { sequence, timestamp, ssrc };
            let ours = Sender::new(&MasterKey::new(master), first, 960).unwrap().protect(&payload).unwrap();
            let plain = [&first.encode()[..], &payload].concat();
            let expected = reference(&derive(&master, 0), &derive(&master, 2)[..12], 0, &plain);
            prop_assert_eq!(ours.as_ref(), &expected[..]);
        }

        #[test]
        fn an_altered_bit_anywhere_is_refused_and_does_no_harm(bit in 0usize..(HEADER_BYTES + 120 + TAG_BYTES) * 8) {
            let (mut sender, mut receiver) = pair(FIRST);
            let good = sender.protect(&[5; 120]).unwrap().as_ref().to_vec();
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(receiver.unprotect(&bad).is_err());
            prop_assert!(receiver.unprotect(&good).is_ok());
        }

        #[test]
        fn any_bytes_are_refused(packet in proptest::collection::vec(any::<u8>(), 0..300)) {
            let (_, mut receiver) = pair(FIRST);
            prop_assert!(receiver.unprotect(&packet).is_err());
        }
    }

    #[test]
    fn a_repeated_packet_is_refused() {
        let (mut sender, mut receiver) = pair(FIRST);
        let packets: Vec<_> = (0..10).map(|_| sender.protect(&[1; 120]).unwrap().as_ref().to_vec()).collect();
        for packet in packets.iter().rev() {
            assert!(receiver.unprotect(packet).is_ok());
        }
        for packet in &packets {
            assert_eq!(receiver.unprotect(packet).err(), Some(SrtpError::Rejected));
        }
    }

    #[test]
    fn another_source_under_the_same_key_is_refused_once_one_is_heard() {
        let (mut sender, mut receiver) = pair(FIRST);
        let (mut other, _) = pair(Header { ssrc: 100, ..FIRST });
        assert!(receiver.unprotect(sender.protect(&[1; 120]).unwrap().as_ref()).is_ok());
        let packet = other.protect(&[1; 120]).unwrap();
        assert_eq!(receiver.unprotect(packet.as_ref()).err(), Some(SrtpError::Source));
    }

    #[test]
    fn after_a_new_key_both_sources_are_heard_until_the_next_one() {
        let (mut sender, mut receiver) = pair(FIRST);
        let late = sender.protect(&[1; 120]).unwrap().as_ref().to_vec();
        assert!(receiver.unprotect(sender.protect(&[1; 120]).unwrap().as_ref()).is_ok());
        for round in 1..4u8 {
            let key = MasterKey::new([round; KEY_BYTES]);
            receiver.expect(key.clone());
            // Not renewed yet: what is sent under the key before still counts.
            assert!(receiver.unprotect(sender.protect(&[2; 120]).unwrap().as_ref()).is_ok());
            let old = sender.protect(&[3; 120]).unwrap().as_ref().to_vec();
            assert!(sender.renew(&key, 1000 + u32::from(round)).unwrap());
            let fresh = sender.protect(&[4; 120]).unwrap().as_ref().to_vec();
            let (header, payload) = receiver.unprotect(&fresh).unwrap();
            assert_eq!((header.ssrc, payload.as_ref()), (1000 + u32::from(round), &[4; 120][..]));
            assert_eq!(header.sequence, FIRST.sequence + 1 + 3 * u16::from(round));
            assert!(receiver.unprotect(&old).is_ok());
            assert_eq!(receiver.unprotect(&fresh).err(), Some(SrtpError::Rejected));
        }
        // Of the key three before, of which nothing is known any more.
        assert_eq!(receiver.unprotect(&late).err(), Some(SrtpError::Source));
    }

    #[test]
    fn a_new_key_waits_while_the_sequence_numbers_are_about_to_begin_again() {
        let (mut sender, mut receiver) = pair(FIRST);
        let key = MasterKey::new([7; KEY_BYTES]);
        receiver.expect(key.clone());
        sender.leave_out(10_000);
        let mut waited = 0;
        while !sender.renew(&key, 5).unwrap() || waited == 0 {
            waited += 1;
            if waited == 1 {
                (0..4).for_each(|_| sender.leave_out(10_000));
            }
            let _ = sender.protect(&[0; 120]).unwrap();
        }
        assert!(waited > 10_000, "it did not wait");
        for _ in 0..70_000 {
            assert!(receiver.unprotect(sender.protect(&[1; 120]).unwrap().as_ref()).is_ok());
        }
    }

    #[test]
    fn sequence_numbers_wrap_with_losses_around_the_wrap() {
        let (mut sender, mut receiver) = pair(FIRST);
        for i in 0..200_000u32 {
            let packet = sender.protect(&i.to_be_bytes()).unwrap();
            if i % 7 != 3 {
                let (header, payload) = receiver.unprotect(packet.as_ref()).unwrap();
                assert_eq!(payload.as_ref(), i.to_be_bytes());
                assert_eq!(header.sequence, FIRST.sequence.wrapping_add(i as u16));
            }
        }
    }
}
