//! The close look at links that carry circuits: a dead one is found within a fraction of a second.
//!
//! Only those links are looked at, so an idle peer with thousands of links does nothing here.

use super::liveness::Verdict;
use super::{Link, LinkClosed, LinkId, Links, State};
use crate::counters::Counters;
use crate::outbox::Outbox;
use std::time::Duration;

const WATCH_EVERY: Duration = Duration::from_millis(20);
/// A look that comes later than this tells of a stall of this peer, not of the others.
const STALLED_AFTER: Duration = Duration::from_millis(60);

impl Links {
    pub(super) fn begin_watch(&mut self, now: Duration, id: LinkId) {
        self.watched.push(id);
        self.next_watch.get_or_insert(now + WATCH_EVERY);
    }

    pub(super) fn watch(&mut self, now: Duration, counters: &mut Counters, out: &mut Outbox) {
        let Some(at) = self.next_watch.filter(|at| *at <= now) else { return };
        let stalled = now >= at + STALLED_AFTER;
        let mut ended: Vec<LinkClosed> = Vec::new();
        let mut watched = std::mem::take(&mut self.watched);
        watched.retain(|&id| {
            let Some(Link { address, state: State::Up(session), .. }) = self.get_mut(id) else {
                return false;
            };
            let address = *address;
            match session.watch(now, stalled, address, out) {
                Verdict::End(end) => {
                    ended.push(LinkClosed { link: id, end });
                    false
                }
                Verdict::Release => false,
                Verdict::Nothing | Verdict::Pad(_) => true,
            }
        });
        self.watched = watched;
        self.next_watch = (!self.watched.is_empty()).then_some(now + WATCH_EVERY);
        for LinkClosed { link, end } in ended {
            counters.links_silent += 1;
            self.close(link, end, counters);
        }
    }
}
