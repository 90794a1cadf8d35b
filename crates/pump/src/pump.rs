//! A KX peer's packet threads: started, ordered about, stopped.
//!
//! Each worker is a thread with an engine, sockets and a clock of its own, so there is no lock around any of them. The
//! first one has the TUN device and the tunnels of this peer. Events go out through a sink that must not block.

use crate::device::{Device, TunConfig};
use crate::mailbox::Mailbox;
use crate::sockets::{Sockets, open_all};
use crate::status::Status;
use crate::worker::{TUN, WAKE, Worker};
use kx::engine::EngineConfig;
use kx::event::{Command, Event};
use kx::shard::MAX_SHARDS;
use mio::unix::SourceFd;
use mio::{Interest, Poll, Waker};
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

/// What a pump needs.
pub struct PumpConfig {
    /// For the engine, or for the first of several.
    pub engine: EngineConfig,
    /// Packet threads, 1 to [`MAX_SHARDS`].
    pub workers: usize,
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
    #[error("cannot start the packet threads: {0}")]
    Thread(io::Error),
    /// None or too many.
    #[error("there must be 1 to {MAX_SHARDS} packet threads")]
    Workers,
}

/// What the sink hears.
#[derive(Clone, Debug)]
pub enum PumpEvent {
    /// From the engine.
    Engine(Event),
    /// A thread is gone, by a fault of our own.
    Failed(String),
}

/// Events on their way out; called on the pump's threads and must not block.
pub type Sink = Box<dyn Fn(Vec<PumpEvent>) + Send + Sync>;

/// What the workers share.
pub(crate) struct Shared {
    pub(crate) mailboxes: Vec<Mailbox>,
    pub(crate) stop: AtomicBool,
    pub(crate) sink: Sink,
    /// When the engines' clocks said zero.
    pub(crate) start: Instant,
}

/// A running pump; dropped, it stops.
pub struct Pump {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    addresses: Vec<SocketAddr>,
    tun_name: Option<String>,
}

impl Pump {
    /// Opens sockets and device and starts the threads.
    pub fn start(config: PumpConfig, sink: Sink) -> Result<Self, PumpError> {
        let count = config.workers;
        if count == 0 || count > MAX_SHARDS {
            return Err(PumpError::Workers);
        }
        let engines = config.engine.split(count as u8);
        let shares = engines[0].shard.shares;
        let all = open_all(&config.bind, shares, count)
            .map_err(|(address, source)| PumpError::Bind { address, source })?;
        let mut device = config.tun.as_ref().map(Device::open).transpose().map_err(PumpError::Tun)?;
        let tun_name = device.as_ref().map(Device::name);
        let polls =
            (0..count).map(|_| Poll::new()).collect::<io::Result<Vec<_>>>().map_err(PumpError::Thread)?;
        let mailboxes = polls
            .iter()
            .map(|poll| Ok(Mailbox::new(Waker::new(poll.registry(), WAKE)?, count == 1)))
            .collect::<io::Result<_>>()
            .map_err(PumpError::Thread)?;
        let shared =
            Arc::new(Shared { mailboxes, stop: AtomicBool::new(false), sink, start: Instant::now() });
        let mut pump = Self { shared: shared.clone(), threads: Vec::new(), addresses: Vec::new(), tun_name };
        let parts = engines.into_iter().zip(all).zip(polls);
        for (index, ((engine, sockets), poll)) in parts.enumerate() {
            let registry = poll.registry().try_clone().map_err(PumpError::Thread)?;
            let sockets = Sockets::new(sockets, config.offload, registry).map_err(PumpError::Thread)?;
            if index == 0 {
                pump.addresses = sockets.addresses();
            }
            let device = device.take();
            if let Some(device) = &device {
                poll.registry()
                    .register(&mut SourceFd(&device.as_raw_fd()), TUN, Interest::READABLE)
                    .map_err(PumpError::Tun)?;
            }
            let worker = Worker::new(index, poll, sockets, device, engine, shared.clone());
            let thread = std::thread::Builder::new().name(format!("peer-kx-{index}"));
            pump.threads.push(thread.spawn(move || worker.run()).map_err(PumpError::Thread)?);
        }
        Ok(pump)
    }

    /// Queues a command; its effects come as events.
    pub fn command(&self, command: Command) {
        let workers =
            if command.is_for_all() { &self.shared.mailboxes[..] } else { &self.shared.mailboxes[..1] };
        for mailbox in workers {
            mailbox.order(command.clone());
        }
    }

    /// The latest snapshot.
    pub fn status(&self) -> Status {
        let all = self.shared.mailboxes.iter().map(Mailbox::status);
        all.fold(Status::default(), |sum, one| sum.plus(&one))
    }

    /// The bound addresses.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The interface's name.
    pub fn tun_name(&self) -> Option<&str> {
        self.tun_name.as_deref()
    }

    /// Stops the threads and closes sockets and device.
    pub fn stop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        for mailbox in &self.shared.mailboxes {
            mailbox.wake();
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        self.stop();
    }
}
