//! The KX engine's side of the border.
//!
//! Events wait in a queue of their own and JavaScript is woken once for all of them (one wake in flight); none is lost.
//! Not in it: which peers a path takes, what a tunnel is for.

use kx::engine::{EngineConfig, HopIdentity, Tun};
use kx::event::{Command, Event, Extension, Failure, TunnelKey};
use kx::links::LinkIdentity;
use kx::noise::StaticKey;
use kx::numbers::Numbers;
use kx::peer::{Identity, Peer};
use kx::registration::Registration;
use kx::shard::Shard;
use napi::bindgen_prelude::{BigInt, Buffer, Function};
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi::{Error, Result, Status};
use napi_derive::napi;
use pump::{Pump, PumpConfig, PumpEvent, TunConfig};
use std::collections::HashMap;
use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// One X25519 key of this peer and its certificate.
#[napi(object, object_to_js = false)]
pub struct KxKey {
    /// 32 bytes; wiped by the constructor.
    pub secret: Buffer,
    /// 1074 bytes.
    pub certificate: Buffer,
}

/// A protocol and port that callers may reach.
#[napi(object, object_to_js = false)]
pub struct KxPort {
    #[napi(ts_type = "'tcp' | 'udp'")]
    pub protocol: String,
    pub port: u16,
}

/// The TUN device.
#[napi(object, object_to_js = false)]
pub struct KxTun {
    /// Interface; absent: the kernel picks a name.
    pub name: Option<String>,
    pub address: String,
    pub prefix: u8,
    /// Absent: any port.
    pub allow: Option<Vec<KxPort>>,
}

/// An address to listen on.
#[napi(object)]
pub struct KxAddress {
    pub address: String,
    pub port: u16,
}

/// What an engine needs.
#[napi(object, object_to_js = false)]
pub struct KxOptions {
    /// Peer identity, 32 bytes.
    pub identity: Buffer,
    pub link: KxKey,
    pub hop: KxKey,
    pub bind: Vec<KxAddress>,
    /// Packet threads, 1 to 4.
    pub workers: u8,
    pub tun: Option<KxTun>,
}

/// A peer on a path.
#[napi(object, object_to_js = false)]
pub struct KxHop {
    /// 32 bytes.
    pub identity: Buffer,
    pub address: String,
    pub port: u16,
}

/// A pseudo-identity's word for whoever holds a registration key, at one exchange point. Times in Unix seconds.
#[napi(object, object_to_js = false)]
pub struct KxRegistration {
    /// Ed25519 seed of the registration key, 32 bytes; wiped.
    pub secret: Buffer,
    pub time: BigInt,
    pub expiry: BigInt,
    /// By the pseudo-identity, 64 bytes.
    pub signature: Buffer,
}

/// What the engine is asked to do.
#[napi(discriminant = "type", discriminant_case = "camelCase", object_to_js = false)]
pub enum KxCommand {
    /// Register a pseudo-identity at the last hop of `path`. `token`: 32 bytes, the same for later circuits of it.
    BuildIncoming { tunnel: u32, pseudo_identity: Buffer, path: Vec<KxHop>, token: Buffer },
    /// Reach a pseudo-identity at the last hop of `path`. `token`: 32 bytes of the tunnel's own.
    BuildOutgoing { tunnel: u32, pseudo_identity: Buffer, path: Vec<KxHop>, token: Buffer },
    /// Build another circuit to the same last hop, which takes the tunnel over.
    Rotate { tunnel: u32, path: Vec<KxHop> },
    /// Free everything of a tunnel.
    Destroy { tunnel: u32 },
    /// Right before the build, and whenever something of it changes; what is absent stays as it was. `key`: 32 bytes, the secret
    /// half of the tunnel key for an incoming tunnel, the public one else (wiped). `port`: the only one that callers reach.
    SetExtension { tunnel: u32, key: Option<Buffer>, registration: Option<KxRegistration>, port: Option<u16> },
    /// End the tunnel by itself after so long without traffic; 0: never.
    Reap { tunnel: u32, after_seconds: u32 },
    /// Keep a constant rate towards these first hops that hides so many calls at once; 0: none.
    Cover { calls: u8, peers: Vec<KxHop> },
    /// Other keys and certificates of this peer's own; the secrets are wiped.
    Renew { link: KxKey, hop: KxKey },
}

