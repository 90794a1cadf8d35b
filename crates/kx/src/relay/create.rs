//! CREATE and CREATED: how a circuit begins at a hop.
//!
//! Half-received CREATEs are bounded in number and time. Each end of a link picks circuit numbers from its own half.

use super::{MAX_RELAYED, Relayed};
use crate::engine::{Engine, Side, Slot};
use crate::exchange::{End, Parting};
use crate::fragments::{Assembly, Fragment, split};
use crate::hop::HopKeys;
use crate::links::LinkId;
use crate::noise::{Handshake, Pattern};
use crate::outbox::Outbox;
use cell::layout::{BODY_BYTES, CellHeader, Command, DATAGRAM_BYTES, Datagram, body, body_mut};
use cell::window::ReplayWindow;
use std::time::Duration;

/// What one CREATE or CREATED cell carries: index, count, length u16, bytes.
pub const CREATE_FRAGMENT_BYTES: usize = BODY_BYTES - 4;
const CREATE_TIMEOUT: Duration = Duration::from_secs(5);
/// Half-received CREATEs; the oldest gives way, because those of honest peers are whole within one burst.
const MAX_CREATING: usize = 512;
/// Share of the table from which on one link must not have more.
const SHARE_OF_LINK: usize = MAX_RELAYED / 8;

/// A CREATE of which fragments are missing.
pub struct Creating {
    assembly: Assembly,
    started: Duration,
}

impl Creating {
    /// Whether it has taken too long.
    pub fn is_over(&self, now: Duration) -> bool {
        now >= self.started + CREATE_TIMEOUT
    }
}

impl Engine {
    /// A CREATE fragment: the previous hop, or the builder, wants a circuit through us.
    pub(crate) fn receive_create(
        &mut self,
        now: Duration,
        link: LinkId,
        header: CellHeader,
        datagram: &mut Datagram,
        out: &mut Outbox,
    ) {
        let key = (link, header.circuit);
        if let Some(Side::Previous(slot)) = self.sides.get(&key).copied() {
            let relayed = self.relayed.get_mut(slot);
            if relayed.is_some_and(|relayed| !relayed.created.is_empty() && relayed.may_repeat(now)) {
                self.send_created(now, slot, out);
            }
            return;
        }
        // Each end of a link picks circuit numbers from its own half.
        let by_dialler = header.circuit & 1 << 31 == 0;
        if self.sides.contains_key(&key) || self.links.is_dialled(link) == by_dialler {
            self.counters.circuits_refused += 1;
            return;
        }
        if !self.has_room_for(link) {
            return self.refuse_create(now, key, out);
        }
        let Some(fragment) = read_create(datagram) else {
            self.counters.cells_malformed += 1;
            return;
        };
        if self.creating.len() >= MAX_CREATING && !self.creating.contains_key(&key) {
            let oldest =
                self.creating.iter().min_by_key(|(_, creating)| creating.started).map(|(key, _)| *key);
            self.creating.remove(&oldest.unwrap_or(key));
        }
        let creating = self
            .creating
            .entry(key)
            .or_insert_with(|| Creating { assembly: Assembly::default(), started: now });
        let Some(message) = creating.assembly.add(fragment) else { return };
        self.creating.remove(&key);
        if !self.limits.allow(now, link) {
            // The builder will repeat itself.
            self.counters.circuits_over_limit += 1;
            return;
        }
        let answer = Handshake::respond(Pattern::Hop, Some(&self.hop.key), &message, &self.hop.certificate);
        let Some((secrets, created)) =
            answer.ok().and_then(|(mut handshake, created)| Some((handshake.secrets()?, created)))
        else {
            return self.refuse_create(now, key, out);
        };
        let keys = HopKeys::new(&secrets);
        self.last_serial += 1;
        let slot = self.relayed.insert(Relayed {
            serial: self.last_serial,
            previous: key,
            next: None,
            end: End::Open,
            last_forward: now,
            backward_next: keys.backward_start,
            keys,
            forward_window: ReplayWindow::new(header.sequence),
            created,
            request: (0, Assembly::default()),
            response: None,
            extending: None,
            answered_at: now,
            extends: 0,
            registers: 0,
            too_far_ahead: 0,
        });
        self.sides.insert(key, Side::Previous(slot));
        self.counters.circuits_relayed += 1;
        self.send_created(now, slot, out);
    }

    fn has_room_for(&self, link: LinkId) -> bool {
        let share =
            |bound| self.relayed.iter().filter(|(_, relayed)| relayed.previous.0 == link).count() < bound;
        self.relayed.len() < MAX_RELAYED && (self.relayed.len() < SHARE_OF_LINK || share(SHARE_OF_LINK))
    }

    fn refuse_create(&mut self, now: Duration, key: (LinkId, u32), out: &mut Outbox) {
        self.creating.remove(&key);
        self.counters.circuits_refused += 1;
        self.send_destroy(now, key.0, key.1, Parting::Broken, out);
    }

    fn send_created(&mut self, now: Duration, slot: Slot, out: &mut Outbox) {
        let Some(relayed) = self.relayed.get(slot) else { return };
        let (link, circuit) = relayed.previous;
        let header = CellHeader { circuit, command: Command::Created, sequence: relayed.keys.backward_start };
        for fragment in split(&relayed.created, CREATE_FRAGMENT_BYTES) {
            let mut datagram = write_create(header, fragment);
            self.links.send(now, link, &mut datagram, out);
        }
    }
}

/// A CREATE or CREATED cell: index, count, length, bytes in the body.
pub fn write_create(header: CellHeader, fragment: Fragment<'_>) -> Datagram {
    let mut datagram = [0; DATAGRAM_BYTES];
    header.write(&mut datagram);
    let body = body_mut(&mut datagram);
    body[0] = fragment.index;
    body[1] = fragment.count;
    body[2..4].copy_from_slice(&(fragment.bytes.len() as u16).to_be_bytes());
    body[4..4 + fragment.bytes.len()].copy_from_slice(fragment.bytes);
    datagram
}

/// The fragment in a CREATE or CREATED cell; `None` for an impossible length.
pub fn read_create(datagram: &Datagram) -> Option<Fragment<'_>> {
    let body = body(datagram);
    let length = usize::from(u16::from_be_bytes([body[2], body[3]]));
    Some(Fragment { index: body[0], count: body[1], bytes: body.get(4..4 + length)? })
}
