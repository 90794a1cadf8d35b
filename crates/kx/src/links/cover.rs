//! Cover: a constant rate of datagrams towards a first hop and back, in which cells take the place of padding.
//!
//! The covering side sends at the beat of a clock; the covered one answers each beat and each cell with one datagram of its own,
//! so it never sends more than it gets and nobody can make it. Answers are not answered: two sides may cover each other. A cell goes out at once, never later, and is counted against the next
//! beat or answer; so what a listener sees is the beat, with some datagrams a little early.
//!
//! Two beats: a slow one while nothing happens, and that of whole calls while something is sent to the other end of a tunnel, or cells flow faster than the slow one hides. How
//! many calls, how long they last beyond the last cell, and which way they go is not seen.

use cell::layout::DATAGRAM_BYTES;
use std::time::Duration;

/// Sequence number of the padding that asks the other side to answer every beat and cell for a while. Even: no question.
pub(super) const MIRROR: u64 = 1 << 32;
/// The slow beat, over all covered links together: with the headers of UDP and IPv4 below 64 kbit/s.
const IDLE_PER_SECOND: u32 = 64_000 / ((DATAGRAM_BYTES as u32 + 28) * 8);
/// Cells of one call each way.
const CALL_PER_SECOND: u32 = 50;
/// The beat of calls goes on for so long after the last cell that needed it.
const ACTIVE_FOR: Duration = Duration::from_secs(30);
/// The other side answers for so long after it was asked; it is asked again well before.
const MIRROR_FOR: Duration = Duration::from_secs(10);
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(4);
/// Cells that may be early.
const MOST_EARLY: u8 = 3;
/// Cells beyond the slow beat that begin the beat of calls: more than building a circuit takes, less than a second of voice.
const BURST: u32 = 24;

/// The covering side of one link.
#[derive(Debug)]
pub(super) struct Cover {
    idle_every: Duration,
    active_every: Duration,
    active_until: Duration,
    /// When the slow beat would have carried all cells so far.
    carried_at: Duration,
    next_beat: Duration,
    early: u8,
    asked_at: Option<Duration>,
}

impl Cover {
    /// For `calls` calls at once; `links` are covered together.
    pub(super) fn new(now: Duration, calls: u8, links: u32) -> Self {
        Self {
            idle_every: Duration::from_secs(1) * links.max(1) / IDLE_PER_SECOND,
            active_every: Duration::from_secs(1) / (u32::from(calls.max(1)) * CALL_PER_SECOND),
            active_until: Duration::ZERO,
            carried_at: now,
            next_beat: now,
            early: 0,
            asked_at: None,
        }
    }

    pub(super) fn next_beat(&self) -> Duration {
        self.next_beat
    }

    /// A cell goes out.
    pub(super) fn cell_sent(&mut self, now: Duration) {
        self.sent_early();
        self.carried_at = self.carried_at.max(now) + self.idle_every;
        if self.carried_at > now + self.idle_every * BURST {
            // The slow beat cannot hide these.
            self.carried_at = now + self.idle_every * BURST;
            self.active_until = now + ACTIVE_FOR;
            self.next_beat = self.next_beat.min(now + self.active_every);
        }
    }

    /// A call begins or goes on: the beat of calls from now on, so that its first cells do not show either, nor how it rings.
    pub(super) fn raise(&mut self, now: Duration) {
        self.active_until = now + ACTIVE_FOR;
        self.next_beat = self.next_beat.min(now + self.active_every);
    }

    /// Something goes out that takes the place of a later beat.
    pub(super) fn sent_early(&mut self) {
        self.early = (self.early + 1).min(MOST_EARLY);
    }

    /// The number of the padding that is to go out now, where some is.
    pub(super) fn beat(&mut self, now: Duration) -> Option<u64> {
        if now < self.next_beat {
            return None;
        }
        let every = if now < self.active_until { self.active_every } else { self.idle_every };
        // Beats that a stall has cost are not made up for.
        self.next_beat = (self.next_beat + every).max(now);
        let ask = self.asked_at.is_none_or(|at| now >= at + ASK_AGAIN_AFTER);
        if self.early > 0 && !ask {
            self.early -= 1;
            return None;
        }
        self.asked_at = Some(now);
        Some(MIRROR)
    }
}

/// The answering side of one link.
#[derive(Debug, Default)]
pub(super) struct Mirror {
    until: Option<Duration>,
    early: u8,
}

impl Mirror {
    pub(super) fn ask(&mut self, now: Duration) {
        self.until = Some(now + MIRROR_FOR);
    }

    /// Something goes out that takes the place of a later answer.
    pub(super) fn sent_early(&mut self) {
        self.early = (self.early + 1).min(MOST_EARLY);
    }

    /// A genuine beat or cell has come in; whether padding is to go back.
    pub(super) fn answers(&mut self, now: Duration) -> bool {
        if self.until.is_none_or(|until| now >= until) {
            return false;
        }
        if self.early > 0 {
            self.early -= 1;
            return false;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Padding of each second, with a cell every `cells_every` in the seconds of `busy`.
    fn beats(
        cover: &mut Cover,
        seconds: u64,
        busy: std::ops::Range<u64>,
        cells_every: Duration,
    ) -> Vec<(u32, u32)> {
        let mut next_cell = Duration::from_secs(busy.start);
        (0..seconds)
            .map(|second| {
                let (mut padding, mut cells) = (0, 0);
                for millisecond in 0..1000 {
                    let now = Duration::from_millis(second * 1000 + millisecond);
                    if busy.contains(&second) && now >= next_cell {
                        next_cell += cells_every;
                        cover.cell_sent(now);
                        cells += 1;
                    }
                    padding += u32::from(cover.beat(now).is_some());
                }
                (padding, cells)
            })
            .collect()
    }

    #[test]
    fn an_idle_link_has_the_slow_beat_below_64_kbit() {
        let mut cover = Cover::new(Duration::ZERO, 2, 1);
        let seconds = beats(&mut cover, 20, 0..0, Duration::ZERO);
        assert!(seconds.iter().all(|&(padding, _)| padding.abs_diff(IDLE_PER_SECOND) <= 1), "{seconds:?}");
    }

    #[test]
    fn one_call_two_calls_and_the_time_after_them_look_the_same() {
        for cells_every in [20, 10] {
            let mut cover = Cover::new(Duration::ZERO, 2, 1);
            let seconds = beats(&mut cover, 140, 5..100, Duration::from_millis(cells_every));
            for (padding, cells) in &seconds[7..129] {
                assert!((padding + cells).abs_diff(100) <= 3, "{cells_every} ms: {seconds:?}");
            }
        }
    }

    #[test]
    fn now_and_then_a_cell_does_not_change_the_slow_beat() {
        let mut cover = Cover::new(Duration::ZERO, 2, 1);
        let seconds = beats(&mut cover, 30, 2..28, Duration::from_millis(500));
        for (padding, cells) in &seconds[1..] {
            assert!((padding + cells).abs_diff(IDLE_PER_SECOND) <= 2, "{seconds:?}");
        }
    }

    #[test]
    fn an_answer_goes_back_for_each_datagram_unless_a_cell_did() {
        let mut mirror = Mirror::default();
        assert!(!mirror.answers(Duration::ZERO), "nobody has asked");
        mirror.ask(Duration::ZERO);
        assert!(mirror.answers(Duration::ZERO));
        mirror.sent_early();
        assert!(!mirror.answers(Duration::ZERO));
        assert!(mirror.answers(Duration::ZERO));
        assert!(!mirror.answers(MIRROR_FOR));
    }
}
