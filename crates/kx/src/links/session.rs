//! An established link: sealing, opening, and what its keys and its liveness ask for as time passes.
//!
//! Invariants: `window` moves only for datagrams that were genuine. How a session comes about is not in here.

use super::cover::{Beat, Cover, MIRROR, Mirror};
use super::keys::{ReceiveKeys, SendKeys};
use super::liveness::{Liveness, Verdict};
use super::waiting::Waiting;
use super::{LinkEnd, LinkId};
use crate::certificate::Certified;
use crate::counters::Counters;
use crate::dialing::Dialing;
use crate::outbox::Outbox;
use crate::peer::Identity;
use cell::layout::{BODY_AT, CELL_AT, CellHeader, Command, DATAGRAM_BYTES, Datagram, read_u32};
use cell::link::SealedHeader;
use cell::window::ReplayWindow;
use std::net::SocketAddr;
use std::time::Duration;

/// How far back the datagram may lie which the other side says it had no link for.
const RECENT_COUNTERS: u64 = 1024;
/// Circuits are no longer begun on a link of this age: a new handshake makes what an old key would open end.
const FRESH_FOR: Duration = Duration::from_secs(2 * 3600);

pub(super) struct Session {
    pub(super) identity: Identity,
    id: LinkId,
    remote_index: u32,
    send: SendKeys,
    receive: ReceiveKeys,
    window: ReplayWindow,
    /// When the other side's certificate expires, in Unix seconds.
    expires_at: u64,
    started: Duration,
    /// Message 3, resent until the responder's first datagram proves that it has arrived.
    unconfirmed: Option<Box<Dialing>>,
    live: Liveness,
    cover: Option<Cover>,
    mirror: Mirror,
    waiting: Waiting,
}

impl Session {
    /// The link's number here and at the other side. `send` and `receive`: the handshake's secrets for the two directions.
    pub(super) fn new(
        now: Duration,
        certified: &Certified,
        (id, remote_index): (LinkId, u32),
        send: &[u8; 32],
        receive: &[u8; 32],
    ) -> Self {
        Self {
            identity: certified.identity,
            id,
            remote_index,
            send: SendKeys::new(now, send),
            receive: ReceiveKeys::new(receive),
            window: ReplayWindow::new(0),
            expires_at: certified.expires_at,
            started: now,
            unconfirmed: None,
            live: Liveness::new(now),
            cover: None,
            mirror: Mirror::default(),
            waiting: Waiting::default(),
        }
    }

    /// As the dialling side: `dialing` repeats message 3 until something comes back.
    pub(super) fn confirm_with(&mut self, now: Duration, dialing: Box<Dialing>) {
        self.unconfirmed = Some(dialing);
        self.live.expect(now);
    }

    /// Whether new circuits should take another link.
    pub(super) fn is_old(&self, now: Duration) -> bool {
        now >= self.started + FRESH_FOR
    }

    /// Smoothed time to the other side and back, where it was measured.
    pub(super) fn round_trip(&self) -> Option<Duration> {
        self.live.round_trip()
    }

    /// Seals and sends the cell in `datagram`, as soon as cover lets it. `true`: this link is to be watched from now on.
    pub(super) fn send_cell(
        &mut self,
        now: Duration,
        to: SocketAddr,
        datagram: &mut Datagram,
        out: &mut Outbox,
    ) -> bool {
        let begin_watch = self.live.cell_sent(now);
        let paced = self.mirror.is_paced(now);
        if let Some(cover) = &mut self.cover {
            cover.count_cell(now, paced);
        }
        self.send_or_hold(now, to, datagram, out);
        begin_watch
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
        if !self.receive.open(counter, datagram) {
            counters.datagrams_forged += 1;
            return None;
        }
        self.window.accept(counter);
        counters.datagrams_opened += 1;
        self.live.received();
        self.unconfirmed = None;
        let Some(header) = CellHeader::read(datagram) else {
            counters.cells_malformed += 1;
            return None;
        };
        let is_padding = header.command == Command::Padding;
        if is_padding && header.sequence == MIRROR {
            self.asked(now, datagram[BODY_AT] != 0, from, out);
        }
        let answer = if is_padding { self.live.padding_received(now, header.sequence) } else { None };
        // Padding 0 is an answer itself: where each side covers the other, it would go to and fro for ever.
        let is_answered = !is_padding || header.sequence != 0;
        match (is_answered && self.mirror.answers(now), answer) {
            (true, Some(answer)) => self.pad(now, answer, from, out),
            (true, None) => self.answer(now, from, out),
            (false, Some(answer)) => self.send_or_hold(now, from, &mut padding(answer), out),
            (false, None) => {}
        }
        if is_padding {
            return None;
        }
        self.live.cell_received(now);
        Some(header)
    }

    /// Padding: tells the other side that the handshake is complete, or that we are alive.
    pub(super) fn confirm(&mut self, now: Duration, to: SocketAddr, out: &mut Outbox) {
        self.pad(now, 0, to, out);
    }

    /// The other side may have forgotten this link: it must show within seconds that it has not.
    pub(super) fn doubt(&mut self, now: Duration, to: SocketAddr, out: &mut Outbox) {
        if let Some(question) = self.live.doubt(now) {
            self.send_or_hold(now, to, &mut padding(question), out);
        }
    }

    /// Whether the datagram that the other side says it had no link for may be one that we have sent lately.
    pub(super) fn has_sent(&self, sealed: SealedHeader) -> bool {
        let next = self.send.next_counter();
        sealed.receiver == self.remote_index
            && sealed.counter < next
            && next - sealed.counter <= RECENT_COUNTERS
    }

