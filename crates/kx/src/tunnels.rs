//! Tunnels: what lasts while circuits come and go.
//!
//! A tunnel has a current circuit; rotation builds a successor to the same exchange point, which takes over when it has
//! registered or connected with the tunnel's token, and the old circuit stays a moment for cells under way. A tunnel
//! whose circuit breaks keeps its flows for a while, so that a successor can repair it. Which peers a path takes, and
//! when, is not decided here.

use crate::engine::{Engine, Slot};
use crate::event::{Command, Event, Extension, Failure, TunnelId};
use crate::exchange::{GRACE, Parting};
use crate::outbox::Outbox;
use crate::own::Goal;
use crate::peer::Peer;
use std::time::Duration;

/// How long an old circuit stays after its successor has taken over.
const OVERLAP: Duration = Duration::from_secs(3);

/// A tunnel is called lossy at most so often, whatever its flows and circuits say.
const LOSSY_EVERY: Duration = Duration::from_secs(30);

/// One tunnel.
pub struct Tunnel {
    /// What it is for.
    pub goal: Goal,
    /// READY was told.
    pub ready: bool,
    /// Carries the flows; missing while it is first built or broken.
    pub current: Option<Slot>,
    /// Being built.
    pub successor: Option<Slot>,
    retiring: Vec<(Slot, Duration)>,
    broken_since: Option<Duration>,
    /// Ends by itself after so long without traffic.
    reap_after: Option<Duration>,
    /// When it was last seen to be used.
    pub(crate) used_at: Duration,
    /// Until when nothing is said of losses: other hops get their time, and no caller can keep a callee rotating.
    pub(crate) lossy_until: Duration,
    /// What BUILD itself does not say.
    pub(crate) extension: Extension,
}

impl Engine {
    /// Begins a tunnel; failures come as events.
    pub(crate) fn open_tunnel(
        &mut self,
        now: Duration,
        tunnel: TunnelId,
        path: Vec<Peer>,
        goal: Goal,
        out: &mut Outbox,
    ) {
        if self.tunnels.contains_key(&tunnel) {
            return out.events.push(Event::TunnelFailed { tunnel, failure: Failure::Invalid, hop: 0 });
        }
        match self.build(now, tunnel, path, goal, out) {
            Ok(slot) => {
                let successor = Some(slot);
                let new = Tunnel {
                    goal,
                    ready: false,
                    current: None,
                    successor,
                    retiring: Vec::new(),
                    broken_since: None,
                    reap_after: None,
                    used_at: now,
                    lossy_until: now,
                    extension: self
                        .told_ahead
                        .take_if(|(told, _)| *told == tunnel)
                        .map(|(_, e)| e)
                        .unwrap_or_default(),
                };
                self.tunnels.insert(tunnel, new);
            }
            Err(failure) => out.events.push(Event::TunnelFailed { tunnel, failure, hop: 0 }),
        }
    }

    /// Builds a successor of the tunnel's circuit along `path`, in place of one that is being built.
    pub(crate) fn rotate(&mut self, now: Duration, tunnel: TunnelId, path: Vec<Peer>, out: &mut Outbox) {
        let Some(known) = self.tunnels.get_mut(&tunnel).filter(|known| known.ready) else {
            return out.events.push(Event::RotationFailed { tunnel, failure: Failure::Invalid, hop: 0 });
        };
        let goal = known.goal;
        if let Some(slow) = known.successor.take() {
            self.remove_own(now, slow, Parting::Broken, out);
        }
        match self.build(now, tunnel, path, goal, out) {
            Ok(slot) => {
                if let Some(known) = self.tunnels.get_mut(&tunnel) {
                    known.successor = Some(slot);
                }
            }
            Err(failure) => out.events.push(Event::RotationFailed { tunnel, failure, hop: 0 }),
        }
    }

    /// Frees everything of a tunnel.
    pub(crate) fn close_tunnel(&mut self, now: Duration, tunnel: TunnelId, out: &mut Outbox) {
        let Some(known) = self.tunnels.remove(&tunnel) else { return };
        let retiring = known.retiring.iter().map(|(slot, _)| *slot);
        for slot in retiring.chain(known.current).chain(known.successor).collect::<Vec<_>>() {
            self.remove_own(now, slot, Parting::Finished, out);
        }
        self.close_flows(tunnel);
    }

    /// A circuit has registered or connected: it carries the tunnel from now on. `true` the first time.
    pub(crate) fn promote(&mut self, now: Duration, tunnel: TunnelId, slot: Slot) -> bool {
        let Some(known) = self.tunnels.get_mut(&tunnel) else { return false };
        known.successor = None;
        known.broken_since = None;
        if let Some(old) = known.current.replace(slot) {
            known.retiring.push((old, now + OVERLAP));
        }
        !known.ready
    }

