//! Neither a relay's step nor a tunnel's end allocates anything for a cell or a packet: proven by an allocator that counts.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use kx::event::{Command, Event};
use kx::ip::{UDP, build};
use kx::outbox::Outbox;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;
use support::scenario::{connect, udp};
use support::{Network, tun_address};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: everything is passed on to the system's allocator unchanged; counting a plain cell allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const PACKETS: usize = 300;

#[test]
fn both_ends_relays_and_the_exchange_point_allocate_nothing_for_a_packet_of_one_cell() {
    packets_pass(168, 1);
}

#[test]
fn nor_for_a_packet_of_several() {
    packets_pass(1389, 5);
}

/// UDP packets of `length` bytes, which take so many `cells`.
fn packets_pass(length: u16, cells: usize) {
    let mut network = Network::new(6);
    let pseudo_identity = [77; 32];
    let path = network.peers(&[1, 2, 3]);
    network.command(0, Command::BuildIncoming { tunnel: 1, pseudo_identity, path, token: [1; 32] });
    assert!(network.wait(|n| n.nodes[0].events.len() == 1));
    let path = network.peers(&[4, 1, 3]);
    network.command(5, Command::BuildOutgoing { tunnel: 2, pseudo_identity, path, token: [2; 32] });
    assert!(network.wait(|n| n.nodes[5].events.len() == 1));
    let Event::TunnelReady { address: Some(callee), .. } = network.nodes[5].events[0] else {
        panic!("not ready")
    };

    let mut transport = vec![0x0f, 0xa0, 0x13, 0xc4];
    transport.extend_from_slice(&length.to_be_bytes());
    transport.resize(usize::from(length), 7);
    let mut packet = Vec::new();
    build(&mut packet, UDP, tun_address(5), callee, &transport);
    let mut out = Outbox::default();
    let now = network.now;
    let caller = network.nodes[5].address;
    let mut under_way = Vec::with_capacity(PACKETS * cells);
    for index in 0..PACKETS {
        let allocations = allocations_of(|| network.nodes[5].engine.handle_packet(now, &packet, &mut out));
        assert!(allocations == 0 || index == 0, "{allocations} allocations for packet {index}");
        assert_eq!(out.datagrams.len(), cells);
        under_way.extend(out.datagrams.drain(..).map(|transmit| (caller, transmit.to, transmit.datagram)));
        out.clear();
    }
    // Caller's first hop, second hop, exchange point, and the callee's second and first hop.
    for node in [4, 1, 3, 2, 1] {
        let address = network.nodes[node].address;
        assert_eq!(under_way.len(), PACKETS * cells, "cells at node {node}");
        let mut next = Vec::with_capacity(PACKETS * cells);
        for (index, (from, to, mut datagram)) in under_way.into_iter().enumerate() {
            assert_eq!(to, address);
            let engine = &mut network.nodes[node].engine;
            let allocations = allocations_of(|| engine.handle_datagram(now, from, &mut datagram, &mut out));
            // The outbox grows once; afterwards its buffers are used again.
            assert!(
                allocations == 0 || index == 0,
                "{allocations} allocations for cell {index} at node {node}"
            );
            let transmit = out.datagrams.first().expect("a cell goes on");
            next.push((address, transmit.to, transmit.datagram));
            out.clear();
        }
        under_way = next;
    }
    let mut whole = 0;
    for (index, (from, to, mut datagram)) in under_way.into_iter().enumerate() {
        assert_eq!(to, network.nodes[0].address);
        let engine = &mut network.nodes[0].engine;
        let allocations = allocations_of(|| engine.handle_datagram(now, from, &mut datagram, &mut out));
        // Nor do the slots grow in which packets are put together, once each was used.
        assert!(
            allocations == 0 || index < 8 * cells,
            "{allocations} allocations for cell {index} at the callee"
        );
        whole += out.packets().count();
        out.clear();
    }
    assert_eq!(whole, PACKETS);
}

/// At both ends of a covered link, in 600 beats; what the tick of each 25th allocates is of circuits.
#[test]
fn nor_for_a_cell_that_waits_for_its_beat() {
    let mut network = Network::new(6);
    let callee = connect(&mut network);
    let peers = network.peers(&[4]);
    network.command(5, Command::Cover { calls: 2, peers });
    network.run(Duration::from_secs(1));
    let packet = udp(tun_address(5), callee, 4000, 5060, &[7; 160]);
    let (own, hop) = (network.nodes[5].address, network.nodes[4].address);
    let (mut there, mut back) = (Outbox::default(), Outbox::default());
    let mut allocating = 0;
    // Every third beat, so that the others are padding.
    for index in 0..600 {
        let now = network.nodes[5].engine.next_timeout().unwrap();
        let mut work = || {
            if index % 3 == 0 {
                network.nodes[5].engine.handle_packet(now, &packet, &mut there);
            }
            network.nodes[5].engine.handle_timeout(now, &mut there);
            for transmit in there.datagrams.iter_mut().filter(|transmit| transmit.to == hop) {
                network.nodes[4].engine.handle_datagram(now, own, &mut transmit.datagram, &mut back);
            }
            for transmit in back.datagrams.iter_mut().filter(|transmit| transmit.to == own) {
                network.nodes[5].engine.handle_datagram(now, hop, &mut transmit.datagram, &mut there);
            }
        };
        if allocations_of(&mut work) > 0 && index >= 100 {
            allocating += 1;
        }
        there.clear();
        back.clear();
    }
    assert!(allocating <= 500 / 25, "{allocating} of 500 beats allocate");
}

fn allocations_of(work: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.with(Cell::get);
    work();
    ALLOCATIONS.with(Cell::get) - before
}
