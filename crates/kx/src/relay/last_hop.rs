//! The last hop's side of control: requests in, responses out, each answered once and repeated on demand.
//!
//! One request is under way at a time; its response is kept until the next, because the builder's retransmissions are
//! what drives everything.

use super::Relayed;
use crate::control::{self, CONTROL_FRAGMENT_BYTES, Denial, Request, Response};
use crate::engine::{Engine, Slot};
use crate::exchange::claim::{Claim, Signed};
use crate::exchange::puzzle::bits_of;
use crate::exchange::{End, Wish};
use crate::fragments::{Assembly, split};
use crate::outbox::Outbox;
use crate::peer::Identity;
use crate::registration::Statement;
use cell::layout::{DATAGRAM_BYTES, Datagram, body, body_mut, read_body, write_body};
use std::time::Duration;

const REPEAT_AFTER: Duration = Duration::from_millis(200);
/// Of one circuit. An honest builder asks once.
const MAX_REGISTERS: u8 = 4;

impl Relayed {
    pub(super) fn may_repeat(&mut self, now: Duration) -> bool {
        let may = now >= self.answered_at + REPEAT_AFTER;
        if may {
            self.answered_at = now;
        }
        may
    }
}

impl Engine {
    pub(super) fn receive_at_last_hop(
        &mut self,
        now: Duration,
        slot: Slot,
        sequence: u64,
        datagram: &mut Datagram,
        out: &mut Outbox,
    ) {
        let Some((command, payload)) = read_body(body(datagram)) else {
            self.counters.cells_malformed += 1;
            return;
        };
        match command {
            control::DATA => self.splice_forward(now, slot, datagram, out),
            control::REQUEST => {
                let Some((id, fragment)) = control::decode_fragment(payload) else {
                    self.counters.cells_malformed += 1;
                    return;
                };
                let Some(relayed) = self.relayed.get_mut(slot) else { return };
                if let Some((answered, _)) = relayed.response {
                    if answered == id {
                        if relayed.may_repeat(now) {
                            self.send_response(now, slot, out);
                        }
                        return;
                    }
                    // Late copies of earlier requests; and a hop that is not the last any more serves nothing new.
                    if answered.wrapping_sub(id) < 1 << 15 || relayed.next.is_some() {
                        return;
                    }
                }
                if relayed.extending.as_ref().is_some_and(|extending| extending.request == id) {
                    if relayed.may_repeat(now) {
                        self.send_create(now, slot, out);
                    }
                    return;
                }
                if relayed.request.0 != id {
                    relayed.request = (id, Assembly::default());
                }
                if let Some(message) = relayed.request.1.add(fragment) {
                    relayed.request.1.clear();
                    self.serve(now, slot, id, sequence, &message, out);
                }
            }
            _ => self.counters.cells_malformed += 1,
        }
    }

    fn serve(&mut self, now: Duration, slot: Slot, id: u16, sequence: u64, message: &[u8], out: &mut Outbox) {
        let Some(relayed) = self.relayed.get(slot) else { return };
        if relayed.end == End::Asked {
            // The answer to this very request is on its way.
            return;
        }
        let may_register = relayed.is_open() && relayed.registers < MAX_REGISTERS;
        let (link, end) = (relayed.previous.0, relayed.end);
        let Some(neighbour) = self.links.identity(link) else { return };
        let response = match Request::decode(message) {
            Some(Request::Extend { peer, handshake }) => {
                match self.extend(now, slot, id, sequence, peer, handshake, out) {
                    Ok(()) => return,
                    Err(denial) => Response::Denied(denial),
                }
            }
            Some(Request::Register { pseudo_identity, token }) => match self.may_register(slot) {
                Ok(()) => {
                    let claim = Claim { token, signed: None };
                    let wish = Wish::Register { pseudo_identity, claim, neighbour };
                    return self.ask_exchange(now, slot, id, wish, out);
                }
                Err(denial) => Response::Denied(denial),
            },
            Some(Request::RegisterSigned { pseudo_identity, token, statement, proof }) => {
                // Only what a circuit may still ask for takes from what its link may.
                if may_register && !self.limits.allow(now, link) {
                    // Signatures cost as much as a handshake. The builder will repeat itself.
                    self.counters.circuits_over_limit += 1;
                    return;
                }
                match self.check_claim(now, slot, &pseudo_identity, token, (statement, proof)) {
                    Ok(claim) => {
                        let wish = Wish::Register { pseudo_identity, claim, neighbour };
                        return self.ask_exchange(now, slot, id, wish, out);
                    }
                    Err(denial) => Response::Denied(denial),
                }
            }
            Some(Request::Connect { pseudo_identity, token, answer }) => {
                let worked =
                    answer.map_or(0, |answer| bits_of(&relayed.keys.binding, &pseudo_identity, answer));
                let wish = Wish::Connect { pseudo_identity, token, worked };
                return self.ask_exchange(now, slot, id, wish, out);
            }
            Some(Request::Ping) => {
                return self.ask_exchange(now, slot, id, Wish::Ping { end }, out);
            }
            None => Response::Denied(Denial::Invalid),
        };
        self.respond(now, slot, id, &response, out);
    }

    /// A circuit may ask a few times, and only while it is nothing yet.
    fn may_register(&mut self, slot: Slot) -> Result<(), Denial> {
        let relayed =
            self.relayed.get_mut(slot).filter(|relayed| relayed.is_open()).ok_or(Denial::Invalid)?;
        if relayed.registers >= MAX_REGISTERS {
            self.counters.registrations_refused += 1;
            return Err(Denial::Full);
        }
        relayed.registers += 1;
        Ok(())
    }

    /// By what right the builder registers, where it is signed for.
    fn check_claim(
        &mut self,
        now: Duration,
        slot: Slot,
        pseudo_identity: &Identity,
        token: [u8; 32],
        (statement, proof): (Statement, [u8; 64]),
    ) -> Result<Claim, Denial> {
        self.may_register(slot)?;
        let unix_now = self.unix_start + now.as_secs();
        let shown = self.relayed.get(slot).map(|relayed| (&*relayed.keys.binding, &proof));
        let verify = |shown| statement.verify(pseudo_identity, &self.identity, shown, unix_now);
        if shown.is_none_or(|shown| verify(shown).is_err()) {
            self.counters.registrations_invalid += 1;
            return Err(Denial::Invalid);
        }
        let Statement { key, time, expiry, .. } = statement;
        Ok(Claim { token, signed: Some(Signed { key, time, expiry }) })
    }

    pub(crate) fn respond(
        &mut self,
        now: Duration,
        slot: Slot,
        id: u16,
        response: &Response,
        out: &mut Outbox,
    ) {
        if let Some(relayed) = self.relayed.get_mut(slot) {
            relayed.response = Some((id, response.encode()));
            relayed.answered_at = now;
            self.send_response(now, slot, out);
        }
    }

    fn send_response(&mut self, now: Duration, slot: Slot, out: &mut Outbox) {
        let Some((id, response)) = self.relayed.get(slot).and_then(|relayed| relayed.response.clone()) else {
            return;
        };
        for fragment in split(&response, CONTROL_FRAGMENT_BYTES) {
            let mut datagram = [0; DATAGRAM_BYTES];
            write_body(body_mut(&mut datagram), control::RESPONSE, &control::encode_fragment(id, fragment));
            self.send_backward(now, slot, &mut datagram, out);
        }
    }
}
