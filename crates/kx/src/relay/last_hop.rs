//! The last hop's side of control: requests in, responses out, each answered once and repeated on demand.
//!
//! One request is under way at a time; its response is kept until the next, because the builder's retransmissions are
//! what drives everything.

use super::Relayed;
use crate::control::{self, CONTROL_FRAGMENT_BYTES, Denial, Request, Response};
use crate::engine::{Engine, Slot};
use crate::exchange::Wish;
use crate::exchange::claim::{Claim, Signed};
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
        let response = match Request::decode(message) {
            Some(Request::Extend { peer, handshake }) => {
                match self.extend(now, slot, id, sequence, peer, handshake, out) {
                    Ok(()) => return,
                    Err(denial) => Response::Denied(denial),
                }
            }
            Some(Request::Register { pseudo_identity, token }) => {
                match self.claim(now, slot, &pseudo_identity, token, None) {
                    Ok(claim) => {
                        return self.ask_exchange(
                            now,
                            slot,
                            id,
                            Wish::Register { pseudo_identity, claim },
                            out,
                        );
                    }
                    Err(denial) => Response::Denied(denial),
                }
            }
            Some(Request::RegisterSigned { pseudo_identity, token, statement, proof }) => {
                match self.claim(now, slot, &pseudo_identity, token, Some((statement, proof))) {
                    Ok(claim) => {
                        return self.ask_exchange(
                            now,
                            slot,
                            id,
                            Wish::Register { pseudo_identity, claim },
                            out,
                        );
                    }
                    Err(denial) => Response::Denied(denial),
                }
            }
            Some(Request::Connect { pseudo_identity, token }) => {
                return self.ask_exchange(now, slot, id, Wish::Connect { pseudo_identity, token }, out);
            }
            Some(Request::Ping) => {
                let Some(end) = self.relayed.get(slot).map(|relayed| relayed.end) else { return };
                return self.ask_exchange(now, slot, id, Wish::Ping { end }, out);
            }
            None => Response::Denied(Denial::Invalid),
        };
        self.respond(now, slot, id, &response, out);
    }

    /// By what right the builder registers. Signatures cost: a circuit may ask a few times.
    fn claim(
        &mut self,
        now: Duration,
        slot: Slot,
        pseudo_identity: &Identity,
        token: [u8; 32],
        signed: Option<(Statement, [u8; 64])>,
    ) -> Result<Claim, Denial> {
        let relayed = self.relayed.get_mut(slot).ok_or(Denial::Invalid)?;
        if relayed.registers >= MAX_REGISTERS {
            self.counters.registrations_refused += 1;
            return Err(Denial::Full);
        }
        relayed.registers += 1;
        let Some((statement, proof)) = signed else { return Ok(Claim { token, signed: None }) };
        let unix_now = self.unix_start + now.as_secs();
        let shown = (&relayed.keys.binding, &proof);
        if statement.verify(pseudo_identity, &self.identity, shown, unix_now).is_err() {
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