    /// Repeats, asks, answers; the end of the link where it has come.
    pub(super) fn tick(
        &mut self,
        now: Duration,
        unix_now: u64,
        to: SocketAddr,
        out: &mut Outbox,
    ) -> Option<LinkEnd> {
        if unix_now >= self.expires_at {
            return Some(LinkEnd::Expired);
        }
        self.send.tick(now);
        if let Some(dialing) = &mut self.unconfirmed {
            dialing.transmit(to, out);
        }
        match self.live.tick(now) {
            Verdict::End(end) => return Some(end),
            Verdict::Pad(number) => self.send_or_hold(now, to, &mut padding(number), out),
            Verdict::Nothing | Verdict::Release => {}
        }
        None
    }

    /// The close look; what it says, its padding sent already.
    pub(super) fn watch(
        &mut self,
        now: Duration,
        stalled: bool,
        to: SocketAddr,
        out: &mut Outbox,
    ) -> Verdict {
        if self.cover.is_none() && self.mirror.is_silent(now) {
            self.release(now, to, out);
        }
        let verdict = self.live.watch(now, stalled);
        if let Verdict::Pad(number) = verdict {
            self.send_or_hold(now, to, &mut padding(number), out);
        }
        verdict
    }

    /// Begins or ends cover on this link.
    pub(super) fn set_cover(
        &mut self,
        now: Duration,
        cover: Option<Cover>,
        to: SocketAddr,
        out: &mut Outbox,
    ) {
        self.cover = cover;
        self.release(now, to, out);
    }

    /// A call goes through this link: its cover, where it has one, is that of calls.
    pub(super) fn raise_cover(&mut self, now: Duration) {
        let paced = self.mirror.is_paced(now);
        if let Some(cover) = &mut self.cover {
            cover.raise(now, paced);
        }
    }

    /// When cover has something to do next.
    pub(super) fn next_beat(&self) -> Option<Duration> {
        self.cover.as_ref().map(Cover::next_beat)
    }

    /// Sends what is to go out with a beat that has come; whether that was padding.
    pub(super) fn beat(&mut self, now: Duration, to: SocketAddr, out: &mut Outbox) -> bool {
        if !self.is_held(now) {
            self.release(now, to, out);
        }
        let (paced, waiting) = (self.mirror.is_paced(now), !self.waiting.is_empty());
        let beat = self.cover.as_mut().map_or(Beat::Nothing, |cover| cover.beat(now, paced, waiting));
        if beat != Beat::Nothing {
            // Each datagram is answered: who does not answer is not there.
            self.live.expect(now);
        }
        match beat {
            Beat::Nothing => {}
            Beat::Waiting => self.send_waiting(now, to, out),
            Beat::Ask { paced } => {
                let mut datagram = padding(MIRROR);
                datagram[BODY_AT] = u8::from(paced);
                self.seal(now, to, &mut datagram, out);
            }
        }
        matches!(beat, Beat::Ask { .. })
    }

    /// The other side asks for answers.
    fn asked(&mut self, now: Duration, paced: bool, from: SocketAddr, out: &mut Outbox) {
        self.mirror.ask(now, paced);
        match &mut self.cover {
            // Where both cover, what waits goes out with the own beat, and answers are padding.
            Some(cover) if paced => cover.hasten(now),
            None if !paced => self.release(now, from, out),
            _ => {}
        }
    }

    /// One datagram back for one that came in.
    fn answer(&mut self, now: Duration, to: SocketAddr, out: &mut Outbox) {
        if self.cover.is_some() || self.waiting.is_empty() {
            self.pad(now, 0, to, out);
        } else {
            self.send_waiting(now, to, out);
        }
    }

    /// Whether what is to be sent waits.
    fn is_held(&self, now: Duration) -> bool {
        let is_of_calls = self.cover.as_ref().is_some_and(|cover| cover.is_of_calls(now));
        (is_of_calls || self.mirror.is_paced(now)) && self.waiting.is_open(now)
    }

    /// Sends the cell in `datagram`, or lets it wait where the beat is that of calls.
    fn send_or_hold(&mut self, now: Duration, to: SocketAddr, datagram: &mut Datagram, out: &mut Outbox) {
        if self.is_held(now) && self.waiting.push(now, datagram) {
            return;
        }
        self.release(now, to, out);
        self.mirror.sent_early();
        if let Some(cover) = &mut self.cover {
            cover.sent_early();
        }
        self.seal(now, to, datagram, out);
    }

    fn send_waiting(&mut self, now: Duration, to: SocketAddr, out: &mut Outbox) {
        if let Some(mut datagram) = self.waiting.take(now) {
            self.seal(now, to, &mut datagram, out);
        }
        if !self.waiting.is_open(now) {
            self.release(now, to, out);
        }
    }

    /// Sends all that waits.
    fn release(&mut self, now: Duration, to: SocketAddr, out: &mut Outbox) {
        while let Some(mut datagram) = self.waiting.pop() {
            self.seal(now, to, &mut datagram, out);
        }
    }

    fn pad(&mut self, now: Duration, sequence: u64, to: SocketAddr, out: &mut Outbox) {
        self.seal(now, to, &mut padding(sequence), out);
    }

    fn seal(&mut self, now: Duration, to: SocketAddr, datagram: &mut Datagram, out: &mut Outbox) {
        self.live.sent();
        // Padding is of circuit 0.
        let lane = u64::from(self.id) << 32 | u64::from(read_u32(datagram, CELL_AT));
        self.send.seal(now, self.remote_index, datagram);
        out.send_in(lane, to, datagram);
    }
}

fn padding(sequence: u64) -> Datagram {
    let mut datagram = [0; DATAGRAM_BYTES];
    CellHeader { circuit: 0, command: Command::Padding, sequence }.write(&mut datagram);
    datagram
}
