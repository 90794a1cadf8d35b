//! The answering side of a link handshake: messages 1 and 3 of strangers who have shown a cookie.
//!
//! Invariants: no state before a valid cookie; every datagram shows it; handshakes under way are bounded, in all and for
//! one source; an RSA verification happens only after message 3 has decrypted.

use super::session::Session;
use super::{Link, LinkEnd, LinkId, Links, State};
use crate::counters::Counters;
use crate::dialing::Answering;
use crate::outbox::Outbox;
use crate::wire::HandshakeHeader;
use cell::layout::Datagram;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Handshakes under way, in all and from one source.
const MAX_ANSWERING: usize = 1024;
const MAX_ANSWERING_PER_SOURCE: usize = 64;

impl Links {
    pub(super) fn receive_first(
        &mut self,
        now: Duration,
        from: SocketAddr,
        datagram: &Datagram,
        random: &mut dyn FnMut() -> u64,
        counters: &mut Counters,
        out: &mut Outbox,
    ) {
        let header = HandshakeHeader::read(datagram);
        if !self.jar.holds(now, from, header.sender, &header.cookie) {
            counters.cookies_refused += 1;
            return;
        }
        let id = match self.answering.get(&(from, header.sender)) {
            Some(&id) => id,
            None => match self.begin_answering(now, from, &header, random(), counters) {
                Some(id) => id,
                None => {
                    counters.handshakes_over_limit += 1;
                    return;
                }
            },
        };
        let key = self.own.key.clone();
        let certificate = std::mem::take(&mut self.own.certificate);
        let mut refused = false;
        if let Some(Link { state: State::Answering(answering), .. }) = self.get_mut(id) {
            match answering.take_first(now, &header, header.fragment(datagram), &key, &certificate) {
                Ok(true) => answering.transmit(id, from, out),
                Ok(false) => {}
                Err(_) => refused = true,
            }
        }
        self.own.certificate = certificate;
        if refused {
            counters.handshakes_refused += 1;
            self.close(id, LinkEnd::Refused, counters);
        }
    }

    /// Room for one more handshake. Where there is none, the oldest of the source that has the most gives way: who
    /// floods crowds out himself, and a genuine handshake needs its place for one round trip only.
    fn begin_answering(
        &mut self,
        now: Duration,
        from: SocketAddr,
        header: &HandshakeHeader,
        random: u64,
        counters: &mut Counters,
    ) -> Option<LinkId> {
        let own_source = source(from);
        let of_source = self.answering.keys().filter(|(address, _)| source(*address) == own_source).count();
        let crowded = if of_source >= MAX_ANSWERING_PER_SOURCE {
            Some(own_source)
        } else if self.answering.len() >= MAX_ANSWERING {
            let mut counts: HashMap<IpAddr, usize> = HashMap::new();
            for (address, _) in self.answering.keys() {
                *counts.entry(source(*address)).or_default() += 1;
            }
            counts.into_iter().max_by_key(|(_, count)| *count).map(|(source, _)| source)
        } else {
            None
        };
        if let Some(crowded) = crowded {
            counters.handshakes_over_limit += 1;
            let oldest = self
                .answering
                .iter()
                .filter(|((address, _), _)| source(*address) == crowded)
                .filter_map(|(_, &id)| match &self.get(id)?.state {
                    State::Answering(answering) => Some((answering.started(), id)),
                    _ => None,
                })
                .min();
            self.close(oldest?.1, LinkEnd::Refused, counters);
        }
        let (sender, cookie) = (header.sender, header.cookie);
        let id =
            self.insert(from, random, |_| State::Answering(Box::new(Answering::new(now, sender, cookie))))?;
        self.answering.insert((from, sender), id);
        self.schedule(now);
        Some(id)
    }

    pub(super) fn receive_third(
        &mut self,
        now: Duration,
        from: SocketAddr,
        datagram: &Datagram,
        counters: &mut Counters,
        out: &mut Outbox,
    ) {
        let header = HandshakeHeader::read(datagram);
        if !self.jar.holds(now, from, header.sender, &header.cookie) {
            counters.cookies_refused += 1;
            return;
        }
        let Some(Link { state, .. }) = self.get_mut(header.receiver).filter(|link| link.address == from)
        else {
            counters.handshakes_stray += 1;
            return;
        };
        let answering = match state {
            State::Answering(answering) => answering,
            State::Up(session) => return session.confirm(now, from, out),
            State::Dialing(_) => return,
        };
        let remote_index = answering.remote_index();
        let finished = match answering.take_third(&header, header.fragment(datagram)) {
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
        self.answering.remove(&(from, remote_index));
        let secrets = &finished.secrets;
        let mut session = Session::new(
            now,
            &certified,
            (header.receiver, remote_index),
            &secrets.responder,
            &secrets.initiator,
        );
        session.confirm(now, from, out);
        if let Some(link) = self.get_mut(header.receiver) {
            link.state = State::Up(Box::new(session));
        }
        self.came_up(now, header.receiver, counters, out);
    }
}

/// What counts as one source: an IPv4 address, or the /64 of an IPv6 address.
fn source(address: SocketAddr) -> IpAddr {
    match address.ip() {
        IpAddr::V4(ip) => ip.into(),
        IpAddr::V6(ip) => std::net::Ipv6Addr::from(u128::from(ip) >> 64 << 64).into(),
    }
}
