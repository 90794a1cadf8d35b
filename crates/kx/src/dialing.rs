//! The two sides of a link handshake, before the link is up.
//!
//! Both are driven by the initiator's retransmissions: the responder repeats its answer when it sees message 1 again.

use crate::cookie::COOKIE_BYTES;
use crate::fragments::{Assembly, Fragment, split};
use crate::noise::{Handshake, NoiseError, Pattern, Secrets, StaticKey};
use crate::outbox::Outbox;
use crate::peer::Identity;
use crate::wire::{FRAGMENT_BYTES, HandshakeHeader, Step, handshake_datagram};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use cell::layout::Datagram;
use std::net::SocketAddr;
use std::time::Duration;

const GIVE_UP_AFTER: Duration = Duration::from_secs(5);
const ANSWER_AGAIN_AFTER: Duration = Duration::from_millis(100);
/// Cells that wait for the link; more are dropped, their senders retransmit.
const MAX_KEPT: usize = 64;

/// What a timer asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The current message again.
    Transmit,
    /// Nobody answers.
    GiveUp,
}

enum Stage {
    Hello,
    First {
        handshake: Box<Handshake>,
        cookie: [u8; COOKIE_BYTES],
        message: Vec<u8>,
        /// Fragments of message 2 of the responder's link with this number.
        answer: (u32, Assembly),
    },
    Third {
        remote_index: u32,
        cookie: [u8; COOKIE_BYTES],
        message: Vec<u8>,
    },
}

/// The initiator's side.
pub struct Dialing {
    identity: Identity,
    index: u32,
    nonce: u32,
    started: Duration,
    stage: Stage,
    transmissions: u32,
    kept: Vec<Datagram>,
}

/// A verified handshake message's certificate, to be checked against the key that the handshake proved.
pub struct Answer {
    /// Not verified yet.
    pub certificate: Vec<u8>,
    /// The static key of the other side.
    pub proven_key: Option<[u8; 32]>,
}

impl Dialing {
    /// Begins; nothing is sent before [`Dialing::transmit`].
    pub fn new(now: Duration, identity: Identity, index: u32, nonce: u32) -> Self {
        Self { identity, index, nonce, started: now, stage: Stage::Hello, transmissions: 0, kept: Vec::new() }
    }

    /// Who must answer.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// Keeps a cell until the link is up.
    pub fn keep(&mut self, datagram: &Datagram) {
        if self.kept.len() < MAX_KEPT {
            self.kept.push(*datagram);
        }
    }

    /// The kept cells.
    pub fn take_kept(&mut self) -> Vec<Datagram> {
        std::mem::take(&mut self.kept)
    }

    /// Whether to send again or to give up.
    pub fn tick(&mut self, now: Duration) -> Progress {
        if now >= self.started + GIVE_UP_AFTER {
            Progress::GiveUp
        } else {
            self.transmissions += 1;
            Progress::Transmit
        }
    }

    /// Sends the current message.
    pub fn transmit(&mut self, to: SocketAddr, out: &mut Outbox) {
        match &self.stage {
            Stage::Hello => out.send(to, &HandshakeHeader::hello(self.index, self.nonce)),
            Stage::First { cookie, message, .. } => {
                // The cookie may have expired or been forged: ask for a new one now and then.
                if self.transmissions % 4 == 3 {
                    out.send(to, &HandshakeHeader::hello(self.index, self.nonce));
                }
                for fragment in split(message, FRAGMENT_BYTES) {
                    out.send(to, &handshake_datagram(Step::First, 0, self.index, cookie, fragment));
                }
            }
            Stage::Third { remote_index, cookie, message } => {
                for fragment in split(message, FRAGMENT_BYTES) {
                    out.send(
                        to,
                        &handshake_datagram(Step::Third, *remote_index, self.index, cookie, fragment),
                    );
                }
            }
        }
    }

    /// Takes the cookie datagram; `false` unless it echoes our nonce and one is wanted.
    pub fn take_cookie(&mut self, own: &StaticKey, datagram: &Datagram) -> bool {
        if HandshakeHeader::nonce(datagram) != self.nonce {
            return false;
        }
        let fresh = HandshakeHeader::read(datagram).cookie;
        match &mut self.stage {
            Stage::Hello => {}
            Stage::First { cookie, .. } => {
                let changed = *cookie != fresh;
                *cookie = fresh;
                return changed;
            }
            Stage::Third { .. } => return false,
        }
        let Ok((handshake, message)) = Handshake::initiate(Pattern::Link, Some(own)) else { return false };
        let cookie = fresh;
        let handshake = Box::new(handshake);
        self.stage = Stage::First { handshake, cookie, message, answer: (0, Assembly::default()) };
        true
    }

