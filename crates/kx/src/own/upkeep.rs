//! What keeps a circuit of our own going, and what ends it: repetitions, pings, time limits, lost links, failure.

use super::{BUILD_TIMEOUT, Goal, LONGEST_WAIT, Own, STEP_TIMEOUT};
use crate::control::Request;
use crate::engine::{Engine, Side, Slot};
use crate::event::{Event, Failure};
use crate::exchange::Parting;
use crate::links::LinkEnd;
use crate::outbox::Outbox;
use std::time::Duration;

/// So long after a circuit was given up the two ends still miss what it has lost: no reason to give up the next one.
const MISSED_FOR: Duration = Duration::from_secs(10);

impl Own {
    /// How long the last hop took to answer its handshake; `None` where it had to be asked again.
    fn built_within(&self) -> Option<Duration> {
        self.steps.last().filter(|step| !step.is_zero()).copied()
    }
}

impl Engine {
    /// The exchange point has answered a ping. A hop that holds cells up drops none: it is found by this alone.
    pub(super) fn note_ping(&mut self, now: Duration, slot: Slot, started: Duration, out: &mut Outbox) {
        let Some(own) = self.own.get_mut(slot) else { return };
        let built = own.built_within();
        if !own.pulse.is_slow(now, now.saturating_sub(started), built) {
            return;
        }
        let tunnel = own.tunnel;
        self.counters.circuits_slow += 1;
        if self.tunnels.get(&tunnel).is_some_and(|known| known.current == Some(slot)) {
            self.ask_for_other_hops(now, tunnel, out);
        }
    }

    /// A ping has gone out again. A circuit that the exchange point does not answer on is not waited for: whatever else is said on it is
    /// lost as well. It is the circuit's own fault, so its tunnel may ask for other hops as often as that happens.
    fn note_repetition(&mut self, now: Duration, slot: Slot, out: &mut Outbox) {
        let Some(own) = self.own.get_mut(slot).filter(|own| own.ready) else { return };
        let Some(started) = own.pending.as_ref().map(|pending| pending.started) else { return };
        let built = own.built_within();
        if !own.pulse.is_unanswered(now.saturating_sub(started), built) {
            return;
        }
        let tunnel = own.tunnel;
        self.counters.circuits_unanswered += 1;
        if let Some(known) = self.tunnels.get_mut(&tunnel).filter(|known| known.current == Some(slot)) {
            // What the two ends miss just now is what this circuit has lost.
            known.lossy_until = known.lossy_until.max(now + MISSED_FOR);
            out.events.push(Event::TunnelLossy { tunnel });
        }
    }

    /// Repeats, pings, gives up.
    pub(crate) fn tick_own(&mut self, now: Duration, out: &mut Outbox) {
        let slots: Vec<Slot> = self.own.iter().map(|(slot, _)| slot).collect();
        for slot in slots {
            let Some(own) = self.own.get_mut(slot) else { continue };
            if !own.ready && now >= own.started + BUILD_TIMEOUT {
                self.fail_own(now, slot, Failure::Timeout, Parting::Broken, out);
            } else if own.solving.is_some() {
                self.solve(now, slot, out);
            } else if let Some(pending) = &mut own.pending {
                if now >= pending.started + STEP_TIMEOUT {
                    self.fail_own(now, slot, Failure::Timeout, Parting::Broken, out);
                } else if now >= pending.repeat_at {
                    pending.wait = (pending.wait * 3 / 2).min(LONGEST_WAIT);
                    pending.repeat_at = now + pending.wait;
                    self.send_pending(now, slot, out);
                    self.note_repetition(now, slot, out);
                }
            } else if own.ready && own.pulse.asks(now) {
                self.request(now, slot, Request::Ping, out);
            }
        }
    }

    /// The link to the first hop is gone.
    pub(crate) fn own_link_lost(&mut self, now: Duration, slot: Slot, end: LinkEnd, out: &mut Outbox) {
        if end == LinkEnd::Lost && self.redial(now, slot, out).is_some() {
            return self.send_pending(now, slot, out);
        }
        let failure = match end {
            LinkEnd::WrongIdentity => Failure::WrongIdentity,
            LinkEnd::Refused => Failure::Refused,
            LinkEnd::Timeout | LinkEnd::Lost | LinkEnd::Expired | LinkEnd::Crowded | LinkEnd::Idle => {
                Failure::Unreachable
            }
        };
        self.fail_own(now, slot, failure, Parting::Broken, out);
    }

    /// A new link and circuit for a CREATE that went over a link which the first hop had forgotten.
    fn redial(&mut self, now: Duration, slot: Slot, out: &mut Outbox) -> Option<()> {
        let own = self.own.get(slot).filter(|own| own.hops.is_empty() && !own.redialled)?;
        let (peer, before) = (*own.path.first()?, (own.link, own.circuit));
        let random = (self.random)();
        let link = self.links.connect(now, peer, random, out)?;
        let circuit = self.free_circuit(link)?;
        let own = self.own.get_mut(slot)?;
        (own.link, own.circuit, own.redialled) = (link, circuit, true);
        if let Some(pending) = &mut own.pending {
            pending.answer.clear();
        }
        self.sides.remove(&before);
        self.sides.insert((link, circuit), Side::Own(slot));
        Some(())
    }

    /// The exchange point knows the circuit and not what it is for. The owner registers again, with new flows; a caller's
    /// flow is gone.
    pub(super) fn forgotten(&mut self, now: Duration, slot: Slot, out: &mut Outbox) {
        let Some(own) = self.own.get(slot) else { return };
        let parting = match own.goal {
            Goal::Incoming { .. } => Parting::Broken,
            Goal::Outgoing { .. } => Parting::Finished,
        };
        if self.tunnels.get(&own.tunnel).is_some_and(|known| known.current == Some(slot)) {
            self.close_flows(own.tunnel);
        }
        self.fail_own(now, slot, Failure::UnknownPseudoIdentity, parting, out);
    }

    /// Forgets the circuit at every hop and lets its tunnel know.
    pub(crate) fn fail_own(
        &mut self,
        now: Duration,
        slot: Slot,
        failure: Failure,
        parting: Parting,
        out: &mut Outbox,
    ) {
        let Some(own) = self.own.get(slot) else { return };
        let (tunnel, hop) = (own.tunnel, own.hops.len() as u8);
        self.remove_own(now, slot, parting, out);
        let over = parting == Parting::Finished;
        self.circuit_gone(now, tunnel, slot, (failure, hop, over), out);
    }

    /// Forgets the circuit at every hop.
    pub(crate) fn remove_own(&mut self, now: Duration, slot: Slot, parting: Parting, out: &mut Outbox) {
        let Some(own) = self.own.try_remove(slot) else { return };
        self.sides.remove(&(own.link, own.circuit));
        self.send_destroy(now, own.link, own.circuit, parting, out);
    }
}
