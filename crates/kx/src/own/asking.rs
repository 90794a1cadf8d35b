//! What a builder asks of the exchange point, and the work that this may cost.

use super::Goal;
use crate::control::Request;
use crate::engine::{Engine, Slot};
use crate::outbox::Outbox;
use std::time::Duration;

impl Engine {
    /// What is asked of the exchange point. A registration that has expired is not shown: the token may still do.
    pub(super) fn last_request(&self, now: Duration, slot: Slot) -> Option<Request> {
        let own = self.own.get(slot)?;
        let (pseudo_identity, token) = match own.goal {
            Goal::Incoming { pseudo_identity, token } => (pseudo_identity, token),
            Goal::Outgoing { pseudo_identity, token } => {
                return Some(Request::Connect { pseudo_identity, token, answer: None });
            }
        };
        let unix_now = self.unix_start + now.as_secs();
        let registration = self.tunnels.get(&own.tunnel).and_then(|known| {
            known.extension.registration.as_ref().filter(|registration| registration.expiry() > unix_now)
        });
        let Some(registration) = registration else {
            return Some(Request::Register { pseudo_identity, token });
        };
        let (statement, proof) = registration.show(&own.hops.last()?.keys.binding)?;
        Some(Request::RegisterSigned { pseudo_identity, token, statement, proof })
    }

    /// A tunnel's first circuit has asked to be spliced: the other side is called at once.
    pub(super) fn call_ahead(&mut self, now: Duration, slot: Slot, out: &mut Outbox) {
        let Some(tunnel) = self.own.get(slot).map(|own| own.tunnel) else { return };
        if self.tunnels.get(&tunnel).is_some_and(|known| !known.ready && known.current.is_none()) {
            self.call_flow(now, tunnel, out);
        }
    }

    /// One turn at the exchange point's puzzle; its answer, if it is found. The time limit of the build bounds it.
    pub(super) fn solve(&mut self, now: Duration, slot: Slot, out: &mut Outbox) {
        let Some(own) = self.own.get_mut(slot) else { return };
        let (Goal::Outgoing { pseudo_identity, token }, Some(last)) = (own.goal, own.hops.last()) else {
            return;
        };
        let answer =
            own.solving.as_mut().and_then(|solver| solver.turn(&last.keys.binding, &pseudo_identity));
        if answer.is_none() {
            return self.tick_soon(now);
        }
        own.solving = None;
        self.request(now, slot, Request::Connect { pseudo_identity, token, answer }, out);
    }
}
