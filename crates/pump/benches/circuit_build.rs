//! How long a circuit of three hops takes between real peers: four packet threads with sockets on loopback, links and
//! certificates known, BUILD to READY as the orchestration sees it, registration included.
//!
//! In the same run, between the builds: round trips of datagrams of the one size between two plain sockets, from which the
//! round trips to hops 1, 2 and 3 follow (1 + 2 + 3 links). One line for people and one JSON line.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]

#[path = "../../kx/tests/support/mod.rs"]
mod support;

use cell::layout::DATAGRAM_BYTES;
use kx::certificate::Purpose;
use kx::engine::{EngineConfig, HopIdentity};
use kx::event::{Command, Event};
use kx::links::LinkIdentity;
use kx::noise::public_key;
use kx::peer::Peer;
use pump::{Pump, PumpConfig, PumpEvent};
use std::net::UdpSocket;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use support::{UNIX_START, certify, hostkey};

const BUILDS: u32 = 400;
/// Builds a second: below what a relay allows one link.
const PAUSE: Duration = Duration::from_millis(25);
const PATIENCE: Duration = Duration::from_secs(20);

struct Running {
    pump: Pump,
    peer: Peer,
    events: Receiver<PumpEvent>,
}

fn start(index: usize) -> Running {
    let certificate = |purpose, secret: &[u8; 32]| {
        let public = public_key(secret).unwrap();
        certify(&hostkey(index), purpose, &public, 86_400)
    };
    let (link, hop) = ([index as u8 + 1; 32], [index as u8 + 101; 32]);
    let link_certificate = certificate(Purpose::Link, &link);
    let identity = kx::certificate::verify(&link_certificate, Purpose::Link, UNIX_START).unwrap().identity;
    let (sender, events) = channel();
    let mut state = index as u64 + 1;
    let engine = EngineConfig {
        identity,
        link: LinkIdentity { secret: link, certificate: link_certificate },
        hop: HopIdentity { secret: hop, certificate: certificate(Purpose::Hop, &hop) },
        tun: None,
        unix_start: UNIX_START,
        cookie_secret: [index as u8; 32],
        random: Box::new(move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state ^ (state >> 31)
        }),
    };
    let bind = vec!["127.0.0.1:0".parse().unwrap()];
    let sink = move |events: Vec<PumpEvent>| {
        for event in events {
            let _ = sender.send(event);
        }
    };
    let pump = Pump::start(PumpConfig { engine, bind, tun: None, offload: true }, Box::new(sink)).unwrap();
    let peer = Peer { identity, address: pump.addresses()[0] };
    Running { pump, peer, events }
}

/// Microseconds from BUILD to READY.
fn build(builder: &Running, tunnel: u32, path: &[Peer]) -> f64 {
    let mut pseudo_identity = [0; 32];
    pseudo_identity[..4].copy_from_slice(&tunnel.to_be_bytes());
    let begun = Instant::now();
    builder.pump.command(Command::BuildIncoming {
        tunnel,
        pseudo_identity,
        path: path.to_vec(),
        token: [1; 32],
    });
    match builder.events.recv_timeout(PATIENCE) {
        Ok(PumpEvent::Engine(Event::TunnelReady { .. })) => {}
        other => panic!("no READY but {other:?}"),
    }
    let took = begun.elapsed().as_secs_f64() * 1e6;
    builder.pump.command(Command::Destroy { tunnel });
    took
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn main() {
    let peers: Vec<Running> = (0..4).map(start).collect();
    let path: Vec<Peer> = peers[1..].iter().map(|running| running.peer).collect();
    let (near, far) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
    near.connect(far.local_addr().unwrap()).unwrap();
    std::thread::spawn(move || {
        let mut datagram = [0; DATAGRAM_BYTES];
        while let Ok((length, from)) = far.recv_from(&mut datagram) {
            let _ = far.send_to(&datagram[..length], from);
        }
    });
    let mut datagram = [0; DATAGRAM_BYTES];
    for tunnel in 1..=5 {
        build(&peers[0], tunnel, &path);
    }
    let (mut builds, mut trips) = (Vec::new(), Vec::new());
    for tunnel in 0..BUILDS {
        std::thread::sleep(PAUSE);
        builds.push(build(&peers[0], tunnel + 100, &path));
        let begun = Instant::now();
        near.send(&datagram).unwrap();
        near.recv(&mut datagram).unwrap();
        trips.push(begun.elapsed().as_secs_f64() * 1e6);
    }
    let (p50, trip) = (median(&mut builds), median(&mut trips));
    let p99 = builds[builds.len() * 99 / 100];
    let trips = trip * 6.0;
    println!("circuit of 3 hops: p50 {p50:.0} us, p99 {p99:.0} us; round trips to its hops {trips:.0} us");
    println!(
        "{{\"bench\":\"circuit_build\",\"builds\":{BUILDS},\"p50Us\":{p50:.0},\"p99Us\":{p99:.0},\"roundTripsUs\":{trips:.0}}}"
    );
}
