//! Real and fake calls in virtual time, as a listener on a person's links sees them: production engines, with the packets that the telephone
//! sends (docs/protocol/voip.md) as the only model.
//!
//!   cargo bench -p kx --bench lookalike -- CALLS    one line of JSON an observation: what passed, in tenths of a millisecond
//!
//! Alice and Bob have two pinned first hops each, cover, two incoming tunnels that rotate, and a third for the next fake call. Each call has an
//! outgoing tunnel of the caller's with the first hop of an incoming one; a fake one leads to Alice's third, has voice one way (docs/decisions/0088),
//! and is followed by the registration for the next.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]

#[path = "../tests/support/mod.rs"]
mod support;

use kx::event::{Command, Event};
use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;
use support::scenario::udp;
use support::{Network, tun_address};

const ALICE: usize = 0;
const BOB: usize = 2;
const NODES: usize = 11;
const PINNED: [(usize, [usize; 2]); 2] = [(ALICE, [1, 3]), (BOB, [4, 6])];
const OTHERS: [usize; 5] = [5, 7, 8, 9, 10];
/// Her incoming tunnels, the last one for the next fake call.
const ALICES: [usize; 3] = [0, 1, 2];
/// The first of the pseudo-identities that are made for fake calls.
const FOR_FAKE: u8 = 5;
/// Calls that cover hides, as `peer init` writes it.
const COVERED: u8 = 2;
const ROTATE_SECONDS: f64 = 600.0;
/// What is sent for a datagram of voice: RTP, two frames, tag; and for a message of the control connection, with TCP's header in place of
/// UDP's.
const VOICE_BYTES: usize = 268;
const CONTROL_BYTES: usize = 120;
const VOICE_EVERY: Duration = Duration::from_millis(20);
/// From the end of one to that of the other, over seven links: their mean.
const ONE_WAY: Duration = Duration::from_millis(160);
const AFTER: Duration = Duration::from_secs(50);

/// Uniform numbers, the same for the same seed (splitmix64).
struct Dice(u64);

impl Dice {
    fn fraction(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn between(&mut self, least: f64, most: f64) -> Duration {
        Duration::from_secs_f64(least + self.fraction() * (most - least))
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[(self.fraction() * from.len() as f64) as usize]
    }

    fn exponential(&mut self, mean: f64) -> Duration {
        Duration::from_secs_f64(-mean * (1.0 - self.fraction()).ln())
    }

    /// As src/voip/fake-schedule.ts draws; what is out of bounds is drawn again.
    fn log_normal(&mut self, median: f64, sigma: f64, least: f64, most: f64) -> Duration {
        loop {
            let radius = (-2.0 * (1.0 - self.fraction()).ln()).sqrt();
            let drawn = median * (sigma * radius * (std::f64::consts::TAU * self.fraction()).cos()).exp();
            if (least..=most).contains(&drawn) {
                return Duration::from_secs_f64(drawn);
            }
        }
    }
}

/// One who has tunnels: their numbers, first hops and exchange points.
struct Tunnel {
    node: usize,
    number: u32,
    first: usize,
    exchange: usize,
}

/// When and what one of the two sends.
#[derive(Clone, Copy)]
struct Sent {
    at: Duration,
    by_caller: bool,
    bytes: usize,
}

#[derive(Default)]
struct Heard {
    at: Vec<Duration>,
    out: Vec<bool>,
    other: Vec<u8>,
}

struct Trial {
    network: Network,
    dice: Dice,
    tunnels: Vec<Tunnel>,
    heard: Rc<RefCell<[Heard; 2]>>,
    rotate_at: Vec<Duration>,
}

impl Trial {
    fn new(seed: u64) -> Self {
        let mut network = Network::new(NODES);
        let heard = Rc::new(RefCell::new(<[Heard; 2]>::default()));
        let addresses: Vec<_> = network.nodes.iter().map(|node| node.address).collect();
        let ears = heard.clone();
        network.watch = Some(Box::new(move |at, from, to| {
            let place = |address| addresses.iter().position(|known| *known == address).unwrap();
            let (from, to) = (place(from), place(to));
            for (index, person) in [ALICE, BOB].into_iter().enumerate() {
                if from != person && to != person {
                    continue;
                }
                let heard = &mut ears.borrow_mut()[index];
                heard.at.push(at);
                heard.out.push(from == person);
                heard.other.push(if from == person { to } else { from } as u8);
            }
        }));
        // Each pair of hosts has a delay of its own, and each datagram a little more by chance, as on the Internet.
        let mut jitter = Dice(seed ^ 0x5555_5555);
        let base: Vec<f64> = (0..NODES * NODES).map(|_| 0.005 + 0.035 * jitter.fraction()).collect();
        let hosts: Vec<_> = network.nodes.iter().map(|node| node.address).collect();
        network.delay = Box::new(move |from, to| {
            let place = |address| hosts.iter().position(|known| *known == address).unwrap();
            let (one, other) = (place(from), place(to));
            Duration::from_secs_f64(base[one.min(other) * NODES + one.max(other)])
                + jitter.exponential(0.0005)
        });
        Self { network, dice: Dice(seed), tunnels: Vec::new(), heard, rotate_at: Vec::new() }
    }

