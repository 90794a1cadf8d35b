//! Cover: a constant rate of datagrams towards a first hop and back, in which cells take the place of padding.
//!
//! The covering side sends at the beat of a clock; the covered one answers each beat and each cell with one datagram of its own,
//! so it never sends more than it gets and nobody can make it. Answers are not answered: two sides may cover each other, and then the beat of calls of one is
//! that of the other too.
//!
//! Two beats: a slow one while nothing happens, and that of whole calls from dialling on, while something is sent to the other end of a tunnel, or cells flow faster than the
//! slow one hides. The latter is quicker for its first seconds, in which a call is set up, so that long messages are not many beats under way.
//! At the slow one a cell goes out at once and is counted against the next beat or answer. At that of calls cells wait (waiting.rs), here for the
//! beat and there for something to answer, so that when datagrams leave says nothing of what is in them.

use cell::layout::DATAGRAM_BYTES;
use std::time::Duration;

/// Sequence number of the padding that asks the other side to answer every beat and cell for a while. Even: no question.
pub(super) const MIRROR: u64 = 1 << 32;
/// The slow beat, over all covered links together: with the headers of UDP and IPv4 below 64 kbit/s.
const IDLE_PER_SECOND: u32 = 64_000 / ((DATAGRAM_BYTES as u32 + 28) * 8);
/// Cells of one call each way.
const CALL_PER_SECOND: u32 = 50;
/// Beats beyond the calls' voice: their control connections, twice where a peer calls itself, upkeep of links and circuits, and room in
/// which a queue gets shorter again. As many as of a call: the beat fits a whole number of times into the 20 ms of voice, which so waits as long each time.
const SPARE_PER_SECOND: u32 = CALL_PER_SECOND;
/// The beat of calls at first: a message of five cells takes 10 ms, in place of 33. Below 1.7 Mbit/s.
const FIRST_EVERY: Duration = Duration::from_millis(2);
/// Longer than most calls take to ring. Whatever made the beat that of calls, and whatever comes then: who made it, and how far that has come, must not
/// show.
const FIRST_FOR: Duration = Duration::from_secs(3);
/// The beat of calls goes on for so long after the last cell that needed it.
const ACTIVE_FOR: Duration = Duration::from_secs(30);
/// The other side answers for so long after it was asked; it is asked again well before.
const MIRROR_FOR: Duration = Duration::from_secs(10);
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(4);
/// A covering side at the beat of calls that is silent for so long has stalled, or is not heard.
const SILENT_AFTER: Duration = Duration::from_millis(40);
/// Cells that may be early.
const MOST_EARLY: u8 = 3;
/// Cells beyond the slow beat that begin the beat of calls: more than building a circuit takes, less than a second of voice.
const BURST: u32 = 24;

/// What a look at the clock asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beat {
    /// It is not time, or something went out before in place of this one.
    Nothing,
    /// One of those that wait.
    Waiting,
    /// Padding that asks for answers; whether cells are to wait there too.
    Ask { paced: bool },
}

/// The covering side of one link.
#[derive(Debug)]
pub(super) struct Cover {
    idle_every: Duration,
    active_every: Duration,
    active_until: Duration,
    first_until: Duration,
    /// When the slow beat would have carried all cells so far.
    carried_at: Duration,
    next_beat: Duration,
    early: u8,
    /// When, and whether cells were to wait.
    asked: Option<(Duration, bool)>,
}

impl Cover {
    /// For `calls` calls at once; `links` are covered together.
    pub(super) fn new(now: Duration, calls: u8, links: u32) -> Self {
        let active_per_second = u32::from(calls.max(1)) * CALL_PER_SECOND + SPARE_PER_SECOND;
        Self {
            idle_every: Duration::from_secs(1) * links.max(1) / IDLE_PER_SECOND,
            active_every: Duration::from_secs(1) / active_per_second,
            active_until: Duration::ZERO,
            first_until: Duration::ZERO,
            carried_at: now,
            next_beat: now,
            early: 0,
            asked: None,
        }
    }

    pub(super) fn next_beat(&self) -> Duration {
        self.next_beat
    }

    /// Whether the beat is that of calls.
    pub(super) fn is_of_calls(&self, now: Duration) -> bool {
        now < self.active_until
    }

    /// There is a cell to send; `paced` as for [`Self::raise`].
    pub(super) fn count_cell(&mut self, now: Duration, paced: bool) {
        self.carried_at = self.carried_at.max(now) + self.idle_every;
        if self.carried_at > now + self.idle_every * BURST {
            // The slow beat cannot hide these.
            self.carried_at = now + self.idle_every * BURST;
            self.raise(now, paced);
        }
    }

    /// A call begins or goes on: the beat of calls from now on, so that its first cells do not show either, nor how it rings.
    /// `paced`: the other side covers this link too and has the beat of calls, which this one already keeps.
    pub(super) fn raise(&mut self, now: Duration, paced: bool) {
        if !self.is_of_calls(now) {
            self.early = 0;
            if !paced {
                self.first_until = now + FIRST_FOR;
            }
            self.hasten(now);
        }
        self.active_until = now + ACTIVE_FOR;
    }

    fn every_of_calls(&self, now: Duration) -> Duration {
        if now < self.first_until { self.active_every.min(FIRST_EVERY) } else { self.active_every }
    }

    /// The next beat comes as soon as one of calls would.
    pub(super) fn hasten(&mut self, now: Duration) {
        self.next_beat = self.next_beat.min(now + self.every_of_calls(now));
    }

    /// Something goes out that takes the place of a later beat.
    pub(super) fn sent_early(&mut self) {
        self.early = (self.early + 1).min(MOST_EARLY);
    }

