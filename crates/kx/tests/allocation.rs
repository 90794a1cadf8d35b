//! The relay step allocates nothing: proven by an allocator that counts.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use cell::layout::Datagram;
use kx::event::{Command, Event};
use kx::ip::{UDP, build};
use kx::outbox::Outbox;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
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

const CELLS: usize = 500;

#[test]
fn relays_and_the_exchange_point_allocate_nothing_for_a_cell() {
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

    // Nothing is delivered from now on: the test carries every cell from hop to hop itself.
    let sent: Rc<RefCell<Vec<(SocketAddr, SocketAddr, Datagram)>>> = Rc::default();
    let record = sent.clone();
    network.mangle = Box::new(move |from, to, datagram| {
        record.borrow_mut().push((from, to, datagram));
        Vec::new()
    });
    let mut transport = vec![0x0f, 0xa0, 0x13, 0xc4, 0, 168, 0, 0];
    transport.resize(168, 7);
    let mut packet = Vec::new();
    build(&mut packet, UDP, tun_address(5), callee, &transport);
    for _ in 0..CELLS {
        network.packet(5, &packet);
    }
    let mut under_way = std::mem::take(&mut *sent.borrow_mut());
    let mut out = Outbox::default();
    let now = network.now;
    // Caller's first hop, second hop, exchange point, and the callee's second and first hop.
    for node in [4, 1, 3, 2, 1] {
        let address = network.nodes[node].address;
        assert_eq!(under_way.len(), CELLS, "cells at node {node}");
        let mut next = Vec::with_capacity(CELLS);
        for (index, (from, to, mut datagram)) in under_way.into_iter().enumerate() {
            assert_eq!(to, address);
            let before = ALLOCATIONS.with(Cell::get);
            network.nodes[node].engine.handle_datagram(now, from, &mut datagram, &mut out);
            let allocations = ALLOCATIONS.with(Cell::get) - before;
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
    assert_eq!(under_way[0].1, network.nodes[0].address);
}
