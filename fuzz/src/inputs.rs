//! What each fuzz target does with its bytes. No input may panic, and what reads back must be what was written.
//!
//! Several inputs are lists of records: a byte, a length (u16, big-endian), that many bytes (fewer at the end).

use super::support::{Network, node};
use cell::layout::{DATAGRAM_BYTES, Datagram, PAYLOAD_BYTES};
use kx::certificate::{Purpose, verify};
use kx::control::{Request, Response, decode_fragment};
use kx::endpoint::{Endpoint, PLAIN_BYTES};
use kx::event::Command;
use kx::fragments::{Assembly, Fragment, split};
use kx::ip::{TCP, build, check_transport, parse};
use kx::noise::{Handshake, Pattern, StaticKey};
use kx::peer::Peer;
use kx::pieces::{MAX_PACKET_BYTES, Reassembly};
use kx::tcp::normalise;
use std::net::SocketAddr;
use std::time::Duration;

/// What a target does with its bytes.
pub type Target = fn(&[u8]);

/// The names of the targets and what they do.
pub const TARGETS: [(&str, Target); 9] = [
    ("datagram", datagram),
    ("handshake", handshake),
    ("endtoend", endtoend),
    ("control", control),
    ("fragments", fragments),
    ("pieces", pieces),
    ("ip", ip),
    ("peer", peer),
    ("certificate", certificate),
];

const RECORDS: usize = 64;

fn records(mut data: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let (header, rest) = data.split_first_chunk::<3>()?;
        let length = usize::from(u16::from_be_bytes([header[1], header[2]])).min(rest.len());
        let (bytes, after) = rest.split_at(length);
        data = after;
        Some((header[0], bytes))
    })
    .take(RECORDS)
}

fn padded(bytes: &[u8]) -> Datagram {
    let mut datagram = [0; DATAGRAM_BYTES];
    let length = bytes.len().min(DATAGRAM_BYTES);
    datagram[..length].copy_from_slice(&bytes[..length]);
    datagram
}

/// Two engines with a link and a circuit from the first to the second; the records say who sends what to whom.
pub fn datagram(data: &[u8]) {
    let mut network = Network::of(vec![node(0, 0, 3600), node(1, 0, 3600)]);
    let path = network.peers(&[1]);
    network.command(0, Command::BuildIncoming { tunnel: 1, pseudo_identity: [7; 32], path, token: [1; 32] });
    assert!(network.wait(|network| !network.nodes[0].events.is_empty()));
    let addresses = [network.nodes[0].address, network.nodes[1].address];
    let stranger = SocketAddr::from(([10, 0, 0, 77], 9));
    for (what, bytes) in records(data) {
        let (to, from) = (usize::from(what >> 7), usize::from(what >> 7 ^ 1));
        match what & 7 {
            0 => network.inject(to, stranger, padded(bytes)),
            1 => network.inject(to, addresses[from], padded(bytes)),
            // Inside the link: the bytes are circuit, command, number and body.
            2 | 3 => network.act(from, |engine, now, out| {
                let mut datagram = [0; DATAGRAM_BYTES];
                let length = bytes.len().min(DATAGRAM_BYTES - cell::layout::CELL_AT);
                datagram[cell::layout::CELL_AT..][..length].copy_from_slice(&bytes[..length]);
                engine.send_cell(now, addresses[to], &mut datagram, out);
            }),
            // Inside the circuit: relay command and payload.
            4 | 5 => network.act(0, |engine, now, out| {
                let (command, payload) = bytes.split_first().unwrap_or((&0, &[]));
                engine.send_body(now, 1, *command, payload, out);
            }),
            6 => network.act(1, |engine, now, out| {
                let (command, payload) = bytes.split_first().unwrap_or((&0, &[]));
                engine.send_body_back(now, *command, payload, out);
            }),
            _ => network.run(Duration::from_millis(bytes.len() as u64 * 10)),
        }
    }
    network.run(Duration::from_millis(500));
}

/// Handshake messages as they come, and a real handshake whose datagrams the records alter on the way: which one, and from
/// where on, in the first three bytes.
pub fn handshake(data: &[u8]) {
    let key = StaticKey::new([3; 32]);
    for pattern in [Pattern::Link, Pattern::Hop, Pattern::EndToEnd, Pattern::EndToEndKnown] {
        let own = (pattern != Pattern::EndToEnd).then_some(&key);
        if let Ok((mut responder, _)) = Handshake::respond(pattern, own, data, &[0; 8]) {
            let _ = responder.read(data);
        }
        let begun = match pattern {
            Pattern::EndToEndKnown => Handshake::initiate_to(key.public()),
            _ => Handshake::initiate(pattern, own),
        };
        if let Ok((mut initiator, _)) = begun {
            assert!(initiator.read_answer(data).is_err(), "an answer that nobody made");
        }
    }
    let mut network = Network::of(vec![node(0, 0, 3600), node(1, 0, 3600)]);
    let alterations: Vec<(u8, Vec<u8>)> =
        records(data).map(|(which, bytes)| (which, bytes.to_vec())).collect();
    let mut serial = 0_u8;
    network.mangle = Box::new(move |_, _, mut datagram| {
        serial = serial.wrapping_add(1);
        let original = datagram;
        for (_, bytes) in alterations.iter().filter(|(which, _)| *which == serial) {
            if let Some((at, bytes)) = bytes.split_first_chunk::<2>() {
                let at = usize::from(u16::from_be_bytes(*at)) % DATAGRAM_BYTES;
                for (byte, change) in datagram[at..].iter_mut().zip(bytes) {
                    *byte ^= change;
                }
            }
        }
        // Who alters on the way can also let the original through.
        if serial.is_multiple_of(2) { vec![datagram, original] } else { vec![datagram] }
    });
    let path = network.peers(&[1]);
    network.command(0, Command::BuildIncoming { tunnel: 1, pseudo_identity: [7; 32], path, token: [1; 32] });
    network.run(Duration::from_secs(6));
}

