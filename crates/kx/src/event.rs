//! What crosses the border to the orchestration: commands in, events out. Never a packet.

use crate::engine::HopIdentity;
use crate::links::LinkIdentity;
use crate::peer::{Identity, Peer};
use crate::registration::Registration;
use std::net::IpAddr;
use std::time::Duration;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// The caller's number for a tunnel.
pub type TunnelId = u32;

/// One half of a tunnel key, X25519: the secret one for an incoming tunnel, the public one for an outgoing tunnel.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct TunnelKey([u8; 32]);

impl TunnelKey {
    /// Takes the 32 bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Debug for TunnelKey {
    /// Never the bytes.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("TunnelKey")
    }
}

/// What the orchestration knows of a tunnel beyond what BUILD says (the BUILD extension).
#[derive(Clone, Debug, Default)]
pub struct Extension {
    /// Callers who know it are sure of the callee: the half that belongs to the tunnel's direction.
    pub key: Option<TunnelKey>,
    /// Incoming: the pseudo-identity's word for this owner.
    pub registration: Option<Registration>,
    /// Incoming: the only local port, TCP and UDP, that callers reach, whatever the delivery rules say.
    pub port: Option<u16>,
}

impl Extension {
    /// Takes over what `newer` has.
    pub(crate) fn renew(&mut self, newer: Self) {
        let time = |registration: &Option<Registration>| registration.as_ref().map(Registration::time);
        if time(&newer.registration) > time(&self.registration) {
            self.registration = newer.registration;
        }
        self.key = newer.key.or(self.key.take());
        self.port = newer.port.or(self.port);
    }
}

/// What the orchestration asks for.
#[derive(Clone, Debug)]
pub enum Command {
    /// Build a circuit along `path` and register `pseudo_identity` at its last hop.
    BuildIncoming {
        /// The caller's number.
        tunnel: TunnelId,
        /// Whom callers ask for.
        pseudo_identity: Identity,
        /// Hops, the exchange point last.
        path: Vec<Peer>,
        /// Secret that lets a later circuit of the same owner take the registration over.
        token: [u8; 32],
    },
    /// Build a circuit along `path` and ask its last hop for `pseudo_identity`.
    BuildOutgoing {
        /// The caller's number.
        tunnel: TunnelId,
        /// Whom to reach.
        pseudo_identity: Identity,
        /// Hops, the exchange point last.
        path: Vec<Peer>,
        /// Secret that lets a later circuit of the same tunnel take the splice over.
        token: [u8; 32],
    },
    /// Build another circuit to the same exchange point, which takes the tunnel over.
    Rotate {
        /// The caller's number.
        tunnel: TunnelId,
        /// Hops, the exchange point last.
        path: Vec<Peer>,
    },
    /// Free everything of a tunnel, at every hop.
    Destroy {
        /// The caller's number.
        tunnel: TunnelId,
    },
    /// Right before the tunnel is ordered, and whenever something of it changes. What is absent stays as it was; an older
    /// registration does not replace a newer one, and a new one counts from the next circuit on.
    SetExtension {
        /// The caller's number.
        tunnel: TunnelId,
        /// What is known of it.
        extension: Box<Extension>,
    },
    /// Whether, and after how long without traffic, a tunnel ends by itself: nobody may be there any more who would end it.
    Reap {
        /// The caller's number.
        tunnel: TunnelId,
        /// `None`: it stays.
        after: Option<Duration>,
    },
    /// Keep a constant rate of datagrams towards these first hops and back, in which cells take the place of padding.
    Cover {
        /// Calls at once that it must be able to hide; 0: no cover.
        calls: u8,
        /// Whom the circuits of this peer begin at.
        peers: Vec<Peer>,
    },
    /// New keys and certificates of this peer, for handshakes from now on: the old ones will expire.
    Renew {
        /// For links.
        link: Box<LinkIdentity>,
        /// For circuits.
        hop: Box<HopIdentity>,
    },
    /// Lie from now on.
    #[cfg(feature = "attacks")]
    Attack(crate::attacks::Attack),
}

impl Command {
    /// Whether each of a peer's engines must hear it; else it is for the one that has the tunnels.
    pub fn is_for_all(&self) -> bool {
        matches!(self, Self::Renew { .. })
    }
}

/// Why a tunnel was not built, or is no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No answer within the bounded retries.
    Timeout,
    /// A peer could not be reached by the hop before it.
    Unreachable,
    /// A hop proved another identity than the one asked for, or none.
    WrongIdentity,
    /// A hop refused, or has no room.
    Refused,
    /// Nobody has registered the pseudo-identity there.
    UnknownPseudoIdentity,
    /// Another owner has registered the pseudo-identity there.
    Taken,
    /// A hop tore the circuit down.
    Destroyed,
    /// This peer has no room: tables or addresses.
    Exhausted,
    /// Nobody has used the tunnel for as long as [`Command::Reap`] says.
    Idle,
    /// The command itself makes no sense (path too short, number in use).
    Invalid,
}

/// What the orchestration hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A tunnel works; told again when another circuit has taken it over.
    TunnelReady {
        /// The caller's number.
        tunnel: TunnelId,
        /// The address that stands for the callee (outgoing tunnels only).
        address: Option<IpAddr>,
        /// How long each hop of its circuit took to answer its handshake, cells there and back over all hops before it
        /// included; zero where that is not known.
        steps: Vec<Duration>,
    },
    /// A tunnel could not be built.
    TunnelFailed {
        /// The caller's number.
        tunnel: TunnelId,
        /// Why.
        failure: Failure,
        /// Which hop did not come about, from 0.
        hop: u8,
    },
    /// The tunnel goes on over its old circuit, where it has one.
    RotationFailed {
        /// The caller's number.
        tunnel: TunnelId,
        /// Why.
        failure: Failure,
        /// Which hop did not come about, from 0.
        hop: u8,
    },
    /// A tunnel loses much of what goes through it, or has become slow, though it seems to be there: other hops may not.
    TunnelLossy {
        /// The caller's number.
        tunnel: TunnelId,
    },
    /// The circuit of a tunnel is gone; a rotation within the time of grace saves its flows.
    TunnelBroken {
        /// The caller's number.
        tunnel: TunnelId,
        /// Why.
        failure: Failure,
    },
    /// A tunnel that worked is gone.
    TunnelClosed {
        /// The caller's number.
        tunnel: TunnelId,
        /// Why.
        failure: Failure,
    },
}
