//! What most tests begin with: a tunnel between two people, and how to look at it.

use super::{Network, tun_address};
use kx::event::{Command, Event, Failure};
use kx::ip::{UDP, build};
use std::net::IpAddr;
use std::time::Duration;

pub const PSEUDO: [u8; 32] = [77; 32];

pub fn incoming(network: &Network, tunnel: u32, path: &[usize]) -> Command {
    Command::BuildIncoming {
        tunnel,
        pseudo_identity: PSEUDO,
        path: network.peers(path),
        token: [tunnel as u8; 32],
    }
}

pub fn outgoing(network: &Network, tunnel: u32, path: &[usize]) -> Command {
    Command::BuildOutgoing {
        tunnel,
        pseudo_identity: PSEUDO,
        path: network.peers(path),
        token: [tunnel as u8; 32],
    }
}

pub fn ready_address(network: &Network, node: usize, wanted: u32) -> Option<Option<IpAddr>> {
    network.nodes[node].events.iter().find_map(|event| match event {
        Event::TunnelReady { tunnel, address, .. } if *tunnel == wanted => Some(*address),
        _ => None,
    })
}

/// Why a tunnel of `node` broke (it may be repaired), failed or ended.
pub fn trouble(network: &Network, node: usize) -> Option<Failure> {
    network.nodes[node]
        .events
        .iter()
        .find_map(|event| match event {
            Event::TunnelBroken { failure, .. } => Some(*failure),
            _ => None,
        })
        .or_else(|| failure(network, node))
}

pub fn failure(network: &Network, node: usize) -> Option<Failure> {
    network.nodes[node].events.iter().find_map(|event| match event {
        Event::TunnelFailed { failure, .. } | Event::TunnelClosed { failure, .. } => Some(*failure),
        _ => None,
    })
}

/// Callee 0 behind 1, 2 at exchange point 3; caller 5 by way of 4 and 1. Returns the address for the callee.
pub fn connect(network: &mut Network) -> IpAddr {
    network.command(0, incoming(network, 1, &[1, 2, 3]));
    assert!(network.wait(|n| ready_address(n, 0, 1).is_some()), "{:?}", network.nodes[0].events);
    network.command(5, outgoing(network, 2, &[4, 1, 3]));
    assert!(network.wait(|n| ready_address(n, 5, 2).is_some()), "{:?}", network.nodes[5].events);
    ready_address(network, 5, 2).flatten().unwrap()
}

pub fn udp(
    source: IpAddr,
    destination: IpAddr,
    source_port: u16,
    destination_port: u16,
    payload: &[u8],
) -> Vec<u8> {
    let mut transport = [source_port.to_be_bytes(), destination_port.to_be_bytes()].concat();
    transport.extend_from_slice(&(8 + payload.len() as u16).to_be_bytes());
    transport.extend_from_slice(&[0, 0]);
    transport.extend_from_slice(payload);
    let mut bytes = Vec::new();
    build(&mut bytes, UDP, source, destination, &transport);
    bytes
}

pub fn counter(network: &Network, node: usize, name: &str) -> u64 {
    network.nodes[node].engine.counters().named().find(|(other, _)| *other == name).unwrap().1
}

/// Whether a packet from the caller (5) arrives at the callee (0) within a few seconds.
pub fn reaches(network: &mut Network, callee: IpAddr, payload: &[u8]) -> bool {
    network.nodes[0].packets.clear();
    let packet = udp(tun_address(5), callee, 4000, 5060, payload);
    network.packet(5, &packet);
    network.run(Duration::from_secs(1));
    network.nodes[0].packets.iter().any(|packet| packet.ends_with(payload))
}
