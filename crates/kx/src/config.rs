//! What an engine is told of the peer that it is: identity, keys, TUN device, randomness.

use crate::links::LinkIdentity;
use crate::noise::StaticKey;
use crate::numbers::Numbers;
use crate::peer::Identity;
use crate::shard::{Shard, Shares};
use std::net::IpAddr;
use zeroize::Zeroizing;

/// The TUN device's side of the configuration.
#[derive(Clone, Debug)]
pub struct Tun {
    /// This machine's address on the device.
    pub address: IpAddr,
    /// Bits of its network.
    pub prefix: u8,
    /// Protocol and port that callers may reach; `None`: any.
    pub allow: Option<Vec<(u8, u16)>>,
}

/// The keys of one purpose.
#[derive(Clone)]
pub struct HopIdentity {
    /// X25519.
    pub key: StaticKey,
    /// Certificate of its public half.
    pub certificate: Vec<u8>,
}

impl std::fmt::Debug for HopIdentity {
    /// Never the secret.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("HopIdentity")
    }
}

/// A source of random numbers.
pub type Random = Box<dyn FnMut() -> u64 + Send>;

/// Everything that an engine needs to know.
pub struct EngineConfig {
    /// Which of the peer's engines it is.
    pub shard: Shard,
    /// This peer.
    pub identity: Identity,
    /// Its link keys.
    pub link: LinkIdentity,
    /// Its hop keys.
    pub hop: HopIdentity,
    /// Its TUN device, where it has one.
    pub tun: Option<Tun>,
    /// Unix seconds when the engine's clock says zero.
    pub unix_start: u64,
    /// Secret for cookies.
    pub cookie_secret: [u8; 32],
    /// For numbers that need not be secret keys.
    pub random: Random,
}

impl EngineConfig {
    /// The same peer as so many engines, which share nothing but what they were given. The first one keeps the TUN device.
    pub fn split(mut self, count: u8) -> Vec<Self> {
        let shares = Shares::draw(count, &mut self.random);
        let shard = |index| Shard { index, count, shares };
        let others: Vec<Self> = (1..count)
            .map(|index| {
                let mut seed = Zeroizing::new([0; 32]);
                for bytes in seed.chunks_exact_mut(8) {
                    bytes.copy_from_slice(&(self.random)().to_be_bytes());
                }
                Self {
                    shard: shard(index),
                    identity: self.identity,
                    link: self.link.clone(),
                    hop: self.hop.clone(),
                    tun: None,
                    unix_start: self.unix_start,
                    cookie_secret: self.cookie_secret,
                    random: Numbers::new(*seed).into_random(),
                }
            })
            .collect();
        self.shard = shard(0);
        std::iter::once(self).chain(others).collect()
    }
}
