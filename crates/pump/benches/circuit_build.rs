//! How long a circuit of three hops takes between real peers: four packet threads with sockets on loopback, links and
//! certificates known, BUILD to READY as the orchestration sees it, registration included.
//!
//! In the same run, between the builds: round trips of datagrams of the one size between two plain sockets, from which the
//! round trips to hops 1, 2 and 3 follow (1 + 2 + 3 links). One line for people and one JSON line.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]

#[path = "../tests/support/mod.rs"]
mod support;

use cell::layout::DATAGRAM_BYTES;
use kx::event::{Command, Event};
use kx::peer::Peer;
use pump::PumpEvent;
use std::net::UdpSocket;
use std::time::{Duration, Instant};
use support::{PATIENCE, Running, start};

const BUILDS: u32 = 400;
/// Builds a second: below what a relay allows one link.
const PAUSE: Duration = Duration::from_millis(25);

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
    let peers: Vec<Running> = (0..4).map(|index| start(index, 1)).collect();
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