/// What the engine tells.
#[napi(discriminant = "type", discriminant_case = "camelCase", object_from_js = false)]
pub enum KxEvent {
    /// `address`: stands for the callee; null for incoming tunnels. Told again after each rotation.
    /// `step_ms`: how long each hop took to answer its handshake, 0 where that is not known.
    TunnelReady { tunnel: u32, address: Option<String>, step_ms: Vec<f64> },
    /// `hop`: which did not come about, from 0.
    TunnelFailed { tunnel: u32, failure: KxFailure, hop: u32 },
    /// The tunnel goes on as it was.
    RotationFailed { tunnel: u32, failure: KxFailure, hop: u32 },
    /// A tunnel loses much of what goes through it.
    TunnelLossy { tunnel: u32 },
    /// The circuit is gone; a rotation within 20 s saves the tunnel.
    TunnelBroken { tunnel: u32, failure: KxFailure },
    /// A tunnel that worked is gone.
    TunnelClosed { tunnel: u32, failure: KxFailure },
    /// The packet thread is gone.
    Failed { reason: String },
}

/// A snapshot, at most half a second old.
#[napi(object, object_from_js = false)]
pub struct KxStatus {
    pub counters: HashMap<String, f64>,
    pub links: u32,
    pub relayed: u32,
    pub registrations: u32,
    pub own: u32,
    pub flows: u32,
    /// Datagrams and packets that the kernel would not take.
    pub send_failures: f64,
    /// Datagrams that came faster than they could be served.
    pub crowded_out: f64,
}

#[derive(Default)]
struct Queue {
    events: Mutex<Vec<PumpEvent>>,
    wake_in_flight: AtomicBool,
}

/// A running KX peer.
#[napi]
pub struct KxEngine {
    pump: Option<Pump>,
    queue: Arc<Queue>,
}

#[napi]
impl KxEngine {
    /// Opens sockets and TUN device; `wake` says that `drain` has something.
    #[napi(constructor, ts_args_type = "options: KxOptions, wake: () => void")]
    pub fn new(options: KxOptions, wake: Function<(), ()>) -> Result<Self> {
        let wake = wake.build_threadsafe_function::<()>().weak::<true>().max_queue_size::<4>().build()?;
        let queue = Arc::new(Queue::default());
        let filled = queue.clone();
        let sink = move |events: Vec<PumpEvent>| {
            lock(&filled.events).extend(events);
            if !filled.wake_in_flight.swap(true, Ordering::AcqRel) {
                wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
            }
        };
        let pump = Pump::start(config(options)?, Box::new(sink)).map_err(failed)?;
        Ok(Self { pump: Some(pump), queue })
    }

    /// Queues a command.
    #[napi]
    pub fn command(&self, command: KxCommand) -> Result<()> {
        let command = match command {
            KxCommand::BuildIncoming { tunnel, pseudo_identity, path, token } => Command::BuildIncoming {
                tunnel,
                pseudo_identity: bytes32(&pseudo_identity, "pseudoIdentity")?,
                path: peers(&path)?,
                token: bytes32(&token, "token")?,
            },
            KxCommand::BuildOutgoing { tunnel, pseudo_identity, path, token } => Command::BuildOutgoing {
                tunnel,
                pseudo_identity: bytes32(&pseudo_identity, "pseudoIdentity")?,
                path: peers(&path)?,
                token: bytes32(&token, "token")?,
            },
            KxCommand::Rotate { tunnel, path } => Command::Rotate { tunnel, path: peers(&path)? },
            KxCommand::Destroy { tunnel } => Command::Destroy { tunnel },
            KxCommand::SetExtension { tunnel, key, registration, port } => {
                let key = key.map(|mut key| take_secret(&mut key)).transpose()?.map(TunnelKey::new);
                let registration = registration.map(taken_registration).transpose()?;
                let extension = Extension { key, registration, port };
                Command::SetExtension { tunnel, extension: Box::new(extension) }
            }
            KxCommand::Reap { tunnel, after_seconds } => {
                let after = (after_seconds > 0).then(|| Duration::from_secs(u64::from(after_seconds)));
                Command::Reap { tunnel, after }
            }
            KxCommand::Cover { calls, peers: covered } => Command::Cover { calls, peers: peers(&covered)? },
            KxCommand::Renew { mut link, mut hop } => Command::Renew {
                link: Box::new(LinkIdentity {
                    key: StaticKey::new(take_secret(&mut link.secret)?),
                    certificate: link.certificate.to_vec(),
                }),
                hop: Box::new(HopIdentity {
                    key: StaticKey::new(take_secret(&mut hop.secret)?),
                    certificate: hop.certificate.to_vec(),
                }),
            },
        };
        self.running()?.command(command);
        Ok(())
    }

