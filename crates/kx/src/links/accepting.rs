//! The answering side of a link handshake: messages 1 and 3 of strangers who have shown a cookie.
//!
//! Invariants: no state before a valid cookie; handshakes under way are bounded, in all and for one source address; an
//! RSA verification happens only after message 3 has decrypted.

use super::session::Session;
use super::{Link, LinkEnd, Links, SLOT_MASK, State};
use crate::counters::Counters;
use crate::dialing::Answering;
use crate::outbox::Outbox;
use crate::peer::Peer;
use crate::wire::HandshakeHeader;
use cell::layout::Datagram;
use std::net::SocketAddr;
use std::time::Duration;

const MAX_ANSWERING: usize = 512;
const MAX_ANSWERING_PER_SOURCE: usize = 16;

impl Links {
    #[allow(clippy::too_many_arguments)]
    pub(super) fn receive_first(
        &mut self,
        now: Duration,
        from: SocketAddr,
        datagram: &Datagram,
        header: &HandshakeHeader,
        random: u64,
        counters: &mut Counters,
        out: &mut Outbox,
    ) {
        if !self.jar.holds(now, from, header.sender, &header.cookie) {
            counters.cookies_refused += 1;
            return;
        }
        let key = (from, header.sender);
        let id = match self.answering.get(&key) {
            Some(&id) => id,
            None => {
                let of_source =
                    self.answering.keys().filter(|(address, _)| address.ip() == from.ip()).count();
                if self.answering.len() >= MAX_ANSWERING || of_source >= MAX_ANSWERING_PER_SOURCE {
                    counters.handshakes_over_limit += 1;
                    return;
                }
                let sender = header.sender;
                let state = |_| State::Answering(Box::new(Answering::new(now, sender)));
                let Some(id) = self.insert(from, random, state) else {
                    counters.handshakes_over_limit += 1;
                    return;
                };
                self.answering.insert(key, id);
                self.schedule(now);
                id
            }
        };
        let (secret, certificate) = (self.own.secret, &self.own.certificate);
        let slot = (id & SLOT_MASK) as usize;
        if let Some(Link { state: State::Answering(answering), .. }) = self.table.get_mut(slot) {
            match answering.take_first(now, header.fragment(datagram), &secret, certificate) {
                Ok(true) => answering.transmit(id, from, out),
                Ok(false) => {}
                Err(_) => {
                    counters.handshakes_refused += 1;
                    self.close(id, LinkEnd::Refused, counters);
                }
            }
        }
    }

    pub(super) fn receive_third(
        &mut self,
        now: Duration,
        from: SocketAddr,
        datagram: &Datagram,
        header: &HandshakeHeader,
        counters: &mut Counters,
        out: &mut Outbox,
    ) {
        let Some(Link { state, address, .. }) = self.get_mut(header.receiver) else {
            counters.datagrams_unknown_link += 1;
            return;
        };
        if *address != from {
            counters.datagrams_unknown_link += 1;
            return;
        }
        let answering = match state {
            State::Answering(answering) => answering,
            State::Up(session) => return session.confirm(from, out),
            State::Dialing(_) => return,
        };
        let finished = match answering.take_third(header.fragment(datagram)) {
            Ok(Some(finished)) => finished,
            Ok(None) => return,
            Err(_) => {
                counters.handshakes_refused += 1;
                return self.close(header.receiver, LinkEnd::Refused, counters);
            }
        };
        let Some(certified) =
            self.certified(now, &finished.certificate).filter(|c| Some(c.key) == finished.proven_key)
        else {
            counters.handshakes_refused += 1;
            return self.close(header.receiver, LinkEnd::Refused, counters);
        };
        self.answering.remove(&(from, header.sender));
        let (secrets, remote) = (finished.secrets, header.sender);
        let mut session =
            Box::new(Session::new(now, certified.identity, remote, &secrets.responder, &secrets.initiator));
        session.confirm(from, out);
        if let Some(link) = self.get_mut(header.receiver) {
            link.state = State::Up(session);
        }
        // Where both have dialled, each goes on using its own link.
        self.by_peer.entry(Peer { identity: certified.identity, address: from }).or_insert(header.receiver);
        counters.links_up += 1;
    }
}
