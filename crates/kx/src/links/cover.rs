//! Cover: a constant rate of datagrams towards a first hop and back, in which cells take the place of padding.
//!
//! The covering side sends at the beat of a clock; the covered one answers each beat and each cell with one datagram of its own,
//! so it never sends more than it gets and nobody can make it. Answers are not answered: two sides may cover each other, and then the quicker beat is
//! that of both.
//!
//! Two beats: a slow one while nothing happens, and that of whole calls from dialling on, while something is sent to the other end of a tunnel, or cells flow faster than the
//! slow one hides. When one dials or is called it is quicker for a fixed time, so that long messages are not many beats under way. At the slow one a cell goes out at once and is counted against the next beat or answer. At that of calls cells wait (waiting.rs), here for the
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
/// While a call is being set up: a message of five cells takes 10 ms, in place of 33. Below 1.7 Mbit/s.
const SET_UP_PER_SECOND: u32 = 500;
/// Longer than most calls take to ring. Of one length, whatever becomes of the call. Of a fake one both ends are here: the time must not
/// grow by what the second one does.
const SET_UP_FOR: Duration = Duration::from_secs(3);
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

/// How quickly beats follow each other; in padding that asks for answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Pace {
    /// The slow one, at which nothing waits.
    #[default]
    Idle = 0,
    Calls = 1,
    /// While a call is set up.
    SetUp = 2,
}

impl Pace {
    pub(super) fn read(byte: u8) -> Self {
        [Self::Idle, Self::Calls, Self::SetUp].get(usize::from(byte)).copied().unwrap_or(Self::Calls)
    }
}

/// What a look at the clock asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beat {
    /// It is not time, or something went out before in place of this one.
    Nothing,
    /// One of those that wait.
    Waiting,
    /// Padding that asks for answers.
    Ask(Pace),
}

/// The covering side of one link.
#[derive(Debug)]
pub(super) struct Cover {
    idle_every: Duration,
    active_every: Duration,
    active_until: Duration,
    set_up_every: Duration,
    set_up_until: Duration,
    dialled_until: Duration,
    /// When the slow beat would have carried all cells so far.
    carried_at: Duration,
    next_beat: Duration,
    early: u8,
    asked: Option<(Duration, Pace)>,
}

impl Cover {
    /// For `calls` calls at once; `links` are covered together.
    pub(super) fn new(now: Duration, calls: u8, links: u32) -> Self {
        let active_per_second = u32::from(calls.max(1)) * CALL_PER_SECOND + SPARE_PER_SECOND;
        Self {
            idle_every: Duration::from_secs(1) * links.max(1) / IDLE_PER_SECOND,
            active_every: Duration::from_secs(1) / active_per_second,
            active_until: Duration::ZERO,
            set_up_every: Duration::from_secs(1) / active_per_second.max(SET_UP_PER_SECOND),
            set_up_until: Duration::ZERO,
            dialled_until: Duration::ZERO,
            carried_at: now,
            next_beat: now,
            early: 0,
            asked: None,
        }
    }

    pub(super) fn next_beat(&self) -> Duration {
        self.next_beat
    }

    /// How quick the own beat is.
    pub(super) fn pace(&self, now: Duration) -> Pace {
        match () {
            () if now < self.set_up_until => Pace::SetUp,
            () if now < self.active_until => Pace::Calls,
            () => Pace::Idle,
        }
    }

    fn every(&self, pace: Pace) -> Duration {
        match pace {
            Pace::Idle => self.idle_every,
            Pace::Calls => self.active_every,
            Pace::SetUp => self.set_up_every,
        }
    }

    /// There is a cell to send.
    pub(super) fn count_cell(&mut self, now: Duration) {
        self.carried_at = self.carried_at.max(now) + self.idle_every;
        if self.carried_at > now + self.idle_every * BURST {
            // The slow beat cannot hide these.
            self.carried_at = now + self.idle_every * BURST;
            self.raise(now);
        }
    }

    /// A call begins or goes on: the beat of calls from now on, so that its first cells do not show either, nor how it rings.
    pub(super) fn raise(&mut self, now: Duration) {
        if self.pace(now) == Pace::Idle {
            self.early = 0;
            self.hasten(now, Pace::Calls);
        }
        self.active_until = now + ACTIVE_FOR;
    }

