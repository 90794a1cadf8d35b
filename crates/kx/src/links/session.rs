//! An established link: keys, counters, replay window, and the timers that keep it alive or find it dead.
//!
//! Invariants: a send counter is used once; `window` moves only for datagrams that were genuine. How a session comes
//! about is not in here.

use super::LinkEnd;
use crate::certificate::Certified;
use crate::counters::Counters;
use crate::dialing::Dialing;
use crate::outbox::Outbox;
use crate::peer::Identity;
use cell::layout::{CellHeader, Command, DATAGRAM_BYTES, Datagram};
use cell::link::{LinkKey, SealedHeader};
use cell::window::ReplayWindow;
use std::net::SocketAddr;
use std::time::Duration;
use zeroize::Zeroizing;

/// After data came in and nothing went out for this long, padding says that we are alive.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// After data went out and nothing came in for this long, the link is dead.
const DEAD_AFTER: Duration = Duration::from_secs(8);
/// After this long without an answer, one is asked for at every tick: a lost cell must not cost the link.
const PROBE_AFTER: Duration = Duration::from_secs(3);
/// A doubted link that is silent for this long, though asked, is lost.
const DOUBT_ENDS_AFTER: Duration = Duration::from_secs(2);
/// How far back the datagram may lie which the other side says it had no link for.
const RECENT_COUNTERS: u64 = 1024;
/// Sequence number of padding that wants an answer.
const ANSWER_WANTED: u64 = 1;
const IDLE_AFTER: Duration = Duration::from_secs(120);

pub(super) struct Session {
    pub(super) identity: Identity,
    remote_index: u32,
    send: LinkKey,
    receive: LinkKey,
    next_counter: u64,
    window: ReplayWindow,
    /// When the other side's certificate expires, in Unix seconds.
    expires_at: u64,
    /// Message 3, resent until the responder's first datagram proves that it has arrived.
    unconfirmed: Option<Box<Dialing>>,
    /// When the oldest datagram went out to which nothing has come back.
    unanswered_since: Option<Duration>,
    /// When the oldest cell came in after which nothing has gone out.
    owed_since: Option<Duration>,
    /// Since when there is reason to think that the other side has forgotten this link.
    doubted_since: Option<Duration>,
    last_cell: Duration,
}

impl Session {
    /// `send` and `receive`: the handshake's secrets for the two directions.
    pub(super) fn new(
        now: Duration,
        certified: &Certified,
        remote_index: u32,
        send: &[u8; 32],
        receive: &[u8; 32],
    ) -> Self {
        let key = |secret: &[u8; 32]| LinkKey::new(&Zeroizing::new(crate::noise::derive(secret, b"link")));
        Self {
            identity: certified.identity,
            remote_index,
            send: key(send),
            receive: key(receive),
            next_counter: 0,
            window: ReplayWindow::new(0),
            expires_at: certified.expires_at,
            unconfirmed: None,
            unanswered_since: None,
            owed_since: None,
            doubted_since: None,
            last_cell: now,
        }
    }

    /// As the dialling side: `dialing` repeats message 3 until something comes back.
    pub(super) fn confirm_with(&mut self, now: Duration, dialing: Box<Dialing>) {
        self.unconfirmed = Some(dialing);
        self.unanswered_since = Some(now);
    }

    /// Seals and sends the cell in `datagram`.
    pub(super) fn send_cell(
        &mut self,
        now: Duration,
        to: SocketAddr,
        datagram: &mut Datagram,
        out: &mut Outbox,
    ) {
        self.last_cell = now;
        self.unanswered_since.get_or_insert(now);
        self.seal(to, datagram, out);
    }

    /// Opens a datagram in place; the header of its cell unless that is padding.
    pub(super) fn open(
        &mut self,
        now: Duration,
        from: SocketAddr,
        datagram: &mut Datagram,
        counters: &mut Counters,
        out: &mut Outbox,
    ) -> Option<CellHeader> {
        let counter = SealedHeader::read(datagram).counter;
        if self.window.check(counter, u64::MAX).is_err() {
            counters.datagrams_replayed += 1;
            return None;
        }
        if !self.receive.open(datagram) {
            counters.datagrams_forged += 1;
            return None;
        }
        self.window.accept(counter);
        self.unanswered_since = None;
        self.doubted_since = None;
        self.unconfirmed = None;
        let Some(header) = CellHeader::read(datagram) else {
            counters.cells_malformed += 1;
            return None;
        };
        if header.command == Command::Padding {
            if header.sequence == ANSWER_WANTED {
                self.confirm(from, out);
            }
            return None;
        }
        self.owed_since.get_or_insert(now);
        self.last_cell = now;
        Some(header)
    }

    /// Padding: tells the other side that the handshake is complete, or that we are alive.
    pub(super) fn confirm(&mut self, to: SocketAddr, out: &mut Outbox) {
        self.pad(0, to, out);
    }

    /// The other side may have forgotten this link: it must show within seconds that it has not.
    pub(super) fn doubt(&mut self, now: Duration, to: SocketAddr, out: &mut Outbox) {
        if self.doubted_since.is_none() {
            self.doubted_since = Some(now);
            self.pad(ANSWER_WANTED, to, out);
        }
    }

    /// Whether the datagram that the other side says it had no link for may be one that we have sent lately.
    pub(super) fn has_sent(&self, sealed: SealedHeader) -> bool {
        sealed.receiver == self.remote_index
            && sealed.counter < self.next_counter
            && self.next_counter - sealed.counter <= RECENT_COUNTERS
    }

    /// Repeats, asks, answers; the end of the link where it has come.
    pub(super) fn tick(
        &mut self,
        now: Duration,
        unix_now: u64,
        to: SocketAddr,
        out: &mut Outbox,
    ) -> Option<LinkEnd> {
        let passed = |since: Option<Duration>, bound: Duration| since.is_some_and(|at| now >= at + bound);
        if unix_now >= self.expires_at {
            return Some(LinkEnd::Expired);
        }
        if passed(self.doubted_since, DOUBT_ENDS_AFTER) {
            return Some(LinkEnd::Lost);
        }
        if passed(self.unanswered_since, DEAD_AFTER) {
            return Some(LinkEnd::Timeout);
        }
        if now >= self.last_cell + IDLE_AFTER {
            return Some(LinkEnd::Idle);
        }
        if let Some(dialing) = &mut self.unconfirmed {
            dialing.transmit(to, out);
        }
        if self.doubted_since.is_some() || passed(self.unanswered_since, PROBE_AFTER) {
            self.pad(ANSWER_WANTED, to, out);
        } else if passed(self.owed_since, ANSWER_WITHIN) {
            self.confirm(to, out);
        }
        None
    }

    fn pad(&mut self, sequence: u64, to: SocketAddr, out: &mut Outbox) {
        let mut datagram = [0; DATAGRAM_BYTES];
        CellHeader { circuit: 0, command: Command::Padding, sequence }.write(&mut datagram);
        self.seal(to, &mut datagram, out);
    }

    fn seal(&mut self, to: SocketAddr, datagram: &mut Datagram, out: &mut Outbox) {
        self.owed_since = None;
        self.send.seal(self.remote_index, self.next_counter, datagram);
        self.next_counter += 1;
        out.send(to, datagram);
    }
}
