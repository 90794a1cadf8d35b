//! A network of engines in virtual time, with real keys and certificates.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod scenario;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PSS_SHA256};
use cell::layout::Datagram;
use kx::certificate::{Purpose, digest_of};
use kx::engine::{Engine, EngineConfig, HopIdentity, Tun};
use kx::event::{Command, Event};
use kx::links::LinkIdentity;
use kx::noise::StaticKey;
use kx::outbox::Outbox;
use kx::peer::Peer;
use kx::shard::{Owner, Shard, Shares, owner_of};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

pub const UNIX_START: u64 = 1_800_000_000;

/// Hostkey `index`, made once and kept beside the build's other results.
pub fn hostkey(index: usize) -> KeyPair {
    // The fuzz targets use this file too and have no directory of their own.
    let directory =
        option_env!("CARGO_TARGET_TMPDIR").unwrap_or(concat!(env!("CARGO_MANIFEST_DIR"), "/target"));
    std::fs::create_dir_all(directory).unwrap();
    let path = PathBuf::from(directory).join(format!("hostkey-{index}.der"));
    if let Ok(key) =
        std::fs::read(&path).map_err(|_| ()).and_then(|der| KeyPair::from_pkcs8(&der).map_err(|_| ()))
    {
        return key;
    }
    let key = KeyPair::generate(KeySize::Rsa4096).unwrap();
    let der = key.as_der().unwrap();
    let temporary = path.with_extension(format!("{}", std::process::id()));
    std::fs::write(&temporary, der.as_ref()).unwrap();
    std::fs::rename(&temporary, &path).unwrap();
    key
}

pub fn certify(hostkey: &KeyPair, purpose: Purpose, key: &[u8; 32], seconds: u64) -> Vec<u8> {
    let mut bytes = vec![1, purpose as u8];
    // DER of RSAPublicKey: nine bytes up to the modulus.
    bytes.extend_from_slice(&hostkey.public_key().as_ref()[9..521]);
    bytes.extend_from_slice(key);
    bytes.extend_from_slice(&UNIX_START.wrapping_add(seconds).to_be_bytes());
    let nonce = (0_u64..)
        .find(|nonce| {
            let work = digest_of(&[b"peer certificate work v1", &bytes, &nonce.to_be_bytes()]);
            work[0] == 0 && work[1] == 0
        })
        .unwrap();
    bytes.extend_from_slice(&nonce.to_be_bytes());
    let mut signature = vec![0; 512];
    let message = [b"peer certificate v1", &bytes[..]].concat();
    hostkey.sign(&RSA_PSS_SHA256, &SystemRandom::new(), &message, &mut signature).unwrap();
    bytes.extend_from_slice(&signature);
    bytes
}

/// Certificates of node `index`, made once a process.
fn certificates(index: usize, link: &[u8; 32], hop: &[u8; 32], seconds: u64) -> [Vec<u8>; 2] {
    type Made = BTreeMap<(usize, u64), [Vec<u8>; 2]>;
    static MADE: Mutex<Made> = Mutex::new(Made::new());
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let pair = made.entry((index, seconds)).or_insert_with(|| {
        let key = hostkey(index);
        [(Purpose::Link, link), (Purpose::Hop, hop)]
            .map(|(purpose, secret)| certify(&key, purpose, StaticKey::new(*secret).public(), seconds))
    });
    pair.clone()
}

pub struct Node {
    pub engine: Engine,
    pub address: SocketAddr,
    pub peer: Peer,
    pub shares: Shares,
    pub events: Vec<Event>,
    pub packets: Vec<Vec<u8>>,
    pub alive: bool,
}

/// What the network does to a datagram: nothing (`Some` unchanged), change, drop, or multiply it.
pub type Mangle = Box<dyn FnMut(SocketAddr, SocketAddr, Datagram) -> Vec<Datagram>>;

/// Hears when a datagram leaves, from where and to whom.
pub type Watch = Box<dyn FnMut(Duration, SocketAddr, SocketAddr)>;

