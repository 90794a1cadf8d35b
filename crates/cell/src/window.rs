//! Sliding replay window (after RFC 6479), used on links and on circuits.
//!
//! `check` never changes the window and `accept` marks, so that a number counts as seen only when its cell has proven
//! genuine. On circuits a number far ahead is refused, so that nobody on the path can push a window away.

const WORDS: usize = 16;
const WORD_BITS: u64 = 64;
/// How far behind the highest accepted number a late cell may be.
pub const WINDOW_BITS: u64 = (WORDS as u64 - 1) * WORD_BITS;
/// How far ahead of the window a circuit cell may be.
pub const MAX_AHEAD: u64 = 1024;

/// Why a number is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Seen before.
    Replayed,
    /// Older than the window remembers.
    TooOld,
    /// More than the allowed distance ahead.
    TooFarAhead,
}

/// Which of the latest [`WINDOW_BITS`] numbers have been seen.
#[derive(Clone, Debug)]
pub struct ReplayWindow {
    /// One more than the highest accepted number.
    next: u64,
    seen: [u64; WORDS],
}

impl ReplayWindow {
    /// A window in which `start` is the first acceptable number.
    pub fn new(start: u64) -> Self {
        let mut seen = [u64::MAX; WORDS];
        seen[Self::slot(start / WORD_BITS)] = (1 << (start % WORD_BITS)) - 1;
        Self { next: start, seen }
    }

    /// Whether `number` may be accepted; `max_ahead` bounds how far it may lie ahead.
    pub fn check(&self, number: u64, max_ahead: u64) -> Result<(), Refusal> {
        if number >= self.next {
            // The highest number has no successor and is never used.
            let too_far = number - self.next > max_ahead || number == u64::MAX;
            return if too_far { Err(Refusal::TooFarAhead) } else { Ok(()) };
        }
        if self.next - number > WINDOW_BITS {
            return Err(Refusal::TooOld);
        }
        let word = self.seen[Self::slot(number / WORD_BITS)];
        if word >> (number % WORD_BITS) & 1 == 1 { Err(Refusal::Replayed) } else { Ok(()) }
    }

    /// Marks `number`, which `check` has allowed.
    pub fn accept(&mut self, number: u64) {
        if number >= self.next {
            let first = self.next.div_ceil(WORD_BITS);
            let last = number / WORD_BITS;
            if last >= first {
                for word in first.max(last.saturating_sub(WORDS as u64 - 1))..=last {
                    self.seen[Self::slot(word)] = 0;
                }
            }
            self.next = number + 1;
        }
        self.seen[Self::slot(number / WORD_BITS)] |= 1 << (number % WORD_BITS);
    }

    fn slot(word: u64) -> usize {
        (word % WORDS as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    #[test]
    fn numbers_before_the_start_count_as_seen() {
        for start in [0, 1, 63, 64, 65, 1000] {
            let mut window = ReplayWindow::new(start);
            for number in start.saturating_sub(100)..start {
                assert_eq!(window.check(number, MAX_AHEAD), Err(Refusal::Replayed));
            }
            assert_eq!(window.check(start, MAX_AHEAD), Ok(()));
            window.accept(start);
            assert_eq!(window.check(start, MAX_AHEAD), Err(Refusal::Replayed));
        }
    }

    #[test]
    fn a_number_too_far_ahead_is_refused_and_moves_nothing() {
        let window = ReplayWindow::new(10);
        assert_eq!(window.check(10 + MAX_AHEAD + 1, MAX_AHEAD), Err(Refusal::TooFarAhead));
        assert_eq!(window.check(10 + MAX_AHEAD, MAX_AHEAD), Ok(()));
        assert_eq!(window.check(u64::MAX, u64::MAX), Err(Refusal::TooFarAhead));
    }

    proptest! {
        #[test]
        fn agrees_with_a_set_of_everything_seen(start in 0u64..5000, steps in prop::collection::vec(-1100i64..1100, 1..400)) {
            let mut window = ReplayWindow::new(start);
            let mut seen = HashSet::new();
            let mut highest = start;
            for step in steps {
                let number = highest.saturating_add_signed(step);
                let expected = if number >= highest {
                    if number - highest > MAX_AHEAD { Err(Refusal::TooFarAhead) } else { Ok(()) }
                } else if highest - number > WINDOW_BITS {
                    Err(Refusal::TooOld)
                } else if number < start || seen.contains(&number) {
                    Err(Refusal::Replayed)
                } else {
                    Ok(())
                };
                prop_assert_eq!(window.check(number, MAX_AHEAD), expected);
                if expected.is_ok() {
                    window.accept(number);
                    seen.insert(number);
                    highest = highest.max(number + 1);
                }
            }
        }
    }
}