    fn pinned(node: usize) -> [usize; 2] {
        PINNED.iter().find(|(owner, _)| *owner == node).unwrap().1
    }

    /// Builds a tunnel and waits for it; `first`: its first hop, else one of the pinned ones. The address of an outgoing one.
    fn build(
        &mut self,
        node: usize,
        pseudo: u8,
        exchange: usize,
        first: Option<usize>,
        outgoing: bool,
    ) -> Option<IpAddr> {
        let number = self.tunnels.len() as u32 + 1;
        let first = first.unwrap_or_else(|| self.dice.pick(&Self::pinned(node)));
        let hops = self.path(first, exchange);
        let path = self.network.peers(&hops);
        let (tunnel, pseudo_identity, token) = (number, [pseudo; 32], [number as u8; 32]);
        let command = if outgoing {
            Command::BuildOutgoing { tunnel, pseudo_identity, path, token }
        } else {
            Command::BuildIncoming { tunnel, pseudo_identity, path, token }
        };
        self.network.command(node, command);
        let ready = |network: &Network| {
            network.nodes[node].events.iter().find_map(|event| match event {
                Event::TunnelReady { tunnel, address, .. } if *tunnel == number => Some(*address),
                _ => None,
            })
        };
        assert!(
            self.network.wait(|network| ready(network).is_some()),
            "{:?}",
            self.network.nodes[node].events
        );
        let address = ready(&self.network).flatten();
        self.tunnels.push(Tunnel { node, number, first, exchange });
        let at = self.network.now + self.dice.exponential(ROTATE_SECONDS);
        self.rotate_at.push(at);
        address
    }

    fn path(&mut self, first: usize, exchange: usize) -> [usize; 3] {
        loop {
            let second = self.dice.pick(&OTHERS);
            if second != exchange {
                return [first, second, exchange];
            }
        }
    }

    /// Lets time pass; tunnels rotate when it is their turn.
    fn run_until(&mut self, end: Duration) {
        while let Some((index, at)) =
            self.rotate_at.iter().copied().enumerate().min_by_key(|(_, at)| *at).filter(|(_, at)| *at < end)
        {
            self.network.run(at.saturating_sub(self.network.now));
            self.rotate_at[index] = at + self.dice.exponential(ROTATE_SECONDS);
            let Tunnel { node, number, first, exchange } = self.tunnels[index];
            let hops = self.path(first, exchange);
            let path = self.network.peers(&hops);
            self.network.command(node, Command::Rotate { tunnel: number, path });
        }
        self.network.run(end.saturating_sub(self.network.now));
        for node in &mut self.network.nodes {
            node.events.clear();
            node.packets.clear();
        }
    }

    fn destroy(&mut self, index: usize) {
        let Tunnel { node, number, .. } = self.tunnels[index];
        self.network.command(node, Command::Destroy { tunnel: number });
        self.rotate_at[index] = Duration::MAX;
    }

    /// Sends what the two send, in order; the callee's node answers the address that the caller's packets came from.
    fn converse(&mut self, caller: usize, callee: usize, address: IpAddr, mut sent: Vec<Sent>) {
        sent.sort_by_key(|one| one.at);
        let mut back = None;
        for Sent { at, by_caller, bytes } in sent {
            self.network.run(at.saturating_sub(self.network.now));
            if by_caller {
                let packet = udp(tun_address(caller), address, 4000, 5060, &vec![7; bytes]);
                self.network.packet(caller, &packet);
                continue;
            }
            if back.is_none() {
                let first = self.network.nodes[callee].packets.iter();
                back = first.filter_map(|packet| kx::ip::parse(packet)).map(|packet| packet.source).next();
            }
            let Some(back) = back else { continue };
            self.network.packet(callee, &udp(tun_address(callee), back, 5060, 4000, &vec![8; bytes]));
        }
    }