    /// The events since the last call, oldest first.
    #[napi]
    pub fn drain(&self) -> Vec<KxEvent> {
        self.queue.wake_in_flight.store(false, Ordering::Release);
        std::mem::take(&mut *lock(&self.queue.events)).into_iter().map(event).collect()
    }

    /// Counters and table sizes.
    #[napi]
    pub fn status(&self) -> Result<KxStatus> {
        let status = self.running()?.status();
        Ok(KxStatus {
            counters: status.counters.named().map(|(name, value)| (name.to_owned(), value as f64)).collect(),
            links: status.sizes.links as u32,
            relayed: status.sizes.relayed as u32,
            registrations: status.sizes.registrations as u32,
            own: status.sizes.own as u32,
            flows: status.sizes.flows as u32,
            send_failures: status.send_failures as f64,
            crowded_out: status.crowded_out as f64,
        })
    }

    /// The addresses that are listened on.
    #[napi]
    pub fn addresses(&self) -> Result<Vec<KxAddress>> {
        let addresses = self.running()?.addresses().iter();
        Ok(addresses.map(|a| KxAddress { address: a.ip().to_string(), port: a.port() }).collect())
    }

    /// The TUN device's name.
    #[napi]
    pub fn tun_name(&self) -> Result<Option<String>> {
        Ok(self.running()?.tun_name().map(str::to_owned))
    }

    /// Tears all tunnels down and closes everything; a second call does nothing.
    #[napi]
    pub fn stop(&mut self) {
        self.pump = None;
    }

    pub(crate) fn running(&self) -> Result<&Pump> {
        self.pump.as_ref().ok_or_else(|| Error::new(Status::GenericFailure, "the engine was stopped"))
    }
}

fn config(mut options: KxOptions) -> Result<PumpConfig> {
    let secret = || {
        let mut bytes = [0; 32];
        aws_lc_rs::rand::fill(&mut bytes).map(|()| bytes).map_err(|_| failed("no randomness"))
    };
    let cookie_secret = secret()?;
    let random = Numbers::new(secret()?).into_random();
    let tun = options.tun.as_ref().map(tun).transpose()?;
    let bind = options.bind.iter().map(|a| socket_address(&a.address, a.port)).collect::<Result<_>>()?;
    let unix_start = SystemTime::now().duration_since(UNIX_EPOCH).map_err(failed)?.as_secs();
    Ok(PumpConfig {
        engine: EngineConfig {
            shard: Shard::WHOLE,
            identity: bytes32(&options.identity, "identity")?,
            link: LinkIdentity {
                key: StaticKey::new(take_secret(&mut options.link.secret)?),
                certificate: options.link.certificate.to_vec(),
            },
            hop: HopIdentity {
                key: StaticKey::new(take_secret(&mut options.hop.secret)?),
                certificate: options.hop.certificate.to_vec(),
            },
            tun: tun.as_ref().map(|(engine, _)| engine.clone()),
            unix_start,
            cookie_secret,
            random,
        },
        workers: usize::from(options.workers),
        bind,
        tun: tun.map(|(_, device)| device),
        offload: true,
    })
}

fn tun(options: &KxTun) -> Result<(Tun, TunConfig)> {
    let address: IpAddr = options.address.parse().map_err(failed)?;
    let allow = options.allow.as_ref().map(|ports| {
        let number = |protocol: &str| if protocol == "tcp" { kx::ip::TCP } else { kx::ip::UDP };
        ports.iter().map(|allowed| (number(&allowed.protocol), allowed.port)).collect()
    });
    Ok((
        Tun { address, prefix: options.prefix, allow },
        TunConfig { name: options.name.clone(), address, prefix: options.prefix },
    ))
}

