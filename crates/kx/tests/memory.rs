//! What others can make a peer keep is bounded: handshakes begun, peers dialled for others, cells waiting for them, circuits,
//! registrations. Proven by an allocator that counts what the attacked engine holds.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use cell::layout::{Datagram, Kind};
use kx::event::Command;
use kx::fragments::Fragment;
use kx::outbox::Outbox;
use kx::peer::Peer;
use kx::wire::{FRAGMENT_BYTES, HandshakeHeader, Step, handshake_datagram};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use support::{Network, Node, node};

struct Counting;

thread_local! {
    static COUNTED: Cell<bool> = const { Cell::new(false) };
    static HELD: Cell<i64> = const { Cell::new(0) };
}

fn count(bytes: i64) {
    if COUNTED.with(Cell::get) {
        HELD.with(|held| held.set(held.get() + bytes));
    }
}

// SAFETY: everything is passed on to the system's allocator unchanged; counting in plain cells allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as i64);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as i64));
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// As the goal has it (`kx 6`), for everything at once.
const MOST_HELD: i64 = 64 << 20;
const VICTIM: usize = 1;
const STEP: Duration = Duration::from_millis(10);

/// The attacked peer, beside a network of attackers whose datagrams for it are caught.
struct Siege {
    network: Network,
    victim: Node,
    caught: Rc<RefCell<Vec<(SocketAddr, Datagram)>>>,
    /// Cookies that strangers got.
    cookies: Vec<(SocketAddr, Datagram)>,
    out: Outbox,
    most_held: i64,
}

impl Siege {
    fn new() -> Self {
        let victim = node(VICTIM, 0, 30 * 24 * 3600);
        let mut network = Network::new(6);
        network.nodes[VICTIM].alive = false;
        let caught: Rc<RefCell<Vec<(SocketAddr, Datagram)>>> = Rc::default();
        let (catch, address) = (caught.clone(), victim.address);
        network.mangle = Box::new(move |from, to, datagram| {
            if to != address {
                return vec![datagram];
            }
            catch.borrow_mut().push((from, datagram));
            Vec::new()
        });
        Self { network, victim, caught, cookies: Vec::new(), out: Outbox::default(), most_held: 0 }
    }

    /// Hands a datagram to the victim.
    fn send(&mut self, from: SocketAddr, mut datagram: Datagram) {
        let now = self.network.now;
        COUNTED.with(|counted| counted.set(true));
        self.victim.engine.handle_datagram(now, from, &mut datagram, &mut self.out);
        self.answer();
    }

    /// What the victim wants sent reaches the attackers; what it holds is looked at.
    fn answer(&mut self) {
        COUNTED.with(|counted| counted.set(false));
        self.most_held = self.most_held.max(HELD.with(Cell::get));
        let sent: Vec<(SocketAddr, Datagram)> =
            self.out.datagrams.iter().map(|transmit| (transmit.to, transmit.datagram)).collect();
        self.out.clear();
        let address = self.victim.address;
        for (to, datagram) in sent {
            let attacker = self.network.nodes.iter().position(|node| node.address == to && node.alive);
            match attacker {
                Some(index) => self.network.inject(index, address, datagram),
                None if datagram[0] == Kind::Cookie as u8 => self.cookies.push((to, datagram)),
                None => {}
            }
        }
    }

    fn run(&mut self, duration: Duration) {
        let end = self.network.now + duration;
        while self.network.now < end {
            self.network.run(STEP);
            let caught = std::mem::take(&mut *self.caught.borrow_mut());
            for (from, datagram) in caught {
                self.send(from, datagram);
            }
            let now = self.network.now;
            if self.victim.engine.next_timeout().is_some_and(|at| at <= now) {
                COUNTED.with(|counted| counted.set(true));
                self.victim.engine.handle_timeout(now, &mut self.out);
                self.answer();
            }
        }
    }
}

/// A peer that is not there.
fn ghost(number: u32) -> Peer {
    let mut identity = [0xee; 32];
    identity[..4].copy_from_slice(&number.to_be_bytes());
    let [_, _, high, low] = number.to_be_bytes();
    Peer { identity, address: SocketAddr::from(([198, 18, high, low], 3001)) }
}

#[test]
fn what_others_can_make_a_peer_keep_is_bounded_and_forgotten() {
    let mut siege = Siege::new();
    let victim = siege.victim.peer;
    // Circuits that want to go on to peers that are not there, and registrations, as many as four attackers can have.
    for attacker in [0, 2, 3, 4] {
        for number in 0..1000_u32 {
            let unique = number * 8 + attacker as u32;
            let mut pseudo_identity = [1; 32];
            pseudo_identity[..4].copy_from_slice(&unique.to_be_bytes());
            let path = if number % 2 == 0 { vec![victim, ghost(unique)] } else { vec![victim] };
            let order = Command::BuildIncoming { tunnel: unique + 1, pseudo_identity, path, token: [9; 32] };
            siege.network.command(attacker, order);
        }
        siege.run(Duration::from_secs(8));
    }
    // Strangers from everywhere who get a cookie and begin handshakes that they never finish.
    for stranger in 0..20_000_u32 {
        let [_, a, b, c] = stranger.to_be_bytes();
        let from = SocketAddr::from(([172, 16 + a, b, c], 4000));
        siege.send(from, HandshakeHeader::hello(stranger + 1, 7));
        for (from, cookie) in std::mem::take(&mut siege.cookies) {
            let shown = HandshakeHeader::read(&cookie).cookie;
            let fragment = Fragment { index: 0, count: 16, bytes: &[0; FRAGMENT_BYTES] };
            siege.send(from, handshake_datagram(Step::First, 0, stranger + 1, &shown, fragment));
        }
    }
    siege.run(Duration::from_secs(5));
    let sizes = siege.victim.engine.sizes();
    assert!(sizes.registrations > 1000 && sizes.relayed > 1000, "{sizes:?}: the attack did not come about");
    assert!(siege.most_held < MOST_HELD, "{} KiB", siege.most_held >> 10);
    println!("most held: {} KiB, {sizes:?}", siege.most_held >> 10);
    // The attackers go; a minute without a cell, and all of it is gone.
    for attacker in [0, 2, 3, 4, 5] {
        siege.network.nodes[attacker].alive = false;
    }
    siege.run(Duration::from_secs(150));
    let sizes = siege.victim.engine.sizes();
    assert_eq!((sizes.registrations, sizes.relayed, sizes.links), (0, 0, 0), "{sizes:?}");
}
