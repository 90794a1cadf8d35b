//! Whether the other side of a link is alive: what is owed, what is asked, when to give up.
//!
//! A link that carries circuits is watched closely, because a dead relay must be replaced before a conversation notices:
//! silence is asked about after tens of milliseconds and believed after a few hundred. A quiet link is asked
//! seldom. Asking is padding with an odd number that the other side answers at once with the next one, which also
//! measures the round trip.

use super::LinkEnd;
use std::time::Duration;

/// After data came in and nothing went out for this long, padding says that we are alive.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// After data went out and nothing came in for this long, a quiet link is dead.
const DEAD_AFTER: Duration = Duration::from_secs(8);
/// After this long without an answer, one is asked for at every tick: a lost cell must not cost the link.
const ASK_AFTER: Duration = Duration::from_secs(3);
/// A doubted link that is silent for this long, though asked, is lost.
const DOUBT_ENDS_AFTER: Duration = Duration::from_secs(2);
const IDLE_AFTER: Duration = Duration::from_secs(120);

/// A link is watched until no circuit has used it for this long.
const WATCHED_FOR: Duration = Duration::from_secs(1);
/// Silence on a watched link that is asked about.
const WATCHED_ASK_AFTER: Duration = Duration::from_millis(60);
const WATCHED_ASK_EVERY: Duration = Duration::from_millis(40);
/// Silence on a watched link that means its end, and how many questions must have gone unanswered by then.
const WATCHED_DEAD_AFTER: Duration = Duration::from_millis(200);
const WATCHED_QUESTIONS: u32 = 3;
/// The same where the other side seems to have said that it knows no such link.
const DOUBTED_DEAD_AFTER: Duration = Duration::from_millis(60);
const DOUBTED_ASK_EVERY: Duration = Duration::from_millis(20);
/// Until the round trip was measured.
const ROUND_TRIP_AT_FIRST: Duration = Duration::from_millis(500);
/// What was measured before a quiet time counts as so much at least until an answer has come: the line may have become slow.
const ROUND_TRIP_OF_LONG_AGO: Duration = Duration::from_millis(100);
/// A watched link is asked so often however much comes in, because one round trip measured while a peer stood still would
/// stretch the silence that is waited for.
const MEASURE_EVERY: Duration = Duration::from_secs(1);
/// Questions whose answers are still told apart.
const REMEMBERED: usize = 16;

/// What a look at the clock asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Nothing,
    /// Padding with this number: an odd one wants an answer.
    Pad(u64),
    End(LinkEnd),
    /// Not used by circuits any more: no need to watch it.
    Release,
}

#[derive(Debug)]
pub(super) struct Liveness {
    /// When the oldest datagram went out to which nothing has come back.
    unanswered_since: Option<Duration>,
    /// When the oldest cell came in after which nothing has gone out.
    owed_since: Option<Duration>,
    /// Since when there is reason to think that the other side has forgotten this link.
    doubted_since: Option<Duration>,
    last_cell: Duration,
    watched: bool,
    questions: u64,
    /// Questions since something came in.
    unanswered_questions: u32,
    /// When the last questions were asked, by number; none where the answer has come.
    asked_at: [Option<Duration>; REMEMBERED],
    last_asked: Duration,
    round_trip: Option<Duration>,
    /// Whether an answer has come since this link is watched: what was measured before may be long ago.
    is_measured: bool,
}

impl Liveness {
    pub(super) fn new(now: Duration) -> Self {
        Self {
            unanswered_since: None,
            owed_since: None,
            doubted_since: None,
            last_cell: now,
            watched: false,
            questions: 0,
            unanswered_questions: 0,
            asked_at: [None; REMEMBERED],
            last_asked: now,
            is_measured: false,
            round_trip: None,
        }
    }

    /// From answered questions: a shorter one counts at once, longer ones little by little.
    pub(super) fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    /// A cell goes out. `true`: the link is to be watched from now on.
    pub(super) fn cell_sent(&mut self, now: Duration) -> bool {
        self.last_cell = now;
        self.unanswered_since.get_or_insert(now);
        self.is_measured &= self.watched;
        !std::mem::replace(&mut self.watched, true)
    }

    /// Something goes out.
    pub(super) fn sent(&mut self) {
        self.owed_since = None;
    }

    /// Something must come back.
    pub(super) fn expect(&mut self, now: Duration) {
        self.unanswered_since.get_or_insert(now);
    }

    /// Something genuine has come in.
    pub(super) fn received(&mut self) {
        self.unanswered_since = None;
        self.doubted_since = None;
        self.unanswered_questions = 0;
    }

