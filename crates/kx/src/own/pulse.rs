//! Whether a circuit of our own still carries what it should: when its exchange point is asked, and what the answers tell.
//!
//! While a circuit is used it is asked often: a hop that drops cells is to be found when a call begins, before there is enough of the call
//! to miss any of it. Who does not answer and who answers late is found by the same question; the other end of the tunnel has no part in it.

use std::time::Duration;

const ASK_EVERY: Duration = Duration::from_secs(15);
/// While something is sent to the other end of the tunnel, or comes from there.
const ASK_USED_AFTER: Duration = Duration::from_secs(3);
/// The next question after a slow answer.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// An answer is slow that takes twice as long as the circuit did when it was built, and this long besides.
const SLOWER: Duration = Duration::from_millis(300);
/// Where a hop had to be asked again when the circuit was built, so that nothing is known.
const USUAL: Duration = Duration::from_millis(350);
/// So many slow ones in a row are no chance.
const SLOW_ANSWERS: u8 = 3;
/// A question that was sent three times by then.
const UNANSWERED_AFTER: Duration = Duration::from_millis(2_200);
/// What a question that had to be repeated, and an answer, say about lost cells: where two of a hundred are lost each way they never come to
/// enough, where a third is, a dozen questions do.
const MISSED: u8 = 3;
const ANSWERED: u8 = 2;
const ENOUGH: u8 = 9;
/// The next question while some were missed.
const ASK_MISSED_AFTER: Duration = Duration::from_millis(300);

/// The questions to one exchange point.
#[derive(Debug)]
pub(crate) struct Pulse {
    ask_at: Duration,
    slow: u8,
    missed: u8,
    told: bool,
}

impl Pulse {
    pub(super) fn new(now: Duration) -> Self {
        Self { ask_at: now + ASK_EVERY, slow: 0, missed: 0, told: false }
    }

    /// A cell of a flow passes.
    pub(crate) fn used(&mut self, now: Duration) {
        self.ask_at = self.ask_at.min(now + ASK_USED_AFTER);
    }

    /// Whether it is time to ask; it counts as asked then.
    pub(super) fn asks(&mut self, now: Duration) -> bool {
        let asks = now >= self.ask_at;
        if asks {
            self.told = false;
            self.rest(now);
        }
        asks
    }

    /// The exchange point has been heard.
    pub(super) fn rest(&mut self, now: Duration) {
        self.ask_at = now + ASK_EVERY;
    }

    /// An answer came after `took`; `built`: the same way when the circuit was built, where that is known. Whether a hop holds cells up.
    pub(super) fn is_slow(&mut self, now: Duration, took: Duration, built: Option<Duration>) -> bool {
        self.missed = self.missed.saturating_sub(ANSWERED);
        if self.missed > 0 {
            self.ask_at = now + ASK_MISSED_AFTER;
        }
        if took <= built.unwrap_or(USUAL) * 2 + SLOWER {
            self.slow = 0;
            return false;
        }
        self.slow = (self.slow + 1) % SLOW_ANSWERS;
        self.ask_at = self.ask_at.min(now + ASK_AGAIN_AFTER);
        self.slow == 0
    }

    /// A question goes out again after `waited`. Whether a hop drops cells: told once a question. How often one was repeated means nothing
    /// where the circuit was slow from the beginning (`built` is not known).
    pub(super) fn is_unanswered(&mut self, waited: Duration, built: Option<Duration>) -> bool {
        if built.is_some() {
            self.missed = (self.missed + MISSED).min(ENOUGH);
        }
        let tells = !self.told && (self.missed >= ENOUGH || waited >= UNANSWERED_AFTER);
        if tells {
            (self.told, self.missed) = (true, 0);
        }
        tells
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_circuit_at_rest_is_asked_now_and_then_and_one_that_is_used_often() {
        let asked = |used_until: u32| {
            let mut pulse = Pulse::new(Duration::ZERO);
            let asked = |now: &Duration| {
                if *now < SECOND * used_until {
                    pulse.used(*now);
                }
                pulse.asks(*now)
            };
            (1..600)
                .map(|tick| SECOND * tick / 10)
                .filter({
                    let mut asked = asked;
                    move |now| asked(now)
                })
                .count()
        };
        assert_eq!(asked(0), 3);
        assert!((18..=20).contains(&asked(60)), "{}", asked(60));
    }

    #[test]
    fn three_slow_answers_in_a_row_tell_and_one_that_is_not_begins_anew() {
        let mut pulse = Pulse::new(Duration::ZERO);
        let mut hear =
            |took| pulse.is_slow(SECOND, Duration::from_millis(took), Some(Duration::from_millis(100)));
        assert_eq!(
            [600, 600, 400, 600, 600, 600, 600].map(&mut hear),
            [false, false, false, false, false, true, false]
        );
    }

    #[test]
    fn a_question_that_is_not_answered_tells_once() {
        let mut pulse = Pulse::new(Duration::ZERO);
        let mut wait = |milliseconds| pulse.is_unanswered(Duration::from_millis(milliseconds), None);
        assert_eq!([500, 1_250, 2_250, 3_250].map(&mut wait), [false, false, true, false]);
        assert!(pulse.asks(20 * SECOND));
        assert!(pulse.is_unanswered(UNANSWERED_AFTER, None));
    }

    /// Questions until it tells, at most 1 000; of a hundred cells there or back, so many are lost.
    fn questions(lost: u32, built: Option<Duration>) -> u32 {
        let mut pulse = Pulse::new(Duration::ZERO);
        let mut state = 7_u32;
        let mut is_lost = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) % 100 < lost
        };
        for question in 1..1_000 {
            let mut waited = Duration::ZERO;
            pulse.asks(SECOND * question * 20);
            while is_lost() || is_lost() {
                waited += Duration::from_millis(600);
                if pulse.is_unanswered(waited, built) {
                    return question;
                }
            }
            pulse.is_slow(SECOND * question * 20, Duration::from_millis(50), built);
        }
        1_000
    }

    #[test]
    fn ordinary_loss_tells_nothing_and_a_third_of_all_cells_tells_within_a_few_questions() {
        let built = Some(Duration::from_millis(50));
        assert_eq!(questions(2, built), 1_000);
        assert!(questions(33, built) < 12, "{}", questions(33, built));
        assert!(questions(90, built) <= 2);
    }

    #[test]
    fn whoever_missed_an_answer_asks_again_soon() {
        let mut pulse = Pulse::new(Duration::ZERO);
        let built = Some(Duration::from_millis(50));
        assert!(!pulse.is_unanswered(Duration::from_millis(500), built));
        assert!(!pulse.is_slow(SECOND, Duration::from_millis(50), built));
        assert!(!pulse.asks(SECOND + ASK_MISSED_AFTER / 2));
        assert!(pulse.asks(SECOND + ASK_MISSED_AFTER));
    }
}