/// End-to-end frames: the records lie over sealed ones; only what is unaltered and new may open.
pub fn endtoend(data: &[u8]) {
    let Ok((mut handshake, call)) = Handshake::initiate(Pattern::EndToEnd, None) else { return };
    let Some((mut callee, answer)) = Endpoint::answer(&call, None) else { return };
    assert!(handshake.read_answer(&answer).is_ok());
    let Some(secrets) = handshake.secrets() else { return };
    let mut caller = Endpoint::new(&secrets, true);
    assert!(callee.open(&mut data.to_vec()).is_none(), "a frame that nobody sealed");
    let _ = Endpoint::answer(data, None);
    let _ = Endpoint::answer(data, Some(&[3; 32]));
    for (at, bytes) in records(data) {
        let mut payload = [0; PAYLOAD_BYTES];
        Endpoint::plain_mut(&mut payload).fill(at);
        caller.seal(u32::from(at), &mut payload);
        let mut sealed = payload;
        for (byte, change) in payload[usize::from(at)..].iter_mut().zip(bytes) {
            *byte ^= change;
        }
        // Flow number and the three bytes after the kind are the exchange point's and not authenticated.
        let same = payload[8..] == sealed[8..];
        assert_eq!(callee.open(&mut payload).is_some(), same);
        assert_eq!(callee.open(&mut sealed).is_some(), !same, "replayed, or lost to an altered one");
    }
}

/// Requests, responses and their fragments.
pub fn control(data: &[u8]) {
    if let Some(request) = Request::decode(data) {
        assert_eq!(Request::decode(&request.encode()), Some(request));
    }
    if let Some(response) = Response::decode(data) {
        assert_eq!(Response::decode(&response.encode()), Some(response));
    }
    let _ = decode_fragment(data);
}

/// Records are fragments: index and count in the first two bytes.
pub fn fragments(data: &[u8]) {
    let mut assembly = Assembly::default();
    for (what, bytes) in records(data) {
        let Some(([index, count], bytes)) = bytes.split_first_chunk() else { continue };
        if what == 0xff {
            assembly.clear();
        }
        let _ = assembly.add(Fragment { index: *index, count: *count, bytes });
    }
    let message = &data[..data.len().min(1600)];
    let mut whole = None;
    let mut assembly = Assembly::default();
    for fragment in split(message, 100) {
        whole = assembly.add(fragment);
    }
    assert_eq!(whole.as_deref(), Some(message));
}

/// Records are pieces of packets.
pub fn pieces(data: &[u8]) {
    let mut reassembly = Reassembly::default();
    for (_, bytes) in records(data) {
        let mut plain = [0; PLAIN_BYTES];
        let length = bytes.len().min(PLAIN_BYTES);
        plain[..length].copy_from_slice(&bytes[..length]);
        assert!(reassembly.take(&plain).is_none_or(|packet| packet.len() <= MAX_PACKET_BYTES));
    }
}

/// An IP packet from the device, and transport bytes from the other end.
pub fn ip(data: &[u8]) {
    if let Some(packet) = parse(data) {
        let mut bytes = Vec::new();
        build(&mut bytes, packet.protocol, packet.source, packet.destination, packet.transport);
        let again = parse(&bytes).expect("what we build is a packet");
        assert_eq!((again.source, again.destination), (packet.source, packet.destination));
        assert_eq!(again.transport.len(), packet.transport.len());
    }
    if let Some((&protocol, transport)) = data.split_first()
        && transport.len() < MAX_PACKET_BYTES
        && check_transport(protocol, transport)
    {
        if protocol == TCP {
            let mut segment = transport.to_vec();
            let length = normalise(&mut segment);
            assert!(length <= transport.len() && check_transport(TCP, &segment[..length]));
        }
        for (source, destination) in [("10.0.0.1", "10.0.0.2"), ("fd00::1", "fd00::2")] {
            let mut bytes = Vec::new();
            let [source, destination] = [source, destination].map(|text| text.parse().expect("an address"));
            build(&mut bytes, protocol, source, destination, transport);
            assert!(parse(&bytes).is_some());
        }
    }
}

/// A peer's name.
pub fn peer(data: &[u8]) {
    if let Some(peer) = Peer::decode(data) {
        let mut bytes = Vec::new();
        peer.encode(&mut bytes);
        assert_eq!(Peer::decode(&bytes), Some(peer));
    }
}

/// A certificate of any purpose.
pub fn certificate(data: &[u8]) {
    for purpose in [Purpose::Dht, Purpose::Link, Purpose::Hop] {
        let _ = verify(data, purpose, 1_800_000_000);
    }
}