    /// What is to go out now. `paced`: the other side covers this link too, with the beat of calls; `waiting`: something waits.
    pub(super) fn beat(&mut self, now: Duration, paced: bool, waiting: bool) -> Beat {
        if now < self.next_beat {
            return Beat::Nothing;
        }
        let is_of_calls = self.is_of_calls(now);
        let every = if is_of_calls || paced { self.every_of_calls(now) } else { self.idle_every };
        // Beats that a stall has cost are not made up for.
        self.next_beat = (self.next_beat + every).max(now);
        let is_asked =
            self.asked.is_some_and(|(at, paced)| paced == is_of_calls && now < at + ASK_AGAIN_AFTER);
        if is_asked && waiting {
            return Beat::Waiting;
        }
        if is_asked && self.early > 0 {
            self.early -= 1;
            return Beat::Nothing;
        }
        self.asked = Some((now, is_of_calls));
        Beat::Ask { paced: is_of_calls }
    }
}

/// The answering side of one link.
#[derive(Debug, Default)]
pub(super) struct Mirror {
    until: Option<Duration>,
    paced: bool,
    heard: Duration,
    early: u8,
}

impl Mirror {
    /// `paced`: the other side's beat is that of calls.
    pub(super) fn ask(&mut self, now: Duration, paced: bool) {
        if paced && !self.paced {
            self.early = 0;
        }
        (self.until, self.paced) = (Some(now + MIRROR_FOR), paced);
    }

    /// Whether the other side's beat is that of calls.
    pub(super) fn is_paced(&self, now: Duration) -> bool {
        self.paced && self.until.is_some_and(|until| now < until)
    }

    /// Whether nothing that is to be answered has come in for longer than a few of its beats.
    pub(super) fn is_silent(&self, now: Duration) -> bool {
        now >= self.heard + SILENT_AFTER
    }

    /// Something goes out that takes the place of a later answer.
    pub(super) fn sent_early(&mut self) {
        self.early = (self.early + 1).min(MOST_EARLY);
    }

    /// A genuine beat or cell has come in; whether something is to go back.
    pub(super) fn answers(&mut self, now: Duration) -> bool {
        if self.until.is_none_or(|until| now >= until) {
            return false;
        }
        self.heard = now;
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

    /// A cell every so often that does not wait, as at the slow beat; padding and cells of each second.
    fn seconds(
        cover: &mut Cover,
        seconds: u64,
        busy: std::ops::Range<u64>,
        cells_every: u64,
    ) -> Vec<(u32, u32)> {
        let second = |second| {
            let (mut padding, mut cells) = (0, 0);
            for millisecond in second * 1000..(second + 1) * 1000 {
                let now = Duration::from_millis(millisecond);
                if busy.contains(&second) && millisecond % cells_every == 0 {
                    cover.count_cell(now, false);
                    cover.sent_early();
                    cells += 1;
                }
                padding += u32::from(cover.beat(now, false, false) != Beat::Nothing);
            }
            (padding, cells)
        };
        (0..seconds).map(second).collect()
    }

    #[test]
    fn an_idle_link_has_the_slow_beat_below_64_kbit() {
        let mut cover = Cover::new(Duration::ZERO, 2, 1);
        let seconds = seconds(&mut cover, 20, 0..0, 1);
        assert!(seconds.iter().all(|&(padding, _)| padding.abs_diff(IDLE_PER_SECOND) <= 1), "{seconds:?}");
    }

    #[test]
    fn cells_that_cannot_be_hidden_begin_the_beat_of_calls() {
        let mut cover = Cover::new(Duration::ZERO, 2, 1);
        let seconds = seconds(&mut cover, 140, 5..100, 20);
        for (padding, cells) in &seconds[10..129] {
            assert!((padding + cells).abs_diff(150) <= 1, "{seconds:?}");
        }
        assert!(seconds[132..].iter().all(|&(padding, _)| padding.abs_diff(IDLE_PER_SECOND) <= 1));
    }

    #[test]
    fn now_and_then_a_cell_does_not_change_the_slow_beat() {
        let mut cover = Cover::new(Duration::ZERO, 2, 1);
        let seconds = seconds(&mut cover, 30, 2..28, 500);
        for (padding, cells) in &seconds[1..] {
            assert!((padding + cells).abs_diff(IDLE_PER_SECOND) <= 2, "{seconds:?}");
        }
    }

    #[test]
    fn each_beat_of_calls_comes_in_its_time_with_what_waits_or_padding_and_says_that_cells_wait() {
        let mut cover = Cover::new(Duration::ZERO, 2, 1);
        let mut now = Duration::ZERO;
        cover.beat(now, false, false);
        cover.raise(now, false);
        let mut beats = Vec::new();
        for index in 0..2000 {
            let every = if index < 1500 { FIRST_EVERY } else { Duration::from_secs(1) / 150 };
            assert_eq!(cover.next_beat() - now, every);
            cover.raise(now, false);
            now = cover.next_beat();
            beats.push(cover.beat(now, false, index % 3 != 0));
        }
        assert_eq!(
            beats[..4],
            [Beat::Ask { paced: true }, Beat::Waiting, Beat::Waiting, Beat::Ask { paced: true }]
        );
        assert!(!beats.contains(&Beat::Nothing));
    }

    #[test]
    fn an_answer_goes_back_for_each_datagram_unless_a_cell_did() {
        let mut mirror = Mirror::default();
        assert!(!mirror.answers(Duration::ZERO), "nobody has asked");
        mirror.ask(Duration::ZERO, false);
        assert!(mirror.answers(Duration::ZERO));
        mirror.sent_early();
        assert!(!mirror.answers(Duration::ZERO));
        assert!(mirror.answers(Duration::ZERO));
        assert!(!mirror.answers(MIRROR_FOR));
    }
}