    /// Control connection from now on, voice from the answer on; times of answer and end.
    fn call(
        &mut self,
        caller: usize,
        callee: usize,
        address: IpAddr,
        two_voices: bool,
    ) -> (Duration, Duration) {
        let begun = self.network.now;
        let mut sent = Vec::new();
        let mut say = |at: Duration, by_caller: bool, bytes: usize| sent.push(Sent { at, by_caller, bytes });
        // SYN, SYN ACK, ACK; the three messages of the handshake, the first two with keys of ML-KEM; invitation, and that it rings.
        let mut at = begun;
        for (by_caller, bytes) in [
            (true, 12),
            (false, 12),
            (true, 12),
            (true, 1_300),
            (false, 1_250),
            (true, 110),
            (true, 190),
            (false, CONTROL_BYTES),
        ] {
            say(at, by_caller, bytes);
            at += ONE_WAY;
        }
        let answered = at + self.dice.log_normal(8.0, 0.6, 2.0, 20.0);
        let ended = answered + self.dice.log_normal(75.0, 1.1, 10.0, 60.0);
        say(answered, false, CONTROL_BYTES);
        // Each asks when its time has come, and begins anew when it is asked (src/voip/heartbeat.ts).
        let mut next = [(); 2].map(|()| at + self.dice.between(0.75, 1.25));
        loop {
            let who = usize::from(next[1] < next[0]);
            let ping = next[who];
            if ping >= ended {
                break;
            }
            let by_caller = who == 0;
            say(ping, by_caller, CONTROL_BYTES);
            say(ping + ONE_WAY, !by_caller, CONTROL_BYTES);
            say(ping + ONE_WAY * 2 + Duration::from_millis(40), by_caller, 12);
            next[who] = ping + self.dice.between(0.75, 1.25);
            if next[1 - who] > ping + ONE_WAY {
                next[1 - who] = ping + ONE_WAY + self.dice.between(0.75, 1.25);
            }
        }
        for by_caller in [true, false] {
            if !by_caller && !two_voices {
                continue;
            }
            let mut frame = answered + self.dice.between(0.02, 0.06);
            while frame < ended {
                say(frame + self.dice.between(0.0, 0.002), by_caller, VOICE_BYTES);
                frame += VOICE_EVERY;
            }
        }
        let by_caller = self.dice.fraction() < 0.5;
        for (index, bytes) in [CONTROL_BYTES, 12, 12, 12].into_iter().enumerate() {
            say(ended + ONE_WAY * index as u32, by_caller ^ (index % 2 == 1), bytes);
        }
        self.converse(caller, callee, address, sent);
        (answered, ended)
    }

    /// Both have their incoming tunnels and cover, and rest for a while.
    fn settle(&mut self) {
        for (number, node) in [ALICE, BOB].into_iter().enumerate() {
            for (index, exchange) in [OTHERS[0], OTHERS[1]].into_iter().enumerate() {
                self.build(node, (1 + number * 2 + index) as u8, exchange, None, false);
            }
            // Registered since the end of the fake call before: hours ago.
            let exchange = self.dice.pick(&OTHERS[2..]);
            self.build(node, FOR_FAKE + number as u8, exchange, None, false);
            let peers = self.network.peers(&Self::pinned(node));
            self.network.command(node, Command::Cover { calls: COVERED, peers });
        }
        let rest = self.network.now + self.dice.between(300.0, 600.0);
        self.run_until(rest);
    }

    fn real(mut self) {
        self.settle();
        // Bob's first pseudo-identity, at its first exchange point.
        let first = self.tunnels[self.dice.pick(&ALICES)].first;
        let address = self.build(ALICE, 3, OTHERS[0], Some(first), true).unwrap();
        let outgoing = self.tunnels.len() - 1;
        let (answered, ended) = self.call(ALICE, BOB, address, true);
        let rest = self.network.now + Duration::from_secs(1);
        self.run_until(rest);
        self.destroy(outgoing);
        self.run_until(ended + AFTER);
        self.tell("caller", 0, answered, ended);
        self.tell("callee", 1, answered, ended);
    }

    fn fake(mut self) {
        self.settle();
        let incoming = ALICES[2];
        let Tunnel { first, exchange, .. } = self.tunnels[incoming];
        let address = self.build(ALICE, FOR_FAKE, exchange, Some(first), true).unwrap();
        let outgoing = self.tunnels.len() - 1;
        let (answered, ended) = self.call(ALICE, ALICE, address, false);
        let rest = self.network.now + Duration::from_secs(1);
        self.run_until(rest);
        self.destroy(outgoing);
        self.destroy(incoming);
        let exchange = self.dice.pick(&OTHERS[2..]);
        self.build(ALICE, FOR_FAKE + 2, exchange, None, false);
        self.run_until(ended + AFTER);
        self.tell("fake", 0, answered, ended);
    }

    fn tell(&self, kind: &str, person: usize, answered: Duration, ended: Duration) {
        let heard = &self.heard.borrow()[person];
        let tenths = |at: Duration| (at.as_micros() / 100) as u64;
        let line = serde_json::json!({
            "lookalike": kind,
            "answered": tenths(answered),
            "ended": tenths(ended),
            "at": heard.at.iter().map(|at| tenths(*at)).collect::<Vec<_>>(),
            "out": heard.out.iter().map(|out| u8::from(*out)).collect::<Vec<_>>(),
            "other": heard.other,
        });
        println!("{line}");
    }
}

fn main() {
    let calls = std::env::args().filter_map(|argument| argument.parse::<u64>().ok()).next().unwrap_or(400);
    for seed in 0..calls {
        Trial::new(2 * seed + 1).real();
        Trial::new(2 * seed + 2).fake();
        eprintln!("{} of {calls}", seed + 1);
    }
}
