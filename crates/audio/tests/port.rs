//! Two calls that came in by one port: each hears its own party alone.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use audio::voice::{VoiceConfig, VoiceEvent, VoiceSession, VoiceSocket};

const WAIT: Duration = Duration::from_secs(15);

fn start(
    ssrc: u32,
    socket: VoiceSocket,
    keys: [[u8; 28]; 2],
    remote: SocketAddr,
) -> (VoiceSession, Receiver<VoiceEvent>) {
    let mut config = VoiceConfig::new(keys[0], keys[1], ssrc);
    config.remote = Some(remote);
    config.silent = true;
    let (sender, events) = channel();
    (VoiceSession::start(config, socket, Box::new(move |event| drop(sender.send(event)))).unwrap(), events)
}

/// Until more has been heard than was.
fn hear((session, events): &(VoiceSession, Receiver<VoiceEvent>)) {
    let before = session.statistics().received;
    let deadline = Instant::now() + WAIT;
    while session.statistics().received < before + 20 {
        assert!(Instant::now() < deadline, "{:?}", session.statistics());
        events.recv_timeout(WAIT).unwrap();
    }
}

#[test]
fn two_calls_share_a_port_and_each_hears_its_own_party() {
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    // A port that is free, given explicitly from here on.
    let port = VoiceSocket::bind(any).unwrap().local_addr();
    let keys: [[u8; 28]; 4] = [[1; 28], [2; 28], [3; 28], [4; 28]];
    let callers = [VoiceSocket::bind(any).unwrap(), VoiceSocket::bind(any).unwrap()];
    let addresses = callers.each_ref().map(VoiceSocket::local_addr);
    let [first, second] = callers;

    let one = start(1, VoiceSocket::bind(port).unwrap(), [keys[0], keys[1]], addresses[0]);
    let first = start(2, first, [keys[1], keys[0]], port);
    hear(&one);
    let two = start(3, VoiceSocket::bind(port).unwrap(), [keys[2], keys[3]], addresses[1]);
    let second = start(4, second, [keys[3], keys[2]], port);
    for session in [&one, &two, &first, &second] {
        hear(session);
    }
    // The second party goes on from another place.
    second.0.stop();
    let moved = VoiceSocket::bind(any).unwrap();
    let address = moved.local_addr();
    two.0.receive_with(keys[1]);
    two.0.send_with(keys[0], 5, address);
    let moved = start(6, moved, [keys[1], keys[0]], port);
    for session in [&one, &two, &moved] {
        hear(session);
    }
    for (session, _) in [&one, &two, &first] {
        let statistics = session.statistics();
        assert_eq!(statistics.rejected, 0, "{statistics:?}");
    }
}
