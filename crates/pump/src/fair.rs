//! A short, bounded queue that is fair between lanes and drops the oldest first: voice prefers loss to delay.
//!
//! Whoever fills it crowds out himself: a lane has a bound of its own, and when the whole is full, the longest lane gives
//! way. Lanes that are empty take no room. Not in here: what a lane is.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// Emptied lanes whose memory is kept for the next ones, if it is little.
const MAX_SPARE: usize = 64;
const SPARE_ITEMS: usize = 64;
/// Lanes among which the longest is looked for: whoever fills the queue is found soon, and a full queue costs no search.
const LOOKED_AT: usize = 16;

/// Lanes of `T`, served in turn.
pub(crate) struct FairQueue<K, T> {
    lanes: HashMap<K, VecDeque<T>>,
    /// Each lane that is not empty, once.
    turns: VecDeque<K>,
    spare: Vec<VecDeque<T>>,
    length: usize,
    most_of_lane: usize,
    most: usize,
    /// Whether lanes get shorter the more there are.
    spread: bool,
    /// Items that a lane may have served in one turn, and those of this one.
    quantum: usize,
    served: usize,
    /// Items that gave way when their lane's turn came.
    given_way: u64,
}

impl<K: Copy + Eq + Hash, T> FairQueue<K, T> {
    /// At most so many of one lane, and in all (both at least 1).
    pub(crate) fn new(most_of_lane: usize, most: usize) -> Self {
        Self {
            lanes: HashMap::new(),
            turns: VecDeque::new(),
            spare: Vec::new(),
            length: 0,
            most_of_lane: most_of_lane.max(1),
            most: most.max(1),
            spread: false,
            quantum: 1,
            served: 0,
            given_way: 0,
        }
    }

    /// So many of a lane in one turn: what belongs together stays together.
    pub(crate) fn with_quantum(self, quantum: usize) -> Self {
        Self { quantum: quantum.max(1), ..self }
    }

