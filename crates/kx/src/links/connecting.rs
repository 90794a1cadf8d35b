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
    pub(super) fn receive_second(
        &mut self,
        now: Duration,
        from: SocketAddr,
        datagram: &Datagram,
        header: &HandshakeHeader,
        counters: &mut Counters,
        out: &mut Outbox,
    ) {
        let own_certificate = std::mem::take(&mut self.own.certificate);
        let end = self.finish_dialing(now, from, datagram, header, &own_certificate, counters, out);
        self.own.certificate = own_certificate;
        if let Err(end) = end {
            if end == LinkEnd::WrongIdentity {
                counters.identities_refused += 1;
            } else {
                counters.handshakes_refused += 1;
            }
            self.close(header.receiver, end, counters);
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn finish_dialing(
        &mut self,
        now: Duration,
        from: SocketAddr,
        datagram: &Datagram,
        header: &HandshakeHeader,
        own_certificate: &[u8],
        counters: &mut Counters,
        out: &mut Outbox,
    ) -> Result<(), LinkEnd> {
        let Some(Link { state: State::Dialing(dialing), address, .. }) = self.get_mut(header.receiver) else {
            return Ok(());
        };
        if *address != from {
            return Ok(());
        }
        let Some(answer) = dialing.take_second(header.fragment(datagram)).map_err(|_| LinkEnd::Refused)?
        else {
            return Ok(());
        };
        let expected = dialing.identity();
        let certified = self.certified(now, &answer.certificate).ok_or(LinkEnd::Refused)?;
        if Some(certified.key) != answer.proven_key {
            return Err(LinkEnd::Refused);
        }
        if certified.identity != expected {
            return Err(LinkEnd::WrongIdentity);
        }
        let Some(Link { state, address, .. }) = self.get_mut(header.receiver) else { return Ok(()) };
        let State::Dialing(dialing) = state else { return Ok(()) };
        let secrets = dialing.write_third(header.sender, own_certificate).map_err(|_| LinkEnd::Refused)?;
        dialing.transmit(*address, out);
        let mut kept = dialing.take_kept();
        let mut session = Session::new(now, expected, header.sender, &secrets.initiator, &secrets.responder);
        for datagram in &mut kept {
            session.send_cell(now, *address, datagram, out);
        }
        let placeholder = State::Up(Box::new(session));
        if let State::Dialing(dialing) = std::mem::replace(state, placeholder)
            && let State::Up(session) = state
        {
            session.unconfirmed = Some(dialing);
            session.unanswered_since = Some(now);
        }
        counters.links_up += 1;
        Ok(())
    }
}
