//! Which links are covered: those to the first hops that the orchestration names, dialled where they are missing.

use super::cover::Cover;
use super::{Link, LinkId, Links, State};
use crate::counters::Counters;
use crate::outbox::Outbox;
use crate::peer::Peer;
use std::time::Duration;

/// First hops that are covered at once; the slow beat is shared among them.
const MAX_COVERED: usize = 4;
/// A covered peer that is not there is dialled again after this long.
const DIAL_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// What the orchestration wants covered.
#[derive(Default)]
pub(super) struct Covering {
    calls: u8,
    peers: Vec<Peer>,
    links: Vec<LinkId>,
    dial_at: Duration,
}

impl Covering {
    /// When cover wants a look, where anything is covered.
    pub(super) fn next_timeout(&self, links: &Links) -> Option<Duration> {
        let beats = self.links.iter().filter_map(|&id| match &links.get(id)?.state {
            State::Up(session) => session.next_beat(),
            _ => None,
        });
        let dial = (!self.peers.is_empty()).then_some(self.dial_at);
        beats.chain(dial).min()
    }
}

impl Link {
    fn is_covered(&self) -> bool {
        matches!(&self.state, State::Up(session) if session.next_beat().is_some())
    }
}

impl Links {
    /// Covers the links to `peers` for `calls` calls at once; no calls or no peers: none.
    pub fn cover(&mut self, now: Duration, calls: u8, peers: &[Peer], out: &mut Outbox) {
        let mut wanted = if calls == 0 { Vec::new() } else { peers.to_vec() };
        wanted.truncate(MAX_COVERED);
        if self.covering.calls == calls && self.covering.peers == wanted {
            return;
        }
        for id in std::mem::take(&mut self.covering.links) {
            if let Some(Link { address, state: State::Up(session), .. }) = self.get_mut(id) {
                session.set_cover(now, None, *address, out);
            }
        }
        self.covering = Covering { calls, peers: wanted, links: Vec::new(), dial_at: now };
    }

    /// A call begins or goes on through a link.
    pub fn raise_cover(&mut self, now: Duration, link: LinkId) {
        if let Some(Link { state: State::Up(session), .. }) = self.get_mut(link) {
            session.raise_cover(now);
        }
    }

    /// Beats, and looks after links that have gone.
    pub(super) fn tick_cover(
        &mut self,
        now: Duration,
        random: &mut dyn FnMut() -> u64,
        counters: &mut Counters,
        out: &mut Outbox,
    ) {
        if self.covering.next_timeout(self).is_none_or(|at| at > now) {
            return;
        }
        let covering = std::mem::take(&mut self.covering);
        if now >= covering.dial_at {
            self.covering = self.dial_covered(now, covering, random, out);
        } else {
            self.covering = covering;
        }
        for at in 0..self.covering.links.len() {
            let id = self.covering.links[at];
            if let Some(Link { address, state: State::Up(session), .. }) = self.get_mut(id) {
                let address = *address;
                counters.cover_sent += u64::from(session.beat(now, address, out));
            }
        }
    }

    /// A link to each covered peer, cover on those that are up and have none.
    fn dial_covered(
        &mut self,
        now: Duration,
        covering: Covering,
        random: &mut dyn FnMut() -> u64,
        out: &mut Outbox,
    ) -> Covering {
        let Covering { calls, peers, links: before, .. } = covering;
        let count = peers.len() as u32;
        let mut links = Vec::new();
        let mut missing = false;
        for peer in &peers {
            let Some(id) = self.connect(now, *peer, random(), out) else { continue };
            match self.get_mut(id) {
                Some(Link { address, state: State::Up(session), .. }) => {
                    if session.next_beat().is_none() {
                        session.set_cover(now, Some(Cover::new(now, calls, count)), *address, out);
                    }
                    links.push(id);
                }
                _ => missing = true,
            }
        }
        // One in whose place another has come, or is to come, keeps its beat while circuits are on it: their cells wait for that.
        for id in before {
            if !links.contains(&id) && self.get(id).is_some_and(Link::is_covered) {
                links.push(id);
            }
        }
        // A link that is being dialled is up within a second, or will not be for a while.
        let again = if missing { Duration::from_secs(1) } else { DIAL_AGAIN_AFTER };
        Covering { calls, peers, links, dial_at: now + again }
    }
}
