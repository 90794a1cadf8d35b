//! The thread that moves datagrams and packets between the kernel and the engine.
//!
//! One thread owns the engine, so there is no lock around it. Commands come in over a queue and a waker; events go out
//! through a sink that must not block. A panic ends the thread with an event, not the process.

use crate::device::{Device, PACKET_BYTES, TunConfig};
use crate::sockets::{Inbox, Sockets};
use kx::counters::Counters;
use kx::engine::{Engine, EngineConfig, Sizes};
use kx::event::{Command, Event};
use kx::outbox::Outbox;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const WAKE: Token = Token(1000);
const TUN: Token = Token(1001);
/// Packets taken from the device before the others have their turn.
const BURST: usize = 64;
const STATUS_EVERY: Duration = Duration::from_millis(500);

/// What a pump needs.
pub struct PumpConfig {
    /// For the engine; its `tun` is set from `tun` here.
    pub engine: EngineConfig,
    /// Addresses on which other peers reach this one.
    pub bind: Vec<SocketAddr>,
    /// The TUN device; `None`: this peer only relays.
    pub tun: Option<TunConfig>,
    /// Whether datagrams are handed over and taken in rows (GSO, GRO). Without it everything works, more slowly.
    pub offload: bool,
}

/// Why a pump did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PumpError {
    /// A socket could not be bound.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The TUN device could not be made.
    #[error("cannot open the TUN device: {0}")]
    Tun(io::Error),
    /// Polling or threads failed.
    #[error("cannot start the packet thread: {0}")]
    Thread(io::Error),
}

/// What the sink hears.
#[derive(Clone, Debug)]
pub enum PumpEvent {
    /// From the engine.
    Engine(Event),
    /// The thread is gone, by a fault of our own.
    Failed(String),
}

/// A snapshot, at most half a second old.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// Totals.
    pub counters: Counters,
    /// Table sizes.
    pub sizes: Sizes,
    /// Datagrams that the kernel would not take.
    pub send_failures: u64,
}

/// Events on their way out; called on the pump's thread and must not block.
pub type Sink = Box<dyn Fn(Vec<PumpEvent>) + Send>;

struct Shared {
    commands: Mutex<Vec<Command>>,
    status: Mutex<Status>,
    stop: AtomicBool,
    waker: Waker,
}

/// A running pump; dropped, it stops.
pub struct Pump {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    addresses: Vec<SocketAddr>,
    tun_name: Option<String>,
}

impl Pump {
    /// Opens sockets and device and starts the thread.
    pub fn start(config: PumpConfig, sink: Sink) -> Result<Self, PumpError> {
        let poll = Poll::new().map_err(PumpError::Thread)?;
        let sockets = Sockets::bind(&config.bind, config.offload, poll.registry())
            .map_err(|(address, source)| PumpError::Bind { address, source })?;
        let device = config.tun.as_ref().map(Device::open).transpose().map_err(PumpError::Tun)?;
        if let Some(device) = &device {
            poll.registry()
                .register(&mut SourceFd(&device.as_raw_fd()), TUN, Interest::READABLE)
                .map_err(PumpError::Tun)?;
        }
        let waker = Waker::new(poll.registry(), WAKE).map_err(PumpError::Thread)?;
        let shared = Arc::new(Shared {
            commands: Mutex::default(),
            status: Mutex::default(),
            stop: AtomicBool::new(false),
            waker,
        });
        let addresses = sockets.addresses();
        let tun_name = device.as_ref().map(Device::name);
        let worker = Worker {
            poll,
            sockets,
            inbox: Inbox::new(),
            device,
            engine: Engine::new(config.engine),
            out: Outbox::default(),
            start: Instant::now(),
            shared: shared.clone(),
            sink,
            send_failures: 0,
        };
        let thread = std::thread::Builder::new()
            .name("peer-kx".into())
            .spawn(move || worker.run())
            .map_err(PumpError::Thread)?;
        Ok(Self { shared, thread: Some(thread), addresses, tun_name })
    }

    /// Queues a command; its effects come as events.
    pub fn command(&self, command: Command) {
        lock(&self.shared.commands).push(command);
        // Failing to wake means that the thread is gone, which its event has told.
        let _ = self.shared.waker.wake();
    }