    /// A cell of a circuit has come in.
    pub(super) fn cell_received(&mut self, now: Duration) {
        self.owed_since.get_or_insert(now);
        self.last_cell = now;
    }

    /// Padding has come in; the number with which it is to be answered, where it is.
    pub(super) fn padding_received(&mut self, now: Duration, number: u64) -> Option<u64> {
        if number % 2 == 1 {
            return Some(number.wrapping_add(1));
        }
        let question = number / 2;
        if question != 0
            && question <= self.questions
            && self.questions - question < REMEMBERED as u64
            && let Some(asked_at) = self.asked_at[question as usize % REMEMBERED].take()
        {
            let sample = now.saturating_sub(asked_at);
            self.is_measured = true;
            self.round_trip =
                Some(self.round_trip.map_or(sample, |known| sample.min((known * 7 + sample) / 8)));
        }
        None
    }

    /// There is a reason to think that the other side has forgotten this link; a question where that is new.
    pub(super) fn doubt(&mut self, now: Duration) -> Option<u64> {
        if self.doubted_since.is_some() {
            return None;
        }
        self.doubted_since = Some(now);
        Some(self.ask(now))
    }

    fn ask(&mut self, now: Duration) -> u64 {
        self.questions += 1;
        self.unanswered_questions += 1;
        self.asked_at[self.questions as usize % REMEMBERED] = Some(now);
        self.last_asked = now;
        self.questions * 2 - 1
    }

    /// The slow look at every link.
    pub(super) fn tick(&mut self, now: Duration) -> Verdict {
        let passed = |since: Option<Duration>, bound: Duration| since.is_some_and(|at| now >= at + bound);
        if passed(self.doubted_since, DOUBT_ENDS_AFTER) {
            return Verdict::End(LinkEnd::Lost);
        }
        if passed(self.unanswered_since, DEAD_AFTER) {
            return Verdict::End(LinkEnd::Timeout);
        }
        if now >= self.last_cell + IDLE_AFTER {
            return Verdict::End(LinkEnd::Idle);
        }
        if self.doubted_since.is_some() || passed(self.unanswered_since, ASK_AFTER) {
            return Verdict::Pad(self.ask(now));
        }
        if passed(self.owed_since, ANSWER_WITHIN) { Verdict::Pad(0) } else { Verdict::Nothing }
    }

