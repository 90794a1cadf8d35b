//! The table of links: by number, by peer, by identity; bounded in all and for one identity.
//!
//! Invariants: `by_peer`, `of_identity` and `answering` name only links that are in the table; whoever opens many links
//! crowds out his own oldest ones.

use super::{Link, LinkClosed, LinkEnd, LinkId, Links, State};
use crate::counters::Counters;
use crate::outbox::Outbox;
use crate::peer::Peer;
use std::net::SocketAddr;
use std::time::Duration;

const MAX_LINKS: usize = 1 << 14;
/// Both sides may have dialled, from several engines, on IPv4 and IPv6, and links are renewed while the old ones last.
const MAX_LINKS_PER_IDENTITY: usize = 16;
const SLOT_MASK: u32 = 0xffff;

impl Links {
    pub(super) fn insert(
        &mut self,
        address: SocketAddr,
        random: u64,
        state: impl FnOnce(LinkId) -> State,
    ) -> Option<LinkId> {
        if self.table.len() >= MAX_LINKS {
            return None;
        }
        let entry = self.table.vacant_entry();
        let random = random as u32 & !SLOT_MASK;
        // 0 stands for a number that is not known yet.
        let random = if random == 0 { SLOT_MASK + 1 } else { random };
        let id = self.shard.mark(random | entry.key() as u32);
        let state = state(id);
        entry.insert(Link { id, address, dialled: matches!(state, State::Dialing(_)), state });
        Some(id)
    }

    pub(super) fn get(&self, id: LinkId) -> Option<&Link> {
        self.table.get((id & SLOT_MASK) as usize).filter(|link| link.id == id)
    }

    pub(super) fn get_mut(&mut self, id: LinkId) -> Option<&mut Link> {
        self.table.get_mut((id & SLOT_MASK) as usize).filter(|link| link.id == id)
    }

    /// Some link to `address` that is up.
    #[cfg(feature = "attacks")]
    pub(crate) fn up_to(&self, address: SocketAddr) -> Option<LinkId> {
        let mut links = self.table.iter().map(|(_, link)| link);
        links.find(|link| link.address == address && matches!(link.state, State::Up(_))).map(|link| link.id)
    }

    /// All links that are up.
    #[cfg(feature = "attacks")]
    pub(crate) fn all_up(&self) -> Vec<LinkId> {
        let links = self.table.iter().map(|(_, link)| link);
        links.filter(|link| matches!(link.state, State::Up(_))).map(|link| link.id).collect()
    }

    /// A link is up. Older ones to the same peer at the same address may be of a time before it was started again:
    /// they are asked, and the new one is used from now on.
    pub(super) fn came_up(&mut self, now: Duration, id: LinkId, counters: &mut Counters, out: &mut Outbox) {
        let Some(Link { address, state: State::Up(session), .. }) = self.get(id) else { return };
        let peer = Peer { identity: session.identity, address: *address };
        counters.links_up += 1;
        let others = self.of_identity.entry(peer.identity).or_default();
        others.push(id);
        let crowded = (others.len() > MAX_LINKS_PER_IDENTITY).then(|| others[0]);
        for other in others.clone() {
            if other != id
                && let Some(Link { address, state: State::Up(session), .. }) = self.get_mut(other)
                && *address == peer.address
            {
                session.doubt(now, peer.address, out);
            }
        }
        // One that is being dialled has cells waiting and comes up by itself.
        let is_dialing =
            |known: &LinkId| self.get(*known).is_some_and(|link| matches!(link.state, State::Dialing(_)));
        if !self.by_peer.get(&peer).is_some_and(is_dialing) {
            self.by_peer.insert(peer, id);
        }
        if let Some(crowded) = crowded {
            self.close(crowded, LinkEnd::Crowded, counters);
        }
    }

    pub(super) fn close(&mut self, id: LinkId, end: LinkEnd, counters: &mut Counters) {
        if self.get(id).is_none() {
            return;
        }
        let link = self.table.remove((id & SLOT_MASK) as usize);
        let identity = match link.state {
            State::Answering(answering) => {
                self.answering.remove(&(link.address, answering.remote_index()));
                // Nobody knows of it yet.
                return;
            }
            State::Dialing(dialing) => {
                counters.links_failed += 1;
                self.dialing -= 1;
                dialing.identity()
            }
            State::Up(session) => {
                if let Some(others) = self.of_identity.get_mut(&session.identity) {
                    others.retain(|other| *other != id);
                    if others.is_empty() {
                        self.of_identity.remove(&session.identity);
                    }
                }
                session.identity
            }
        };
        let peer = Peer { identity, address: link.address };
        if self.by_peer.get(&peer) == Some(&id) {
            self.by_peer.remove(&peer);
            let others = self.of_identity.get(&identity).map(Vec::as_slice).unwrap_or_default();
            let newest = others.iter().rev().copied();
            if let Some(other) = newest
                .into_iter()
                .find(|other| self.get(*other).is_some_and(|link| link.address == peer.address))
            {
                self.by_peer.insert(peer, other);
            }
        }
        self.closed.push(LinkClosed { link: id, end });
    }
}
