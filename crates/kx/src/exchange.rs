//! The exchange point: who is registered here, and which circuits are spliced.
//!
//! It sees flow numbers and sealed bytes, neither IP headers nor payload. A splice rewrites the flow number in place
//! and sends the same body on, so it allocates nothing.

use crate::control::{self, Denial, Response};
use crate::engine::{Engine, Slot};
use crate::outbox::Outbox;
use crate::peer::Identity;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use cell::layout::{
    BODY_AT, BODY_HEADER_BYTES, DATAGRAM_BYTES, Datagram, body, body_mut, read_body, read_u32, write_body,
};
use std::collections::HashMap;
use std::time::Duration;

const MAX_REGISTRATIONS: usize = 4096;
const MAX_FLOWS: usize = 256;
const FLOW_AT: usize = BODY_AT + BODY_HEADER_BYTES;

/// What a circuit that ends here is for.
pub enum End {
    /// Not decided: may be extended, register or connect.
    Open,
    /// Callers of this pseudo-identity are sent down this circuit.
    Incoming {
        /// Whose.
        pseudo_identity: Identity,
        /// Callers' circuits by flow number.
        flows: HashMap<u32, Slot>,
        /// Numbers are never used twice.
        next_flow: u32,
    },
    /// Spliced to an incoming circuit.
    Outgoing {
        /// Which.
        incoming: Slot,
        /// Under which number.
        flow: u32,
    },
}

/// A registration.
pub struct Registration {
    slot: Slot,
    token: [u8; 32],
}

impl Engine {
    pub(crate) fn register(
        &mut self,
        now: Duration,
        slot: Slot,
        pseudo_identity: Identity,
        token: [u8; 32],
        out: &mut Outbox,
    ) -> Response {
        let Some(relayed) = self.relayed.get(slot) else { return Response::Denied(Denial::Invalid) };
        if relayed.next.is_some() || !matches!(relayed.end, End::Open) {
            return Response::Denied(Denial::Invalid);
        }
        if let Some(known) = self.registrations.get(&pseudo_identity) {
            if verify_slices_are_equal(&known.token, &token).is_err() {
                self.counters.registrations_refused += 1;
                return Response::Denied(Denial::Taken);
            }
            // Its owner's older circuit gives way.
            let older = known.slot;
            self.remove_relayed(now, older, out);
        } else if self.registrations.len() >= MAX_REGISTRATIONS {
            self.counters.registrations_refused += 1;
            return Response::Denied(Denial::Full);
        }
        self.registrations.insert(pseudo_identity, Registration { slot, token });
        if let Some(relayed) = self.relayed.get_mut(slot) {
            relayed.end = End::Incoming { pseudo_identity, flows: HashMap::new(), next_flow: 1 };
        }
        self.counters.registrations += 1;
        Response::Done
    }

    pub(crate) fn splice(&mut self, slot: Slot, pseudo_identity: Identity) -> Response {
        let is_open = self
            .relayed
            .get(slot)
            .is_some_and(|relayed| relayed.next.is_none() && matches!(relayed.end, End::Open));
        if !is_open {
            return Response::Denied(Denial::Invalid);
        }
        let Some(incoming) = self.registrations.get(&pseudo_identity).map(|known| known.slot) else {
            self.counters.splices_refused += 1;
            return Response::Denied(Denial::Unknown);
        };
        let Some(End::Incoming { flows, next_flow, .. }) =
            self.relayed.get_mut(incoming).map(|relayed| &mut relayed.end)
        else {
            return Response::Denied(Denial::Unknown);
        };
        if flows.len() >= MAX_FLOWS {
            self.counters.splices_refused += 1;
            return Response::Denied(Denial::Full);
        }
        let flow = *next_flow;
        *next_flow = next_flow.wrapping_add(1);
        flows.insert(flow, slot);
        if let Some(relayed) = self.relayed.get_mut(slot) {
            relayed.end = End::Outgoing { incoming, flow };
        }
        self.counters.splices += 1;
        Response::Done
    }

    /// End-to-end bytes that reached the last hop: on to the spliced circuit.
    pub(crate) fn splice_forward(
        &mut self,
        now: Duration,
        slot: Slot,
        datagram: &mut Datagram,
        out: &mut Outbox,
    ) {
        #[cfg(feature = "attacks")]
        if let Some(mut tamper) = self.tamper_splice.take() {
            for mut cell in tamper(*datagram) {
                self.splice_forward(now, slot, &mut cell, out);
            }
            self.tamper_splice = Some(tamper);
            return;
        }
        if read_body(body(datagram)).is_none_or(|(_, payload)| payload.len() < 4) {
            self.counters.cells_malformed += 1;
            return;
        }
        let (to, flow) = match self.relayed.get(slot).map(|relayed| &relayed.end) {
            Some(End::Outgoing { incoming, flow }) => (*incoming, *flow),
            Some(End::Incoming { flows, .. }) => match flows.get(&read_u32(datagram, FLOW_AT)) {
                Some(&caller) => (caller, 0),
                None => return,
            },
            _ => return,
        };
        datagram[FLOW_AT..FLOW_AT + 4].copy_from_slice(&flow.to_be_bytes());
        self.counters.cells_relayed += 1;
        self.send_backward(now, to, datagram, out);
    }

    /// A circuit that ended here is gone: so is what it was spliced to.
    pub(crate) fn unsplice(&mut self, now: Duration, slot: Slot, end: End, out: &mut Outbox) {
        match end {
            End::Open => {}
            End::Incoming { pseudo_identity, flows, .. } => {
                if self.registrations.get(&pseudo_identity).is_some_and(|known| known.slot == slot) {
                    self.registrations.remove(&pseudo_identity);
                }
                for caller in flows.into_values() {
                    if let Some(relayed) = self.relayed.get_mut(caller) {
                        relayed.end = End::Open;
                    }
                    self.remove_relayed(now, caller, out);
                }
            }
            End::Outgoing { incoming, flow } => {
                if let Some(End::Incoming { flows, .. }) =
                    self.relayed.get_mut(incoming).map(|relayed| &mut relayed.end)
                    && flows.remove(&flow).is_some()
                {
                    let mut datagram = [0; DATAGRAM_BYTES];
                    write_body(body_mut(&mut datagram), control::FLOW_CLOSED, &flow.to_be_bytes());
                    self.send_backward(now, incoming, &mut datagram, out);
                }
            }
        }
    }
}