    /// The latest snapshot.
    pub fn status(&self) -> Status {
        lock(&self.shared.status).clone()
    }

    /// The bound addresses.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The interface's name.
    pub fn tun_name(&self) -> Option<&str> {
        self.tun_name.as_deref()
    }

    /// Stops the thread and closes sockets and device.
    pub fn stop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        let _ = self.shared.waker.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        self.stop();
    }
}

struct Worker {
    poll: Poll,
    sockets: Sockets,
    inbox: Inbox,
    device: Option<Device>,
    engine: Engine,
    out: Outbox,
    start: Instant,
    shared: Arc<Shared>,
    sink: Sink,
    send_failures: u64,
}

impl Worker {
    fn run(mut self) {
        let failure = match catch_unwind(AssertUnwindSafe(|| self.serve())) {
            Ok(Ok(())) => return,
            Ok(Err(error)) => format!("polling failed: {error}"),
            Err(_) => "the packet thread panicked; this is a bug".to_owned(),
        };
        (self.sink)(vec![PumpEvent::Failed(failure)]);
    }

    fn serve(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(64);
        let mut status_at = Instant::now();
        // Polling is edge-triggered: a source stays readable until it was read to its end, a burst at a time.
        let mut readable = vec![true; self.sockets.len()];
        let mut packets = true;
        while !self.shared.stop.load(Ordering::Acquire) {
            let more = packets || readable.contains(&true);
            let timeout = if more { Duration::ZERO } else { self.timeout() };
            match self.poll.poll(&mut events, Some(timeout)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                result => result?,
            }
            for event in &events {
                match event.token() {
                    TUN => packets = true,
                    Token(index) => readable.get_mut(index).into_iter().for_each(|source| *source = true),
                }
            }
            for (index, source) in readable.iter_mut().enumerate().filter(|(_, source)| **source) {
                *source = self.receive(index);
            }
            packets = packets && self.read_packets();
            self.take_commands();
            let now = self.start.elapsed();
            if self.engine.next_timeout().is_some_and(|at| at <= now) {
                self.engine.handle_timeout(now, &mut self.out);
                self.flush();
            }
            if status_at.elapsed() >= STATUS_EVERY {
                status_at = Instant::now();
                self.publish();
            }
        }
        for tunnel in self.engine.tunnels() {
            self.engine.handle_command(self.start.elapsed(), Command::Destroy { tunnel }, &mut self.out);
        }
        self.flush();
        Ok(())
    }

    fn timeout(&self) -> Duration {
        let now = self.start.elapsed();
        let next = self.engine.next_timeout().map_or(STATUS_EVERY, |at| at.saturating_sub(now));
        next.min(STATUS_EVERY)
    }

    /// A burst from one socket; whether there may be more.
    fn receive(&mut self, index: usize) -> bool {
        let more = self.sockets.receive(index, &mut self.inbox);
        let now = self.start.elapsed();
        for (from, datagram) in self.inbox.datagrams() {
            match datagram {
                Some(datagram) => self.engine.handle_datagram(now, from, datagram, &mut self.out),
                None => self.engine.handle_malformed_datagram(),
            }
        }
        self.flush();
        more
    }

    fn read_packets(&mut self) -> bool {
        let Some(device) = &self.device else { return false };
        let mut packet = [0; PACKET_BYTES];
        let now = self.start.elapsed();
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

    fn take_commands(&mut self) {
        let commands = std::mem::take(&mut *lock(&self.shared.commands));
        for command in commands {
            self.engine.handle_command(self.start.elapsed(), command, &mut self.out);
        }
        self.flush();
    }

    fn flush(&mut self) {
        self.send_failures += self.sockets.send(&self.out.datagrams);
        if let Some(device) = &self.device {
            for packet in self.out.packets() {
                if !device.write(packet) {
                    self.send_failures += 1;
                }
            }
        }
        if !self.out.events.is_empty() {
            (self.sink)(self.out.events.drain(..).map(PumpEvent::Engine).collect());
        }
        self.out.clear();
    }

    fn publish(&self) {
        *lock(&self.shared.status) = Status {
            counters: self.engine.counters().clone(),
            sizes: self.engine.sizes(),
            send_failures: self.send_failures,
        };
    }
}

/// A poisoned lock holds nothing that a panic could have left half-written.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
