//! One packet thread: between the kernel, its engine and the other workers.
//!
//! What comes in is served at once, in place, as long as it is little. When more is queued than a burst, it is taken out of
//! the kernel's queue, which knows no fairness, into one that is fair between links, and served from there. A panic ends
//! the thread with an event, not the process.

use crate::device::{Device, PACKET_BYTES};
use crate::fair::FairQueue;
use crate::pump::{PumpEvent, Shared};
use crate::sockets::{Inbox, Sockets};
use crate::status::Status;
use cell::layout::Datagram;
use kx::engine::{Engine, EngineConfig, Lane, PREFETCHED};
use kx::event::Command;
use kx::outbox::Outbox;
use kx::shard::{Owner, Shares, owner_of};
use mio::{Events, Poll, Token};
use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub(crate) const WAKE: Token = Token(1000);
pub(crate) const TUN: Token = Token(1001);
/// Packets taken from the device, cells from other workers, and queued datagrams, before the others have their turn.
const BURST: usize = 64;
/// So many datagrams of one system call are served as they come; more, from several places, are put into fair order first.
const AT_ONCE: usize = 256;
/// Queued datagrams of one link, and in all: some 5 and 10 ms of work, and as much as the kernel holds while this thread is
/// not scheduled.
const MOST_QUEUED_OF_LANE: usize = 8192;
const MOST_QUEUED: usize = 16_384;
/// Of one link in one turn: much of it goes on to one peer, in one system call.
const QUANTUM: usize = 16;
const STATUS_EVERY: Duration = Duration::from_millis(500);
/// Hints that links were lost which the other workers get between two statuses: each looks at as many, and anybody can send them.
const MOST_HINTS: u8 = 16;

pub(crate) struct Worker {
    index: usize,
    poll: Poll,
    sockets: Sockets,
    inbox: Inbox,
    shares: Shares,
    queue: FairQueue<Lane, (SocketAddr, Datagram)>,
    device: Option<Device>,
    engine: Engine,
    out: Outbox,
    shared: Arc<Shared>,
    /// Packets that the device would not take.
    send_failures: u64,
    crowded_out: u64,
    hints_left: u8,
    /// What is served next, taken out of the queue.
    burst: Vec<(SocketAddr, Datagram)>,
}

impl Worker {
    pub(crate) fn new(
        index: usize,
        poll: Poll,
        sockets: Sockets,
        device: Option<Device>,
        engine: EngineConfig,
        shared: Arc<Shared>,
    ) -> Self {
        Self {
            index,
            poll,
            sockets,
            inbox: Inbox::new(),
            shares: engine.shard.shares,
            queue: FairQueue::new(MOST_QUEUED_OF_LANE, MOST_QUEUED).with_quantum(QUANTUM),
            device,
            engine: Engine::new(engine),
            out: Outbox::default(),
            shared,
            send_failures: 0,
            crowded_out: 0,
            hints_left: MOST_HINTS,
            burst: Vec::with_capacity(PREFETCHED),
        }
    }

    pub(crate) fn run(mut self) {
        let failure = match catch_unwind(AssertUnwindSafe(|| self.serve())) {
            Ok(Ok(())) => return,
            Ok(Err(error)) => format!("polling failed: {error}"),
            Err(_) => "a packet thread panicked; this is a bug".to_owned(),
        };
        (self.shared.sink)(vec![PumpEvent::Failed(failure)]);
    }

    fn serve(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(64);
        let mut status_at = Instant::now();
        // Polling is edge-triggered: a source stays readable until it was read to its end, a burst at a time.
        let mut readable = vec![true; self.sockets.len()];
        let (mut packets, mut mail) = (true, true);
        while !self.shared.stop.load(Ordering::Acquire) {
            let more = packets || mail || readable.contains(&true) || !self.queue.is_empty();
            let timeout = if more { Duration::ZERO } else { self.timeout() };
            match self.poll.poll(&mut events, Some(timeout)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                result => result?,
            }
            for event in &events {
                match event.token() {
                    TUN => packets = true,
                    WAKE => mail = true,
                    Token(index) => {
                        if event.is_writable() {
                            self.sockets.send_waiting(index);
                        }
                        readable.get_mut(index).into_iter().for_each(|source| *source = true);
                    }
                }
            }
            for (index, source) in readable.iter_mut().enumerate().filter(|(_, source)| **source) {
                *source = self.receive(index);
            }
            self.serve_queue();
            packets = packets && self.read_packets();
            mail = mail && self.take_mail();
            let now = self.now();
            if self.engine.next_timeout().is_some_and(|at| at <= now) {
                self.engine.handle_timeout(now, &mut self.out);
                self.flush();
            }
            if status_at.elapsed() >= STATUS_EVERY {
                status_at = Instant::now();
                self.hints_left = MOST_HINTS;
                self.engine.set_unix_time(now, unix_now());
                self.publish();
            }
        }
        for tunnel in self.engine.tunnels() {
            self.engine.handle_command(self.now(), Command::Destroy { tunnel }, &mut self.out);
        }
        self.flush();
        self.sockets.finish();
        Ok(())
    }

    fn now(&self) -> Duration {
        self.shared.start.elapsed()
    }