pub struct Network {
    pub nodes: Vec<Node>,
    pub now: Duration,
    pub mangle: Mangle,
    pub watch: Option<Watch>,
    /// How long a datagram is under way.
    pub delay: Box<dyn FnMut(SocketAddr, SocketAddr) -> Duration>,
    pub delivered: u64,
    queue: BTreeMap<(Duration, u64), (SocketAddr, SocketAddr, Datagram)>,
    serial: u64,
}

impl Network {
    pub fn new(count: usize) -> Self {
        Self::of((0..count).map(|index| node(index, 0, 30 * 24 * 3600)).collect())
    }

    pub fn of(nodes: Vec<Node>) -> Self {
        Self {
            nodes,
            now: Duration::from_secs(1),
            mangle: Box::new(|_, _, datagram| vec![datagram]),
            watch: None,
            delay: Box::new(|_, _| Duration::from_millis(10)),
            delivered: 0,
            queue: BTreeMap::new(),
            serial: 0,
        }
    }

    /// The node's process ends without a word and starts again with the same keys.
    pub fn restart(&mut self, index: usize) {
        self.nodes[index] = node(index, self.serial + 1, 30 * 24 * 3600);
    }

    pub fn peers(&self, indices: &[usize]) -> Vec<Peer> {
        indices.iter().map(|&index| self.nodes[index].peer).collect()
    }

    pub fn command(&mut self, index: usize, command: Command) {
        let mut out = Outbox::default();
        self.nodes[index].engine.handle_command(self.now, command, &mut out);
        self.drain(index, out);
    }

    pub fn packet(&mut self, index: usize, bytes: &[u8]) {
        let mut out = Outbox::default();
        self.nodes[index].engine.handle_packet(self.now, bytes, &mut out);
        self.drain(index, out);
    }

    /// Lets a node do something of its own accord.
    pub fn act(&mut self, index: usize, act: impl FnOnce(&mut Engine, Duration, &mut Outbox)) {
        let mut out = Outbox::default();
        act(&mut self.nodes[index].engine, self.now, &mut out);
        self.drain(index, out);
    }

    /// Hands a datagram to a node as if it came from `from`.
    pub fn inject(&mut self, index: usize, from: SocketAddr, mut datagram: Datagram) {
        let mut out = Outbox::default();
        self.nodes[index].engine.handle_datagram(self.now, from, &mut datagram, &mut out);
        self.drain(index, out);
    }

