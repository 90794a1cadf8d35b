//! The keys of an established link, renewed while it lasts.
//!
//! The datagram counter says which key seals it: each run of 2^20 numbers has a key of its own, and the
//! secret behind it is a hash of the one before, so a key that leaks opens nothing older. No message and no bit on the wire
//! tells of a renewal; a sender who wants one before its run is used up leaves the rest of the run out.
//!
//! Invariants: a counter is used once; a receiver moves on only for a datagram that was genuine under the next key.

use crate::noise::derive;
use cell::layout::Datagram;
use cell::link::LinkKey;
use std::time::Duration;
use zeroize::Zeroizing;

/// One key seals at most 2^20 datagrams.
const EPOCH_BITS: u32 = 20;
/// A key older than this is renewed though its run is not used up.
const KEY_LIFETIME: Duration = Duration::from_secs(600);

/// The secret of one epoch and what follows from it.
struct Ratchet {
    epoch: u64,
    secret: Zeroizing<[u8; 32]>,
}

impl Ratchet {
    fn new(secret: &[u8; 32]) -> Self {
        Self { epoch: 0, secret: Zeroizing::new(*secret) }
    }

    fn key(&self) -> LinkKey {
        LinkKey::new(&Zeroizing::new(derive(&self.secret[..], b"link")))
    }

    fn next(&self) -> Self {
        let secret = Zeroizing::new(derive(&self.secret[..], b"link next"));
        Self { epoch: self.epoch + 1, secret }
    }
}

/// Seals what goes out.
pub(super) struct SendKeys {
    ratchet: Ratchet,
    key: LinkKey,
    since: Duration,
    next_counter: u64,
}

impl SendKeys {
    pub(super) fn new(now: Duration, secret: &[u8; 32]) -> Self {
        let ratchet = Ratchet::new(secret);
        Self { key: ratchet.key(), ratchet, since: now, next_counter: 0 }
    }

    /// How many counters are used up.
    pub(super) fn next_counter(&self) -> u64 {
        self.next_counter
    }

    /// Seals the cell in `datagram` for the other side's link number.
    pub(super) fn seal(&mut self, now: Duration, receiver: u32, datagram: &mut Datagram) {
        let counter = self.next_counter;
        self.next_counter += 1;
        if counter >> EPOCH_BITS != self.ratchet.epoch {
            self.ratchet = self.ratchet.next();
            self.key = self.ratchet.key();
            self.since = now;
        }
        self.key.seal(receiver, counter, datagram);
    }

    /// Leaves the rest of the run out where the key is old and was used.
    pub(super) fn tick(&mut self, now: Duration) {
        let used = self.next_counter > self.ratchet.epoch << EPOCH_BITS;
        if used && now >= self.since + KEY_LIFETIME {
            self.next_counter = (self.ratchet.epoch + 1) << EPOCH_BITS;
        }
    }
}

/// Opens what comes in: of this epoch, of the one before (late datagrams) or of the next.
pub(super) struct ReceiveKeys {
    ratchet: Ratchet,
    key: LinkKey,
    previous: Option<LinkKey>,
    /// Made when the first datagram that claims to be of the next epoch comes.
    next: Option<(Ratchet, LinkKey)>,
}

impl ReceiveKeys {
    pub(super) fn new(secret: &[u8; 32]) -> Self {
        let ratchet = Ratchet::new(secret);
        Self { key: ratchet.key(), ratchet, previous: None, next: None }
    }

    /// Decrypts in place; `false` when the datagram is not genuine.
    #[must_use]
    pub(super) fn open(&mut self, counter: u64, datagram: &mut Datagram) -> bool {
        let epoch = counter >> EPOCH_BITS;
        if epoch == self.ratchet.epoch {
            return self.key.open(datagram);
        }
        if epoch + 1 == self.ratchet.epoch {
            return self.previous.as_ref().is_some_and(|key| key.open(datagram));
        }
        if epoch != self.ratchet.epoch + 1 {
            return false;
        }
        let (ratchet, key) = self.next.take().unwrap_or_else(|| {
            let ratchet = self.ratchet.next();
            let key = ratchet.key();
            (ratchet, key)
        });
        if !key.open(datagram) {
            self.next = Some((ratchet, key));
            return false;
        }
        self.ratchet = ratchet;
        self.previous = Some(std::mem::replace(&mut self.key, key));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cell::layout::{DATAGRAM_BYTES, body};
    use cell::link::SealedHeader;

    const EPOCH_COUNTERS: u64 = 1 << EPOCH_BITS;

    fn sealed(keys: &mut SendKeys) -> (u64, Datagram) {
        let mut datagram = [9; DATAGRAM_BYTES];
        keys.seal(Duration::ZERO, 7, &mut datagram);
        (SealedHeader::read(&datagram).counter, datagram)
    }

    fn opens(keys: &mut ReceiveKeys, (counter, mut datagram): (u64, Datagram)) -> bool {
        keys.open(counter, &mut datagram) && body(&datagram).iter().all(|&byte| byte == 9)
    }

    #[test]
    fn both_sides_go_on_to_new_keys_and_late_datagrams_still_open() {
        let (mut send, mut receive) = (SendKeys::new(Duration::ZERO, &[5; 32]), ReceiveKeys::new(&[5; 32]));
        let late = sealed(&mut send);
        assert!(opens(&mut receive, sealed(&mut send)));
        send.tick(KEY_LIFETIME);
        let renewed = sealed(&mut send);
        assert_eq!(renewed.0, EPOCH_COUNTERS);
        assert!(opens(&mut receive, renewed));
        assert!(opens(&mut receive, late));
        for _ in 0..3 {
            send.tick(send.since + KEY_LIFETIME);
            assert!(opens(&mut receive, sealed(&mut send)));
        }
        assert!(!opens(&mut receive, late), "keys of long ago are forgotten");
    }

    #[test]
    fn a_forged_datagram_of_the_next_key_changes_nothing_and_one_far_ahead_is_refused() {
        let (mut send, mut receive) = (SendKeys::new(Duration::ZERO, &[5; 32]), ReceiveKeys::new(&[5; 32]));
        let mut other = SendKeys::new(Duration::ZERO, &[6; 32]);
        other.next_counter = EPOCH_COUNTERS;
        assert!(!opens(&mut receive, sealed(&mut other)));
        assert!(opens(&mut receive, sealed(&mut send)));
        send.next_counter = EPOCH_COUNTERS;
        assert!(opens(&mut receive, sealed(&mut send)));
        other.next_counter = 5 * EPOCH_COUNTERS;
        assert!(!opens(&mut receive, sealed(&mut other)));
        assert!(opens(&mut receive, sealed(&mut send)));
    }

    #[test]
    fn a_key_that_was_not_used_is_not_renewed() {
        let mut send = SendKeys::new(Duration::ZERO, &[5; 32]);
        send.tick(KEY_LIFETIME);
        assert_eq!(send.next_counter(), 0);
    }
}