    /// The close look at a watched link. `stalled`: this peer itself was not running, so silence means nothing yet.
    pub(super) fn watch(&mut self, now: Duration, stalled: bool) -> Verdict {
        if now >= self.last_cell + WATCHED_FOR {
            self.watched = false;
            return Verdict::Release;
        }
        if stalled {
            let since = now.saturating_sub(WATCHED_ASK_AFTER);
            self.unanswered_since = self.unanswered_since.map(|known| known.max(since));
            self.unanswered_questions = 0;
        }
        let measure_every = MEASURE_EVERY.max(self.round_trip.unwrap_or_default() * 2);
        if self.questions == 0 || now >= self.last_asked + measure_every {
            return Verdict::Pad(self.ask(now));
        }
        let Some(since) = self.unanswered_since else { return Verdict::Nothing };
        let round_trip = match self.round_trip {
            // Who says that it knows no such link is there now.
            Some(known) if self.is_measured || self.doubted_since.is_some() => known,
            Some(known) => known.max(ROUND_TRIP_OF_LONG_AGO),
            None => ROUND_TRIP_AT_FIRST,
        };
        let (dead_after, ask_after, ask_every) = match self.doubted_since {
            Some(_) => (DOUBTED_DEAD_AFTER, Duration::ZERO, DOUBTED_ASK_EVERY),
            None => (WATCHED_DEAD_AFTER, WATCHED_ASK_AFTER, WATCHED_ASK_EVERY),
        };
        if now >= since + dead_after + round_trip * 3 && self.unanswered_questions >= WATCHED_QUESTIONS {
            // A peer that says it knows no such link was started again and can be dialled anew.
            let end = if self.doubted_since.is_some() { LinkEnd::Lost } else { LinkEnd::Timeout };
            return Verdict::End(end);
        }
        let again = self.last_asked + ask_every.max(self.round_trip.unwrap_or_default());
        if now >= since + ask_after && now >= again {
            return Verdict::Pad(self.ask(now));
        }
        Verdict::Nothing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Looks every 20 ms from `from` on, answering questions after `round_trip` while `alive`; when it ended.
    fn watch(
        live: &mut Liveness,
        from: Duration,
        alive: Option<Duration>,
        carrying: bool,
    ) -> Option<Duration> {
        let mut answers = Vec::new();
        for look in 0..100 {
            let now = from + 20 * MS * look;
            if carrying {
                live.cell_sent(now);
            }
            answers.retain(|&(at, number)| {
                if at <= now {
                    live.received();
                    live.padding_received(at, number);
                }
                at > now
            });
            match live.watch(now, false) {
                Verdict::Pad(number) => answers.extend(alive.map(|after| (now + after, number + 1))),
                Verdict::End(_) => return Some(now - from),
                Verdict::Release | Verdict::Nothing => {}
            }
        }
        None
    }

    #[test]
    fn a_watched_link_that_falls_silent_ends_within_a_quarter_of_a_second() {
        let mut live = Liveness::new(Duration::ZERO);
        assert_eq!(watch(&mut live, MS, Some(5 * MS), true), None);
        let end = watch(&mut live, 2001 * MS, None, true).unwrap();
        assert!(end <= 250 * MS, "{end:?}");
    }

    #[test]
    fn a_slow_path_that_carries_one_way_only_is_not_taken_for_dead() {
        for round_trip in [1, 60, 180, 300] {
            let mut live = Liveness::new(Duration::ZERO);
            assert_eq!(watch(&mut live, MS, Some(round_trip * MS), true), None, "{round_trip} ms");
            assert!(live.round_trip().unwrap() >= round_trip * MS);
        }
    }

    #[test]
    fn one_round_trip_that_took_long_does_not_stretch_the_silence_for_long() {
        let mut live = Liveness::new(Duration::ZERO);
        live.cell_sent(MS);
        let Verdict::Pad(first) = live.watch(2 * MS, false) else { panic!("the first look measures") };
        live.padding_received(1002 * MS, first + 1);
        assert_eq!(live.round_trip(), Some(1000 * MS));
        assert_eq!(watch(&mut live, 1003 * MS, Some(5 * MS), true), None);
        assert!(live.round_trip().unwrap() <= 25 * MS, "{:?}", live.round_trip());
        let end = watch(&mut live, 3003 * MS, None, true).unwrap();
        assert!(end <= 300 * MS, "{end:?}");
    }

    #[test]
    fn what_was_measured_long_ago_does_not_end_a_link_that_is_used_again() {
        let mut live = Liveness::new(Duration::ZERO);
        assert_eq!(watch(&mut live, MS, Some(20 * MS), true), None);
        assert_eq!(live.watch(5000 * MS, false), Verdict::Release);
        live.received();
        // A ping after a quiet time, over a line that has become slow.
        live.cell_sent(15_000 * MS);
        assert_eq!(watch(&mut live, 15_001 * MS, Some(400 * MS), true), None);
    }

    #[test]
    fn an_answer_counts_once() {
        let mut live = Liveness::new(Duration::ZERO);
        let number = live.ask(10 * MS);
        live.padding_received(20 * MS, number + 1);
        live.padding_received(9000 * MS, number + 1);
        assert_eq!(live.round_trip(), Some(10 * MS));
    }

    #[test]
    fn an_answer_that_comes_after_later_questions_still_measures() {
        let mut live = Liveness::new(Duration::ZERO);
        let numbers = [10, 50, 90].map(|at| live.ask(at * MS));
        live.padding_received(130 * MS, numbers[0] + 1);
        assert_eq!(live.round_trip(), Some(120 * MS));
    }

    #[test]
    fn after_a_stall_of_this_peer_silence_is_asked_about_anew() {
        let mut live = Liveness::new(Duration::ZERO);
        watch(&mut live, MS, Some(MS), true);
        live.cell_sent(2001 * MS);
        assert!(matches!(live.watch(2900 * MS, true), Verdict::Pad(_) | Verdict::Nothing));
        assert!(!matches!(live.watch(2920 * MS, false), Verdict::End(_)));
    }

    #[test]
    fn a_link_without_circuits_is_released() {
        let mut live = Liveness::new(Duration::ZERO);
        assert!(live.cell_sent(MS));
        assert!(!live.cell_sent(2 * MS));
        assert_eq!(live.watch(1002 * MS, false), Verdict::Release);
        assert!(live.cell_sent(1003 * MS));
    }

    #[test]
    fn questions_are_answered_with_the_next_number_and_statements_are_not() {
        let mut live = Liveness::new(Duration::ZERO);
        assert_eq!(live.padding_received(MS, 1), Some(2));
        assert_eq!(live.padding_received(MS, 0), None);
        assert_eq!(live.padding_received(MS, u64::MAX), Some(0));
        assert_eq!(live.padding_received(MS, 4), None);
        assert_eq!(live.round_trip(), None);
    }
}
