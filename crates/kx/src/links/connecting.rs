//! The dialling side of a link handshake: the peer that answers must be the one that was dialled.

use super::session::Session;
use super::{Link, LinkEnd, Links, State};
use crate::counters::Counters;
use crate::outbox::Outbox;
use crate::wire::HandshakeHeader;
use cell::layout::Datagram;
use std::net::SocketAddr;
use std::time::Duration;

impl Links {
    pub(super) fn receive_cookie(
        &mut self,
        from: SocketAddr,
        datagram: &Datagram,
        counters: &mut Counters,
        out: &mut Outbox,
    ) {
        let key = self.own.key.clone();
        let receiver = HandshakeHeader::read(datagram).receiver;
        let Some(Link { state: State::Dialing(dialing), .. }) =
            self.get_mut(receiver).filter(|link| link.address == from)
        else {
            counters.handshakes_stray += 1;
            return;
        };
        if dialing.take_cookie(&key, datagram) {
            dialing.transmit(from, out);
        }
    }

    pub(super) fn receive_second(
        &mut self,
        now: Duration,
        from: SocketAddr,
        datagram: &Datagram,
        counters: &mut Counters,
        out: &mut Outbox,
    ) {
        let header = HandshakeHeader::read(datagram);
        if self.get(header.receiver).is_none_or(|link| link.address != from) {
            counters.handshakes_stray += 1;
            return;
        }
        match self.finish_dialing(now, &header, datagram, out) {
            Ok(true) => self.came_up(now, header.receiver, counters, out),
            Ok(false) => {}
            Err(end) => {
                if end == LinkEnd::WrongIdentity {
                    counters.identities_refused += 1;
                } else {
                    counters.handshakes_refused += 1;
                }
                self.close(header.receiver, end, counters);
            }
        }
    }

    /// Takes a fragment of message 2; whether the link is up with it.
    fn finish_dialing(
        &mut self,
        now: Duration,
        header: &HandshakeHeader,
        datagram: &Datagram,
        out: &mut Outbox,
    ) -> Result<bool, LinkEnd> {
        let Some(Link { state: State::Dialing(dialing), .. }) = self.get_mut(header.receiver) else {
            return Ok(false);
        };
        let answer = dialing.take_second(header, header.fragment(datagram)).map_err(|_| LinkEnd::Refused)?;
        let Some(answer) = answer else { return Ok(false) };
        let expected = dialing.identity();
        let certified = self.certified(now, &answer.certificate).ok_or(LinkEnd::Refused)?;
        if Some(certified.key) != answer.proven_key {
            return Err(LinkEnd::Refused);
        }
        if certified.identity != expected {
            return Err(LinkEnd::WrongIdentity);
        }
        let own_certificate = self.own.certificate.clone();
        let Some(Link { state, address, .. }) = self.get_mut(header.receiver) else { return Ok(false) };
        let State::Dialing(dialing) = state else { return Ok(false) };
        let secrets = dialing.write_third(header.sender, &own_certificate).map_err(|_| LinkEnd::Refused)?;
        dialing.transmit(*address, out);
        let mut session = Session::new(
            now,
            &certified,
            (header.receiver, header.sender),
            &secrets.initiator,
            &secrets.responder,
        );
        let mut watch = false;
        for mut kept in dialing.take_kept() {
            watch |= session.send_cell(now, *address, &mut kept, out);
        }
        let before = std::mem::replace(state, State::Up(Box::new(session)));
        if let (State::Dialing(dialing), State::Up(session)) = (before, state) {
            session.confirm_with(now, dialing);
        }
        self.dialing -= 1;
        if watch {
            self.begin_watch(now, header.receiver);
        }
        Ok(true)
    }
}
