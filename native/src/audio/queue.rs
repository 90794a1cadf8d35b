//! Events of a call on their way to JavaScript.
//!
//! Invariants: putting an event in never waits for the event loop; lifecycle events come out once, in order, none is
//! lost; of statistics only the newest comes out, after them; one wake is in flight, and one that did not get through
//! is tried again with the next event. Bounded in practice: devices come and go once a second at most.
//! Not in it: how JavaScript is woken.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Lifecycle events `L` and statistics `S`.
pub(super) struct Queue<L, S> {
    waiting: Mutex<(Vec<L>, Option<S>)>,
    wake_in_flight: AtomicBool,
}

impl<L, S> Default for Queue<L, S> {
    fn default() -> Self {
        Self { waiting: Mutex::new((Vec::new(), None)), wake_in_flight: AtomicBool::new(false) }
    }
}

impl<L, S> Queue<L, S> {
    /// Puts a lifecycle event in. `wake` is called unless a wake is in flight, and says whether it got through.
    pub(super) fn put(&self, event: L, wake: impl FnOnce() -> bool) {
        self.lock().0.push(event);
        self.wake(wake);
    }

    /// Puts statistics in the place of older ones. `wake` as in `put`.
    pub(super) fn replace(&self, newest: S, wake: impl FnOnce() -> bool) {
        self.lock().1 = Some(newest);
        self.wake(wake);
    }

    /// Takes everything out. The next event wakes again, also one that comes in meanwhile.
    pub(super) fn drain(&self) -> (Vec<L>, Option<S>) {
        self.wake_in_flight.store(false, Ordering::Release);
        std::mem::take(&mut *self.lock())
    }

    fn wake(&self, wake: impl FnOnce() -> bool) {
        if !self.wake_in_flight.swap(true, Ordering::AcqRel) && !wake() {
            self.wake_in_flight.store(false, Ordering::Release);
        }
    }

    fn lock(&self) -> MutexGuard<'_, (Vec<L>, Option<S>)> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifecycle_events_come_out_once_and_in_order_however_long_nobody_drains() {
        let queue = Queue::<u32, u32>::default();
        for number in 0..10_000 {
            queue.put(number, || true);
            queue.replace(number, || true);
        }
        assert_eq!(queue.drain(), ((0..10_000).collect(), Some(9_999)));
        assert_eq!(queue.drain(), (vec![], None));
    }

    #[test]
    fn of_statistics_only_the_newest_comes_out() {
        let queue = Queue::<(), u32>::default();
        for number in 1..=3 {
            queue.replace(number, || true);
        }
        assert_eq!(queue.drain(), (vec![], Some(3)));
    }

    #[test]
    fn one_wake_is_in_flight_until_the_drain() {
        let queue = Queue::<u32, ()>::default();
        let mut wakes = 0;
        for _ in 0..2 {
            for number in 0..5 {
                queue.put(number, || {
                    wakes += 1;
                    true
                });
            }
            queue.drain();
        }
        assert_eq!(wakes, 2);
    }

    #[test]
    fn a_wake_that_did_not_get_through_is_tried_again() {
        let queue = Queue::<u32, ()>::default();
        queue.put(0, || false);
        let mut woken = false;
        queue.put(1, || {
            woken = true;
            true
        });
        assert!(woken);
        assert_eq!(queue.drain().0, [0, 1]);
    }
}
