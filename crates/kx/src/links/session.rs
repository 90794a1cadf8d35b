//! An established link: keys, counters, replay window, and the timers that keep it alive or find it dead.
//!
//! Invariants: a send counter is used once; `window` moves only for datagrams that were genuine. How a session comes
//! about is not in here.

use super::LinkEnd;
use crate::dialing::Dialing;
use crate::outbox::Outbox;
use crate::peer::Identity;
use cell::layout::{CellHeader, Command, Datagram};
use cell::link::LinkKey;
use cell::window::ReplayWindow;
use std::net::SocketAddr;
use std::time::Duration;

/// After data came in and nothing went out for this long, padding says that we are alive.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// After data went out and nothing came in for this long, the link is dead.
const DEAD_AFTER: Duration = Duration::from_secs(8);
const IDLE_AFTER: Duration = Duration::from_secs(120);

pub(super) struct Session {
    pub(super) identity: Identity,
    pub(super) remote_index: u32,
    pub(super) send: LinkKey,
    pub(super) receive: LinkKey,
    pub(super) next_counter: u64,
    pub(super) window: ReplayWindow,
    /// Message 3, resent until the responder's first datagram proves that it has arrived.
    pub(super) unconfirmed: Option<Box<Dialing>>,
    pub(super) last_received: Duration,
    /// When the oldest datagram went out to which nothing has come back.
    pub(super) unanswered_since: Option<Duration>,
    /// When the oldest cell came in after which nothing has gone out.
    pub(super) owed_since: Option<Duration>,
    pub(super) last_cell: Duration,
}

impl Session {
    pub(super) fn new(
        now: Duration,
        identity: Identity,
        remote_index: u32,
        send: &[u8; 32],
        receive: &[u8; 32],
    ) -> Self {
        let key = |secret: &[u8; 32]| LinkKey::new(&crate::noise::derive(secret, b"link"));
        Self {
            identity,
            remote_index,
            send: key(send),
            receive: key(receive),
            next_counter: 0,
            window: ReplayWindow::new(0),
            unconfirmed: None,
            last_received: now,
            unanswered_since: None,
            owed_since: None,
            last_cell: now,
        }
    }

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

    fn seal(&mut self, to: SocketAddr, datagram: &mut Datagram, out: &mut Outbox) {
        self.owed_since = None;
        self.send.seal(self.remote_index, self.next_counter, datagram);
        self.next_counter += 1;
        out.send(to, datagram);
    }

    /// Padding: tells the other side that the handshake is complete, or that we are alive.
    pub(super) fn confirm(&mut self, to: SocketAddr, out: &mut Outbox) {
        let mut datagram = [0; cell::layout::DATAGRAM_BYTES];
        CellHeader { circuit: 0, command: Command::Padding, sequence: 0 }.write(&mut datagram);
        self.seal(to, &mut datagram, out);
    }

    pub(super) fn tick(&mut self, now: Duration, to: SocketAddr, out: &mut Outbox) -> Option<LinkEnd> {
        if self.unanswered_since.is_some_and(|since| now >= since + DEAD_AFTER) {
            return Some(LinkEnd::Timeout);
        }
        if now >= self.last_cell + IDLE_AFTER {
            return Some(LinkEnd::Idle);
        }
        if let Some(dialing) = &mut self.unconfirmed {
            dialing.transmit(to, out);
        }
        if self.owed_since.is_some_and(|since| now >= since + ANSWER_WITHIN) {
            self.confirm(to, out);
        }
        None
    }
}
