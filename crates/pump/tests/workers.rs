//! Peers with several packet threads, on real sockets: their datagrams find the thread that has the link.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use kx::event::{Command, Event};
use kx::peer::Peer;
use pump::{PumpError, PumpEvent};
use std::time::Instant;
use support::{PATIENCE, Running, start, start_at};

fn wait_ready(running: &Running, wanted: u32) {
    match running.events.recv_timeout(PATIENCE) {
        Ok(PumpEvent::Engine(Event::TunnelReady { tunnel, .. })) if tunnel == wanted => {}
        other => panic!("no READY for {wanted} but {other:?}"),
    }
}

fn pseudo_identity(number: u8) -> [u8; 32] {
    [number; 32]
}

#[test]
fn calls_come_about_through_relays_and_an_exchange_point_of_several_threads() {
    let (callee, caller) = (start(0, 1), start(5, 1));
    let relays = [start(1, 2), start(2, 3), start(3, 4)];
    let path = |order: [usize; 3]| order.map(|at| relays[at].peer).to_vec();
    // The homes of the exchanges are spread over the threads, and the links of the two ends are at any of them.
    for number in 0..8 {
        let tunnel = u32::from(number);
        let token = [number; 32];
        let (to, from): (Vec<Peer>, Vec<Peer>) = (path([0, 1, 2]), path([1, 0, 2]));
        let pseudo_identity = pseudo_identity(number);
        callee.pump.command(Command::BuildIncoming { tunnel, pseudo_identity, path: to, token });
        wait_ready(&callee, tunnel);
        caller.pump.command(Command::BuildOutgoing { tunnel, pseudo_identity, path: from, token });
        wait_ready(&caller, tunnel);
    }
    // What the threads say of themselves is added up.
    let end = Instant::now() + PATIENCE;
    while relays[2].pump.status().counters.splices < 8 {
        assert!(Instant::now() < end, "{:?}", relays[2].pump.status().counters);
        std::thread::yield_now();
    }
    let status = relays[2].pump.status();
    assert_eq!((status.sizes.registrations, status.counters.registrations), (8, 8));
    assert_eq!((status.crowded_out, status.send_failures), (0, 0));
}

#[test]
fn several_threads_share_an_address_with_nobody_else() {
    let mut first = start(1, 2);
    let address = first.pump.addresses()[0];
    for workers in [1, 2] {
        assert!(matches!(start_at(2, workers, address), Err(PumpError::Bind { .. })));
    }
    first.pump.stop();
    assert!(start_at(2, 2, address).is_ok());
}
