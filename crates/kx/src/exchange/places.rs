//! By whose links the registrations came: where there is no place left, whoever has brought the most gives one up.
//!
//! A registration counts for the peer at the other end of the link by which it came, which may be its owner or any relay. So an
//! attacker who fills the table has to bring each part of it by another peer, and an honest newcomer still finds a place by any
//! relay that has brought fewer.

use super::{Exchange, ExchangeId};
use crate::peer::Identity;
use std::collections::HashMap;

/// How many each neighbour has brought.
#[derive(Default)]
pub(crate) struct Places {
    taken: HashMap<Identity, usize>,
}

impl Places {
    pub(super) fn take(&mut self, neighbour: Identity) {
        *self.taken.entry(neighbour).or_default() += 1;
    }

    pub(super) fn leave(&mut self, neighbour: &Identity) {
        if let Some(count) = self.taken.get_mut(neighbour) {
            *count -= 1;
            if *count == 0 {
                self.taken.remove(neighbour);
            }
        }
    }

    /// Who gives way to one that `newcomer` brings; `None` where the newcomer would then have the most.
    fn who_gives_way_to(&self, newcomer: &Identity) -> Option<Identity> {
        let own = self.taken.get(newcomer).copied().unwrap_or_default();
        let (most, count) = self.taken.iter().max_by_key(|(_, count)| **count)?;
        (*count > own + 1).then_some(*most)
    }

    /// The registration that gives way: rather an unsigned one, rather one that nobody calls, rather a new one.
    pub(super) fn which_gives_way<'a>(
        &self,
        exchanges: impl Iterator<Item = (&'a ExchangeId, &'a Exchange)>,
        newcomer: &Identity,
    ) -> Option<ExchangeId> {
        let neighbour = self.who_gives_way_to(newcomer)?;
        exchanges
            .filter(|(_, exchange)| exchange.neighbour == neighbour)
            .map(|(id, exchange)| (exchange.held_by.signed.is_none(), exchange.callers.is_empty(), *id))
            .max()
            .map(|(.., id)| id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(counts: &[(u8, usize)]) -> Places {
        let mut places = Places::default();
        for &(neighbour, count) in counts {
            (0..count).for_each(|_| places.take([neighbour; 32]));
        }
        places
    }

    #[test]
    fn whoever_has_brought_the_most_gives_way_until_all_have_as_many() {
        let mut places = taken(&[(1, 10), (2, 4)]);
        let mut given = 0;
        while let Some(neighbour) = places.who_gives_way_to(&[3; 32]) {
            places.leave(&neighbour);
            places.take([3; 32]);
            given += 1;
        }
        assert_eq!(given, 5);
        assert_eq!(places.taken, HashMap::from([([1; 32], 5), ([2; 32], 4), ([3; 32], 5)]));
    }

    #[test]
    fn nobody_gives_way_to_whoever_has_the_most() {
        assert_eq!(taken(&[(1, 10), (2, 10)]).who_gives_way_to(&[1; 32]), None);
        assert_eq!(taken(&[(1, 10), (2, 9)]).who_gives_way_to(&[2; 32]), None);
        assert_eq!(taken(&[]).who_gives_way_to(&[1; 32]), None);
    }
}
