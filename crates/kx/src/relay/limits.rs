//! How many circuits the neighbours may begin, extend and register with a signature: each costs a handshake or as much, and
//! a flood of them must not cost the calls.
//!
//! A token bucket for each link and one for all together. A link that has asked for little is served even when the common
//! one is empty, so whoever floods locks out himself.

use crate::links::LinkId;
use std::collections::HashMap;
use std::time::Duration;

/// Handshakes a second that a link may ask for over time, and at once.
const LINK: Rate = Rate { per_second: 100, most: 400 };
/// The same for all links together: about a fifth of a core.
const ALL: Rate = Rate { per_second: 3_000, most: 3_000 };
/// A link that has this much left is served in any case.
const MODEST: u64 = (LINK.most * 3 / 4) as u64 * SCALE;
/// Parts of a token, so that a tick of the clock counts.
const SCALE: u64 = 1_000_000;

struct Rate {
    per_second: u32,
    most: u32,
}

struct Bucket {
    parts: u64,
    at: Duration,
}

impl Bucket {
    fn full(rate: &Rate, now: Duration) -> Self {
        Self { parts: u64::from(rate.most) * SCALE, at: now }
    }

    fn refill(&mut self, rate: &Rate, now: Duration) {
        let gained = now.saturating_sub(self.at).as_micros() * u128::from(rate.per_second);
        let most = u64::from(rate.most) * SCALE;
        self.parts = most.min(self.parts.saturating_add(u64::try_from(gained).unwrap_or(most)));
        self.at = now;
    }

    fn is_full(&self, rate: &Rate) -> bool {
        self.parts >= u64::from(rate.most) * SCALE
    }
}

/// What the links have asked for lately.
pub(crate) struct Limits {
    links: HashMap<LinkId, Bucket>,
    all: Option<Bucket>,
}

impl Limits {
    pub(crate) fn new() -> Self {
        Self { links: HashMap::new(), all: None }
    }

    /// Whether `link` may have one more handshake now.
    pub(crate) fn allow(&mut self, now: Duration, link: LinkId) -> bool {
        let bucket = self.links.entry(link).or_insert_with(|| Bucket::full(&LINK, now));
        bucket.refill(&LINK, now);
        let all = self.all.get_or_insert_with(|| Bucket::full(&ALL, now));
        all.refill(&ALL, now);
        if bucket.parts < SCALE || (all.parts < SCALE && bucket.parts < MODEST) {
            return false;
        }
        bucket.parts -= SCALE;
        all.parts = all.parts.saturating_sub(SCALE);
        true
    }

    /// Forgets links that have asked for nothing lately, those that are gone among them.
    pub(crate) fn tick(&mut self, now: Duration) {
        self.links.retain(|_, bucket| {
            bucket.refill(&LINK, now);
            !bucket.is_full(&LINK)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_link_has_its_burst_and_then_its_rate() {
        let mut limits = Limits::new();
        let served = (0..1000).filter(|_| limits.allow(Duration::from_secs(1), 7)).count();
        assert_eq!(served, LINK.most as usize);
        let served = (0..1000).filter(|_| limits.allow(Duration::from_secs(2), 7)).count();
        assert_eq!(served, LINK.per_second as usize);
    }

    #[test]
    fn a_flood_from_many_links_leaves_room_for_one_that_asks_little() {
        let mut limits = Limits::new();
        let now = Duration::from_secs(1);
        let flood = (0..100 * 400).filter(|n| limits.allow(now, n % 100)).count();
        assert!(flood < 100 * 110, "{flood}");
        assert!(limits.allow(now, 1000));
        assert!(!limits.allow(now, 1));
    }

    #[test]
    fn links_that_ask_nothing_any_more_are_forgotten() {
        let mut limits = Limits::new();
        for link in 0..50 {
            limits.allow(Duration::from_secs(1), link);
        }
        limits.tick(Duration::from_secs(2));
        assert!(limits.links.is_empty());
    }
}