    /// Takes a fragment of message 2; the answer once whole. One that does not show our cookie is not from somebody
    /// who has seen our message 1, and is ignored.
    pub fn take_second(
        &mut self,
        header: &HandshakeHeader,
        fragment: Fragment<'_>,
    ) -> Result<Option<Answer>, NoiseError> {
        let Stage::First { handshake, cookie, answer, .. } = &mut self.stage else { return Ok(None) };
        if verify_slices_are_equal(cookie, &header.cookie).is_err() {
            return Ok(None);
        }
        if answer.0 != header.sender {
            *answer = (header.sender, Assembly::default());
        }
        let Some(message) = answer.1.add(fragment) else { return Ok(None) };
        let certificate = handshake.read_answer(&message)?;
        Ok(Some(Answer { certificate, proven_key: handshake.remote_static() }))
    }

    /// Writes message 3 after the answer was found good; from now on `transmit` sends it.
    pub fn write_third(&mut self, remote_index: u32, certificate: &[u8]) -> Result<Secrets, NoiseError> {
        let Stage::First { handshake, cookie, .. } = &mut self.stage else { return Err(NoiseError::Kem) };
        let cookie = *cookie;
        let message = handshake.write(certificate)?;
        let secrets = handshake.secrets().ok_or(NoiseError::Kem)?;
        self.stage = Stage::Third { remote_index, cookie, message };
        Ok(secrets)
    }
}

/// The responder's side; exists only after a valid cookie.
pub struct Answering {
    remote_index: u32,
    cookie: [u8; COOKIE_BYTES],
    started: Duration,
    first: Assembly,
    handshake: Option<Box<Handshake>>,
    answer: Vec<u8>,
    answered_at: Duration,
    third: Assembly,
}

/// A completed handshake of the responder.
pub struct Finished {
    /// Not verified yet.
    pub certificate: Vec<u8>,
    /// The static key of the initiator.
    pub proven_key: Option<[u8; 32]>,
    /// The link's secrets.
    pub secrets: Secrets,
}

impl Answering {
    /// Begins for the initiator's link number and the valid cookie that it has shown.
    pub fn new(now: Duration, remote_index: u32, cookie: [u8; COOKIE_BYTES]) -> Self {
        Self {
            remote_index,
            cookie,
            started: now,
            first: Assembly::default(),
            handshake: None,
            answer: Vec::new(),
            answered_at: now,
            third: Assembly::default(),
        }
    }

    /// The initiator's link number.
    pub fn remote_index(&self) -> u32 {
        self.remote_index
    }

    /// When it began.
    pub fn started(&self) -> Duration {
        self.started
    }

    /// Whether the initiator has taken too long.
    pub fn is_over(&self, now: Duration) -> bool {
        now >= self.started + GIVE_UP_AFTER
    }

    /// Takes a fragment of message 1; `true` when the answer is to be sent (again).
    pub fn take_first(
        &mut self,
        now: Duration,
        header: &HandshakeHeader,
        fragment: Fragment<'_>,
        own: &StaticKey,
        certificate: &[u8],
    ) -> Result<bool, NoiseError> {
        // The initiator waits for answers that show the cookie it has shown last.
        self.cookie = header.cookie;
        if self.handshake.is_some() {
            let again = now >= self.answered_at + ANSWER_AGAIN_AFTER;
            if again {
                self.answered_at = now;
            }
            return Ok(again);
        }
        let Some(message) = self.first.add(fragment) else { return Ok(false) };
        let (handshake, answer) = Handshake::respond(Pattern::Link, Some(own), &message, certificate)?;
        self.handshake = Some(Box::new(handshake));
        self.answer = answer;
        self.answered_at = now;
        self.first.clear();
        Ok(true)
    }

    /// Sends message 2.
    pub fn transmit(&self, index: u32, to: SocketAddr, out: &mut Outbox) {
        for fragment in split(&self.answer, FRAGMENT_BYTES) {
            out.send(to, &handshake_datagram(Step::Second, self.remote_index, index, &self.cookie, fragment));
        }
    }

    /// Takes a fragment of message 3; the result once whole. One of another initiator is ignored.
    pub fn take_third(
        &mut self,
        header: &HandshakeHeader,
        fragment: Fragment<'_>,
    ) -> Result<Option<Finished>, NoiseError> {
        let Some(handshake) = &mut self.handshake else { return Ok(None) };
        if header.sender != self.remote_index {
            return Ok(None);
        }
        let Some(message) = self.third.add(fragment) else { return Ok(None) };
        let certificate = handshake.read(&message)?;
        let secrets = handshake.secrets().ok_or(NoiseError::Kem)?;
        Ok(Some(Finished { certificate, proven_key: handshake.remote_static(), secrets }))
    }
}