    /// Lets virtual time pass.
    pub fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        self.run_until(end, |_| false);
        self.now = end;
    }

    /// Lets time pass until `done`, at most 60 s; whether it came to that.
    pub fn wait(&mut self, done: impl Fn(&Self) -> bool) -> bool {
        let end = self.now + Duration::from_secs(60);
        self.run_until(end, done)
    }

    fn run_until(&mut self, end: Duration, done: impl Fn(&Self) -> bool) -> bool {
        loop {
            if done(self) {
                return true;
            }
            let arrival = self.queue.keys().next().map(|(at, _)| *at);
            let timer = self
                .nodes
                .iter()
                .enumerate()
                .filter(|(_, node)| node.alive)
                .filter_map(|(index, node)| Some((node.engine.next_timeout()?, index)))
                .min();
            let Some(at) = arrival.into_iter().chain(timer.map(|(at, _)| at)).min().filter(|at| *at <= end)
            else {
                return false;
            };
            self.now = self.now.max(at);
            if arrival == Some(at) {
                let (_, (from, to, datagram)) = self.queue.pop_first().unwrap();
                for index in self.owners(to, &datagram) {
                    let (mut out, mut copy) = (Outbox::default(), datagram);
                    self.delivered += 1;
                    self.nodes[index].engine.handle_datagram(self.now, from, &mut copy, &mut out);
                    self.drain(index, out);
                }
            } else if let Some((_, index)) = timer {
                let mut out = Outbox::default();
                self.nodes[index].engine.handle_timeout(self.now, &mut out);
                self.drain(index, out);
            }
        }
    }

    /// The engines at an address, in the order of their shards.
    fn engines_at(&self, address: SocketAddr) -> Vec<usize> {
        let nodes = self.nodes.iter().enumerate();
        nodes.filter(|(_, node)| node.address == address && node.alive).map(|(index, _)| index).collect()
    }

    fn owners(&self, address: SocketAddr, datagram: &Datagram) -> Vec<usize> {
        let engines = self.engines_at(address);
        match engines.len() {
            0 | 1 => engines,
            _ => match owner_of(datagram, self.nodes[engines[0]].shares) {
                Owner::Shard(shard) => vec![engines[shard]],
                Owner::Every => engines,
            },
        }
    }

    fn drain(&mut self, index: usize, mut out: Outbox) {
        let from = self.nodes[index].address;
        for (shard, parcel) in std::mem::take(&mut out.parcels) {
            let mut more = Outbox::default();
            let other = self.engines_at(from)[shard];
            self.nodes[other].engine.handle_parcel(self.now, parcel, &mut more);
            self.drain(other, more);
        }
        self.nodes[index].events.extend(out.events.iter().cloned());
        self.nodes[index].packets.extend(out.packets().map(<[u8]>::to_vec));
        for transmit in out.datagrams {
            if let Some(watch) = &mut self.watch {
                watch(self.now, from, transmit.to);
            }
            for datagram in (self.mangle)(from, transmit.to, transmit.datagram) {
                self.serial += 1;
                let at = self.now + (self.delay)(from, transmit.to);
                self.queue.insert((at, self.serial), (from, transmit.to, datagram));
            }
        }
    }
}

/// `generation` seeds its random numbers; its certificates hold for `seconds`.
pub fn node(index: usize, generation: u64, seconds: u64) -> Node {
    let (config, peer) = config(index, generation, seconds);
    node_of(config, peer)
}

/// The same peer as so many engines, each a node of its own at one address.
pub fn shards(index: usize, count: u8) -> Vec<Node> {
    let (config, peer) = config(index, 0, 30 * 24 * 3600);
    config.split(count).into_iter().map(|config| node_of(config, peer)).collect()
}

fn node_of(config: EngineConfig, peer: Peer) -> Node {
    Node {
        shares: config.shard.shares,
        engine: Engine::new(config),
        address: peer.address,
        peer,
        events: Vec::new(),
        packets: Vec::new(),
        alive: true,
    }
}

/// Everything that makes a peer, and who it is.
pub fn config(index: usize, generation: u64, seconds: u64) -> (EngineConfig, Peer) {
    let (link, hop) = ([index as u8 + 1; 32], [index as u8 + 101; 32]);
    let address: SocketAddr = format!("10.0.0.{}:3001", index + 1).parse().unwrap();
    let [link_certificate, hop_certificate] = certificates(index, &link, &hop, seconds);
    // `seconds` may lead back, to a time before the tests' own.
    let last_second = UNIX_START.wrapping_add(seconds) - 1;
    let identity = kx::certificate::verify(&link_certificate, Purpose::Link, last_second).unwrap().identity;
    let mut state = index as u64 + 1 + (generation << 16);
    let config = EngineConfig {
        shard: Shard::WHOLE,
        identity,
        link: LinkIdentity { key: StaticKey::new(link), certificate: link_certificate },
        hop: HopIdentity { key: StaticKey::new(hop), certificate: hop_certificate },
        tun: Some(Tun {
            address: tun_address(index),
            prefix: if index.is_multiple_of(2) { 24 } else { 112 },
            allow: None,
        }),
        unix_start: UNIX_START,
        cookie_secret: [index as u8; 32],
        random: Box::new(move || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb)
        }),
    };
    (config, Peer { identity, address })
}

/// Even nodes have IPv4 inside, odd ones IPv6.
pub fn tun_address(index: usize) -> std::net::IpAddr {
    if index.is_multiple_of(2) { "10.99.0.1".parse().unwrap() } else { "fd99::1".parse().unwrap() }
}