    /// A call begins: quicker beats for a while. Not for a caller just after this peer has dialled, who may be itself.
    pub(super) fn set_up(&mut self, now: Duration, is_dialled: bool) {
        self.raise(now);
        if is_dialled {
            self.dialled_until = now + SET_UP_FOR;
        } else if now < self.dialled_until {
            return;
        }
        self.set_up_until = now + SET_UP_FOR;
        self.hasten(now, Pace::SetUp);
    }

    /// The next beat comes as soon as one of this pace would.
    pub(super) fn hasten(&mut self, now: Duration, pace: Pace) {
        self.next_beat = self.next_beat.min(now + self.every(pace));
    }

    /// Something goes out that takes the place of a later beat.
    pub(super) fn sent_early(&mut self) {
        self.early = (self.early + 1).min(MOST_EARLY);
    }

    /// What is to go out now. `other`: the beat of the other side, where it covers this link too; `waiting`: something waits.
    pub(super) fn beat(&mut self, now: Duration, other: Pace, waiting: bool) -> Beat {
        if now < self.next_beat {
            return Beat::Nothing;
        }
        let pace = self.pace(now);
        // Beats that a stall has cost are not made up for.
        self.next_beat = (self.next_beat + self.every(pace.max(other))).max(now);
        let is_asked = self.asked.is_some_and(|(at, asked)| asked == pace && now < at + ASK_AGAIN_AFTER);
        if is_asked && waiting {
            return Beat::Waiting;
        }
        if is_asked && self.early > 0 {
            self.early -= 1;
            return Beat::Nothing;
        }
        self.asked = Some((now, pace));
        Beat::Ask(pace)
    }
}

/// The answering side of one link.
#[derive(Debug, Default)]
pub(super) struct Mirror {
    until: Option<Duration>,
    pace: Pace,
    heard: Duration,
    early: u8,
}

impl Mirror {
    /// `pace`: that of the other side's beat.
    pub(super) fn ask(&mut self, now: Duration, pace: Pace) {
        if self.pace == Pace::Idle && pace > Pace::Idle {
            self.early = 0;
        }
        (self.until, self.pace) = (Some(now + MIRROR_FOR), pace);
    }

    /// How quick the other side's beat is.
    pub(super) fn pace(&self, now: Duration) -> Pace {
        if self.until.is_some_and(|until| now < until) { self.pace } else { Pace::Idle }
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

    const SECOND: Duration = Duration::from_secs(1);

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
                    cover.count_cell(now);
                    cover.sent_early();
                    cells += 1;
                }
                padding += u32::from(cover.beat(now, Pace::Idle, false) != Beat::Nothing);
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
        for (padding, cells) in &seconds[7..129] {
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
        cover.beat(now, Pace::Idle, false);
        cover.raise(now);
        let mut beats = Vec::new();
        for index in 0..200 {
            assert_eq!(cover.next_beat() - now, SECOND / 150);
            now = cover.next_beat();
            beats.push(cover.beat(now, Pace::Idle, index % 3 != 0));
        }
        assert_eq!(
            beats[..4],
            [Beat::Ask(Pace::Calls), Beat::Waiting, Beat::Waiting, Beat::Ask(Pace::Calls)]
        );
        assert!(!beats.contains(&Beat::Nothing));
    }

    #[test]
    fn one_who_dials_has_quicker_beats_for_a_fixed_time_whoever_calls_then() {
        let mut cover = Cover::new(Duration::ZERO, 2, 1);
        let mut now = Duration::ZERO;
        cover.beat(now, Pace::Idle, false);
        cover.set_up(now, true);
        let mut every = Vec::new();
        for beat in 0..2000 {
            every.push(cover.next_beat() - now);
            now = cover.next_beat();
            cover.beat(now, Pace::Idle, beat % 3 != 0);
            if beat % 7 == 0 && now < SET_UP_FOR {
                cover.set_up(now, false);
            }
        }
        assert!(every[..1500].iter().all(|&every| every == Duration::from_millis(2)));
        assert!(every[1500..].iter().all(|&every| every == SECOND / 150));
    }

    #[test]
    fn an_answer_goes_back_for_each_datagram_unless_a_cell_did() {
        let mut mirror = Mirror::default();
        assert!(!mirror.answers(Duration::ZERO), "nobody has asked");
        mirror.ask(Duration::ZERO, Pace::Idle);
        assert!(mirror.answers(Duration::ZERO));
        mirror.sent_early();
        assert!(!mirror.answers(Duration::ZERO));
        assert!(mirror.answers(Duration::ZERO));
        assert!(!mirror.answers(MIRROR_FOR));
    }
}