fn peers(path: &[KxHop]) -> Result<Vec<Peer>> {
    path.iter()
        .map(|hop| {
            let identity: Identity = bytes32(&hop.identity, "identity")?;
            Ok(Peer { identity, address: socket_address(&hop.address, hop.port)? })
        })
        .collect()
}

fn socket_address(address: &str, port: u16) -> Result<SocketAddr> {
    let ip: IpAddr = address.parse().map_err(|_| invalid(&format!("not an IP address: {address}")))?;
    Ok(SocketAddr::new(ip, port))
}

fn bytes32(buffer: &Buffer, name: &str) -> Result<[u8; 32]> {
    buffer[..].try_into().map_err(|_| invalid(&format!("{name} must have 32 bytes")))
}

fn take_secret(buffer: &mut Buffer) -> Result<[u8; 32]> {
    let secret = bytes32(buffer, "secret");
    buffer.fill(0);
    secret
}

fn taken_registration(mut from: KxRegistration) -> Result<Registration> {
    let secret = take_secret(&mut from.secret)?;
    let seconds = |time: &BigInt| match time.get_u64() {
        (false, seconds, true) => Ok(seconds),
        _ => Err(invalid("a time must be Unix seconds in 64 bits")),
    };
    let signature = from.signature[..].try_into().map_err(|_| invalid("signature must have 64 bytes"))?;
    Ok(Registration::new(secret, seconds(&from.time)?, seconds(&from.expiry)?, signature))
}

fn event(from: PumpEvent) -> KxEvent {
    match from {
        PumpEvent::Engine(Event::TunnelReady { tunnel, address, steps }) => KxEvent::TunnelReady {
            tunnel,
            address: address.map(|address| address.to_string()),
            step_ms: steps.iter().map(|step| step.as_secs_f64() * 1000.0).collect(),
        },
        PumpEvent::Engine(Event::TunnelFailed { tunnel, failure, hop }) => {
            KxEvent::TunnelFailed { tunnel, failure: failure_name(failure), hop: u32::from(hop) }
        }
        PumpEvent::Engine(Event::RotationFailed { tunnel, failure, hop }) => {
            KxEvent::RotationFailed { tunnel, failure: failure_name(failure), hop: u32::from(hop) }
        }
        PumpEvent::Engine(Event::TunnelLossy { tunnel }) => KxEvent::TunnelLossy { tunnel },
        PumpEvent::Engine(Event::TunnelBroken { tunnel, failure }) => {
            KxEvent::TunnelBroken { tunnel, failure: failure_name(failure) }
        }
        PumpEvent::Engine(Event::TunnelClosed { tunnel, failure }) => {
            KxEvent::TunnelClosed { tunnel, failure: failure_name(failure) }
        }
        PumpEvent::Failed(reason) => KxEvent::Failed { reason },
    }
}

/// Why a tunnel failed, as `KxEvent` names it.
#[napi(string_enum = "kebab-case")]
pub enum KxFailure {
    Timeout,
    Unreachable,
    WrongIdentity,
    Refused,
    UnknownPseudoIdentity,
    Taken,
    Destroyed,
    Exhausted,
    Idle,
    Invalid,
}

fn failure_name(failure: Failure) -> KxFailure {
    match failure {
        Failure::Timeout => KxFailure::Timeout,
        Failure::Unreachable => KxFailure::Unreachable,
        Failure::WrongIdentity => KxFailure::WrongIdentity,
        Failure::Refused => KxFailure::Refused,
        Failure::UnknownPseudoIdentity => KxFailure::UnknownPseudoIdentity,
        Failure::Taken => KxFailure::Taken,
        Failure::Destroyed => KxFailure::Destroyed,
        Failure::Exhausted => KxFailure::Exhausted,
        Failure::Idle => KxFailure::Idle,
        Failure::Invalid => KxFailure::Invalid,
    }
}

fn failed(error: impl Display) -> Error {
    Error::new(Status::GenericFailure, error.to_string())
}

fn invalid(message: &str) -> Error {
    Error::new(Status::InvalidArg, message.to_owned())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