    /// READY, or that a successor has taken over.
    pub(crate) fn tell_ready(
        &mut self,
        tunnel: TunnelId,
        address: Option<std::net::IpAddr>,
        out: &mut Outbox,
    ) {
        if let Some(known) = self.tunnels.get_mut(&tunnel) {
            known.ready = true;
            let circuit = known.current.and_then(|slot| self.own.get(slot));
            let steps = circuit.map(|own| own.steps.clone()).unwrap_or_default();
            out.events.push(Event::TunnelReady { tunnel, address, steps });
        }
    }

    /// What goes through a tunnel is lost or held up, though it seems to be there.
    pub(crate) fn ask_for_other_hops(&mut self, now: Duration, tunnel: TunnelId, out: &mut Outbox) {
        if let Some(known) = self.tunnels.get_mut(&tunnel).filter(|known| now >= known.lossy_until) {
            known.lossy_until = now + LOSSY_EVERY;
            out.events.push(Event::TunnelLossy { tunnel });
        }
    }

    /// A circuit of a tunnel is gone; `over`: the other side has ended the tunnel.
    pub(crate) fn circuit_gone(
        &mut self,
        now: Duration,
        tunnel: TunnelId,
        slot: Slot,
        (failure, hop, over): (Failure, u8, bool),
        out: &mut Outbox,
    ) {
        let Some(known) = self.tunnels.get_mut(&tunnel) else { return };
        known.retiring.retain(|(other, _)| *other != slot);
        if !known.ready {
            out.events.push(Event::TunnelFailed { tunnel, failure, hop });
            return self.close_tunnel(now, tunnel, out);
        }
        if known.successor == Some(slot) {
            known.successor = None;
            out.events.push(Event::RotationFailed { tunnel, failure, hop });
        } else if known.current == Some(slot) {
            known.current = None;
            if over {
                out.events.push(Event::TunnelClosed { tunnel, failure });
                return self.close_tunnel(now, tunnel, out);
            }
            known.broken_since = Some(now);
            out.events.push(Event::TunnelBroken { tunnel, failure });
        }
    }

    /// Retires old circuits, gives up tunnels that nobody repairs or uses.
    pub(crate) fn tick_tunnels(&mut self, now: Duration, out: &mut Outbox) {
        let mut retired = Vec::new();
        let mut over = Vec::new();
        for (&tunnel, known) in &mut self.tunnels {
            retired.extend(known.retiring.extract_if(.., |(_, until)| *until <= now).map(|(slot, _)| slot));
            if known.broken_since.is_some_and(|since| now >= since + GRACE) {
                over.push((tunnel, Failure::Timeout));
            }
            if known.reap_after.is_some_and(|after| now >= known.used_at + after) {
                let flows = self.flows.iter().map(|(_, flow)| flow).filter(|flow| flow.tunnel == tunnel);
                known.used_at = flows.map(|flow| flow.last_used).fold(known.used_at, Duration::max);
                if known.reap_after.is_some_and(|after| now >= known.used_at + after) {
                    over.push((tunnel, Failure::Idle));
                }
            }
        }
        for slot in retired {
            self.remove_own(now, slot, Parting::Finished, out);
        }
        for (tunnel, failure) in over {
            out.events.push(Event::TunnelClosed { tunnel, failure });
            self.close_tunnel(now, tunnel, out);
        }
    }

    /// What the orchestration wants.
    pub(crate) fn handle_order(&mut self, now: Duration, order: Command, out: &mut Outbox) {
        match order {
            Command::BuildIncoming { tunnel, pseudo_identity, path, token } => {
                self.open_tunnel(now, tunnel, path, Goal::Incoming { pseudo_identity, token }, out);
            }
            Command::BuildOutgoing { tunnel, pseudo_identity, path, token } if self.tun.is_some() => {
                self.open_tunnel(now, tunnel, path, Goal::Outgoing { pseudo_identity, token }, out);
            }
            Command::BuildOutgoing { tunnel, .. } => {
                out.events.push(Event::TunnelFailed { tunnel, failure: Failure::Exhausted, hop: 0 });
            }
            Command::Rotate { tunnel, path } => self.rotate(now, tunnel, path, out),
            Command::Destroy { tunnel } => self.close_tunnel(now, tunnel, out),
            Command::SetExtension { tunnel, extension } => match self.tunnels.get_mut(&tunnel) {
                Some(known) => known.extension.renew(*extension),
                None => self.told_ahead = Some((tunnel, *extension)),
            },
            Command::Reap { tunnel, after } => {
                if let Some(known) = self.tunnels.get_mut(&tunnel) {
                    (known.reap_after, known.used_at) = (after, now);
                }
            }
            Command::Cover { calls, peers } => self.links.cover(now, calls, &peers, out),
            Command::Renew { link, hop } => {
                self.links.renew(*link);
                self.hop = *hop;
            }
            #[cfg(feature = "attacks")]
            Command::Attack(attack) => self.begin_lie(now, attack),
        }
    }
}