    /// The same as [`FairQueue::new`], where nothing may be overtaken by more than `most` others: of each lane at most its share of them.
    pub(crate) fn spread(most_of_lane: usize, most: usize) -> Self {
        Self { spread: true, ..Self::new(most_of_lane, most) }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Queues `item`; whether an older one had to give way.
    pub(crate) fn push(&mut self, key: K, item: T) -> bool {
        let share = self.share();
        let most_of_lane = if self.spread { self.most_of_lane.min(share) } else { self.most_of_lane };
        let length = self.lanes.get(&key).map_or(0, VecDeque::len);
        let is_full = self.length >= self.most;
        let gives_way = if length >= most_of_lane || (is_full && length > share) {
            Some(key)
        } else if is_full {
            let some = self.turns.iter().take(LOOKED_AT);
            some.max_by_key(|key| self.lanes.get(key).map_or(0, VecDeque::len)).copied()
        } else {
            None
        };
        if let Some(lane) = gives_way {
            self.drop_oldest(lane);
        }
        match self.lanes.get_mut(&key) {
            Some(lane) => lane.push_back(item),
            None => {
                let mut lane = self.spare.pop().unwrap_or_default();
                lane.push_back(item);
                self.lanes.insert(key, lane);
                self.turns.push_back(key);
            }
        }
        self.length += 1;
        gives_way.is_some()
    }

    /// How many items gave way since the last call, those aside that `push` has told of.
    pub(crate) fn take_given_way(&mut self) -> u64 {
        std::mem::take(&mut self.given_way)
    }

    /// What each lane may have of the whole.
    fn share(&self) -> usize {
        (self.most / self.lanes.len().max(1)).max(1)
    }

    /// Shows `serve` the first item of the lane whose turn it is; where it is taken (`true`), it leaves the queue, and when the
    /// lane has had its turn, the next one follows. `false`: nothing there, or not taken.
    pub(crate) fn serve(&mut self, serve: impl FnOnce(K, &mut T) -> bool) -> bool {
        let Some(&key) = self.turns.front() else { return false };
        let share = if self.spread { self.share() } else { usize::MAX };
        let Some(lane) = self.lanes.get_mut(&key) else { return false };
        // It was filled when there were fewer lanes.
        while lane.len() > share {
            lane.pop_front();
            self.length -= 1;
            self.given_way += 1;
        }
        if !lane.front_mut().is_some_and(|item| serve(key, item)) {
            return false;
        }
        lane.pop_front();
        self.length -= 1;
        self.served += 1;
        if lane.capacity() > SPARE_ITEMS && lane.len() < lane.capacity() / 4 {
            lane.shrink_to(lane.len() * 2);
        }
        let is_empty = lane.is_empty();
        if is_empty || self.served >= self.quantum {
            self.served = 0;
            self.turns.pop_front();
        }
        if is_empty {
            self.forget(key);
        } else if self.served == 0 {
            self.turns.push_back(key);
        }
        true
    }

    fn drop_oldest(&mut self, key: K) {
        let Some(lane) = self.lanes.get_mut(&key) else { return };
        if lane.pop_front().is_some() {
            self.length -= 1;
        }
        if lane.is_empty() {
            if let Some(at) = self.turns.iter().position(|turn| *turn == key) {
                self.turns.remove(at);
                self.served = if at == 0 { 0 } else { self.served };
            }
            self.forget(key);
        }
    }

    fn forget(&mut self, key: K) {
        let lane = self.lanes.remove(&key).filter(|lane| lane.capacity() <= SPARE_ITEMS);
        if let Some(lane) = lane.filter(|_| self.spare.len() < MAX_SPARE) {
            self.spare.push(lane);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(queue: &mut FairQueue<u8, u32>) -> Vec<(u8, u32)> {
        let mut served = Vec::new();
        while queue.serve(|key, item| {
            served.push((key, *item));
            true
        }) {}
        served
    }

    #[test]
    fn lanes_are_served_in_turn_and_each_in_order() {
        let mut queue = FairQueue::new(10, 100);
        for (key, item) in [(1, 10), (1, 11), (1, 12), (2, 20), (3, 30), (2, 21)] {
            assert!(!queue.push(key, item));
        }
        assert_eq!(all(&mut queue), [(1, 10), (2, 20), (3, 30), (1, 11), (2, 21), (1, 12)]);
        assert!(queue.is_empty());
    }

    #[test]
    fn with_a_quantum_a_turn_has_several() {
        let mut queue = FairQueue::new(10, 100).with_quantum(2);
        for (key, item) in [(1, 10), (1, 11), (1, 12), (2, 20), (3, 30), (3, 31)] {
            queue.push(key, item);
        }
        assert_eq!(all(&mut queue), [(1, 10), (1, 11), (2, 20), (3, 30), (3, 31), (1, 12)]);
    }

    #[test]
    fn a_lane_that_is_full_drops_its_own_oldest() {
        let mut queue = FairQueue::new(2, 100);
        queue.push(2, 20);
        for item in 0..5 {
            queue.push(1, item);
        }
        assert_eq!(all(&mut queue), [(2, 20), (1, 3), (1, 4)]);
    }

    #[test]
    fn when_the_whole_is_full_the_longest_lane_gives_way() {
        let mut queue = FairQueue::new(8, 8);
        for item in 0..7 {
            queue.push(1, item);
        }
        queue.push(2, 20);
        for lane in 3..6 {
            assert!(queue.push(lane, 0), "{lane}");
        }
        let served = all(&mut queue);
        assert_eq!(served.len(), 8);
        assert!([2, 3, 4, 5].iter().all(|lane| served.iter().any(|(key, _)| key == lane)), "{served:?}");
    }

    #[test]
    fn in_a_spread_queue_nothing_is_overtaken_by_more_than_it_holds() {
        let mut queue = FairQueue::spread(64, 900);
        for item in 0..64 {
            queue.push(0, item);
        }
        let mut overtaken = 0;
        for turn in 0..10_000_u32 {
            for lane in 1..60 {
                queue.push(lane, turn);
            }
            let mut last = false;
            for _ in 0..59 {
                queue.serve(|key, item| {
                    overtaken += u32::from(key != 0);
                    last |= key == 0 && *item == 63;
                    true
                });
            }
            if last {
                break;
            }
        }
        // It was queued before all of those.
        assert!(overtaken <= 900, "{overtaken}");
        assert!(queue.length <= 900 && queue.take_given_way() >= 64 - 900 / 60);
    }

    #[test]
    fn a_lane_that_was_long_keeps_no_memory() {
        let mut queue = FairQueue::new(8192, 16_384);
        for lane in 0..2 {
            for item in 0..8192 {
                queue.push(lane, item);
            }
        }
        while queue.length > 2 {
            queue.serve(|_, _| true);
        }
        assert!(queue.lanes.values().all(|lane| lane.capacity() <= 4 * SPARE_ITEMS), "{:?}", queue.lanes);
        all(&mut queue);
        assert!(queue.spare.iter().all(|lane| lane.capacity() <= SPARE_ITEMS));
    }

    #[test]
    fn what_is_not_taken_stays_first() {
        let mut queue = FairQueue::new(8, 8);
        queue.push(1, 10);
        assert!(!queue.serve(|_, _| false));
        assert_eq!(all(&mut queue), [(1, 10)]);
    }

    proptest! {
        #[test]
        fn bounds_hold_order_holds_and_each_item_is_served_or_dropped(
            pushes in prop::collection::vec((0_u8..6, prop::bool::ANY), 1..400), quantum in 1_usize..4
        ) {
            let mut queue = FairQueue::new(5, 16).with_quantum(quantum);
            let (mut dropped, mut served) = (0, Vec::new());
            for (number, &(key, serve)) in pushes.iter().enumerate() {
                dropped += usize::from(queue.push(key, number as u32));
                prop_assert!(queue.length <= 16 && queue.lanes.values().all(|lane| !lane.is_empty() && lane.len() <= 5));
                prop_assert_eq!(queue.turns.len(), queue.lanes.len());
                if serve {
                    queue.serve(|key, item| { served.push((key, *item)); true });
                }
            }
            served.extend(all(&mut queue));
            prop_assert_eq!(served.len() + dropped, pushes.len());
            for lane in 0..6 {
                let of_lane: Vec<u32> = served.iter().filter(|(key, _)| *key == lane).map(|(_, item)| *item).collect();
                prop_assert!(of_lane.is_sorted());
            }
        }
    }
}