    fn timeout(&self) -> Duration {
        let next = self.engine.next_timeout().map_or(STATUS_EVERY, |at| at.saturating_sub(self.now()));
        next.min(STATUS_EVERY)
    }

    /// A burst from one socket; whether there may be more.
    fn receive(&mut self, index: usize) -> bool {
        let more = self.sockets.receive(index, &mut self.inbox);
        let now = self.now();
        let is_little = self.inbox.len() <= AT_ONCE || self.inbox.has_one_source();
        let at_once = self.queue.is_empty() && is_little;
        let workers = self.shared.mailboxes.len();
        let mut burst = [const { None }; PREFETCHED];
        let mut length = 0;
        for (from, datagram) in self.inbox.datagrams() {
            let Some(datagram) = datagram else {
                self.engine.handle_malformed_datagram();
                continue;
            };
            if workers > 1 {
                let owner = owner_of(datagram, self.shares);
                let others = match owner {
                    Owner::Shard(worker) => worker..worker + 1,
                    Owner::Every if self.hints_left == 0 => 0..0,
                    Owner::Every => {
                        self.hints_left -= 1;
                        0..workers
                    }
                };
                for other in others.filter(|other| *other != self.index) {
                    self.crowded_out += u64::from(!self.shared.mailboxes[other].pass_on(from, datagram));
                }
                if owner != Owner::Shard(self.index) && owner != Owner::Every {
                    continue;
                }
            }
            if at_once {
                burst[length] = Some((from, datagram));
                length += 1;
                if length == burst.len() {
                    self.engine.handle_datagrams(now, &mut burst, &mut self.out);
                    length = 0;
                }
            } else {
                let lane = self.engine.lane_of(from, datagram);
                self.crowded_out += u64::from(self.queue.push(lane, (from, *datagram)));
            }
        }
        self.engine.handle_datagrams(now, &mut burst[..length], &mut self.out);
        self.flush();
        more
    }

    /// A burst of what is queued.
    fn serve_queue(&mut self) {
        if self.queue.is_empty() {
            return;
        }
        let now = self.now();
        for _ in 0..BURST / PREFETCHED {
            while self.burst.len() < PREFETCHED
                && self.queue.serve(|_, waiting| {
                    self.burst.push(*waiting);
                    true
                })
            {}
            let mut burst = [const { None }; PREFETCHED];
            for (place, (from, datagram)) in burst.iter_mut().zip(&mut self.burst) {
                *place = Some((*from, datagram));
            }
            self.engine.handle_datagrams(now, &mut burst, &mut self.out);
            self.burst.clear();
        }
        self.flush();
    }

    fn read_packets(&mut self) -> bool {
        let Some(device) = &self.device else { return false };
        let mut packet = [0; PACKET_BYTES];
        let now = self.now();
        let mut more = true;
        for _ in 0..BURST {
            match device.read(&mut packet) {
                Some(length) => self.engine.handle_packet(now, &packet[..length], &mut self.out),
                None => {
                    more = false;
                    break;
                }
            }
        }
        self.flush();
        more
    }

    /// Commands, and a burst of what other workers have sent; whether there may be more.
    fn take_mail(&mut self) -> bool {
        let shared = self.shared.clone();
        let mailbox = &shared.mailboxes[self.index];
        mailbox.open();
        for command in mailbox.take_commands() {
            self.engine.handle_command(self.now(), command, &mut self.out);
        }
        let now = self.now();
        for parcel in mailbox.take_parcels() {
            self.engine.handle_parcel(now, parcel, &mut self.out);
        }
        let mut more = false;
        for turn in 0..BURST {
            let (cell, datagram) = (mailbox.take_cell(), mailbox.take_datagram());
            more = (cell.is_some() || datagram.is_some()) && turn + 1 == BURST;
            if cell.is_none() && datagram.is_none() {
                break;
            }
            if let Some(parcel) = cell {
                self.engine.handle_parcel(now, parcel, &mut self.out);
            }
            if let Some((from, datagram)) = datagram {
                // In turn with what the kernel has brought.
                let lane = self.engine.lane_of(from, &datagram);
                self.crowded_out += u64::from(self.queue.push(lane, (from, datagram)));
            }
        }
        self.flush();
        more
    }

    fn flush(&mut self) {
        self.sockets.send(&self.out.datagrams);
        if let Some(device) = &self.device {
            for packet in self.out.packets() {
                if !device.write(packet) {
                    self.send_failures += 1;
                }
            }
        }
        for (shard, parcel) in self.out.parcels.drain(..) {
            if let Some(mailbox) = self.shared.mailboxes.get(shard) {
                self.crowded_out += u64::from(!mailbox.post(parcel));
            }
        }
        if !self.out.events.is_empty() {
            (self.shared.sink)(self.out.events.drain(..).map(PumpEvent::Engine).collect());
        }
        self.out.clear();
    }

    fn publish(&self) {
        self.shared.mailboxes[self.index].publish(Status {
            counters: self.engine.counters().clone(),
            sizes: self.engine.sizes(),
            send_failures: self.send_failures + self.sockets.failures(),
            crowded_out: self.crowded_out,
        });
    }
}

/// The system's clock, which goes on while the machine sleeps and the engines' clock stands still.
fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
