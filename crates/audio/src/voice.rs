//! A voice session: one socket, three threads (sound, sending, receiving), from start to stop.
//!
//! Invariants: from start to stop one packet of one size leaves every 20 ms; nothing that a device, the network or the
//! other party does ends a session or blocks `stop` for more than [`STOP_LIMIT`]. A bug in a thread is
//! [`VoiceEvent::Failed`], not the end of the process. Not in it: who is called, the agreement on keys and ports.

use std::net::{SocketAddr, UdpSocket};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use crate::codec::{CodecError, Encoder, FRAME_SAMPLES};
use crate::device::{DeviceKind, ServerChoice};
use crate::listener::Listener;
use crate::receiving::READ_TIMEOUT;
use crate::rtp::Header;
use crate::sending::Talker;
use crate::shared::{Shared, Sink, lock};
use crate::srtp::{KEY_BYTES, MasterKey, Receiver, Sender, SrtpError};
use crate::{realtime, receiving, sound};

/// Threads of a session.
pub(crate) const THREADS: u32 = 3;
/// The longest that [`VoiceSession::stop`] waits.
pub const STOP_LIMIT: Duration = Duration::from_secs(2);

/// What a session is made of.
#[derive(Debug)]
pub struct VoiceConfig {
    /// Where packets go; `None`: to where the first authentic packet comes from.
    pub remote: Option<SocketAddr>,
    /// Protects what we send.
    pub send_key: MasterKey,
    /// Protects what we receive.
    pub receive_key: MasterKey,
    /// RTP source of what we send.
    pub send_ssrc: u32,
    /// Opus bit rate in bit/s.
    pub bitrate: u32,
    /// Which sound server.
    pub server: ServerChoice,
    /// Source of the sound server, `None` for the default one.
    pub input: Option<String>,
    /// Sink of the sound server, `None` for the default one.
    pub output: Option<String>,
    /// Whether echo, noise and level are seen to at first; off for a headset, which saves their delay.
    pub processing: bool,
    /// Without devices: comfort noise goes out, and nothing of what comes in is heard.
    pub silent: bool,
}

impl VoiceConfig {
    /// Keys as they come from the handshake: 16 bytes of key and 12 of salt each.
    pub fn new(send_key: [u8; KEY_BYTES], receive_key: [u8; KEY_BYTES], send_ssrc: u32) -> Self {
        Self {
            remote: None,
            send_key: MasterKey::new(send_key),
            receive_key: MasterKey::new(receive_key),
            send_ssrc,
            bitrate: crate::codec::DEFAULT_BITRATE,
            server: ServerChoice::Auto,
            input: None,
            output: None,
            processing: true,
            silent: false,
        }
    }
}

/// What happens in a session. Statistics come once a second; the others when they happen.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum VoiceEvent {
    /// Packets flow.
    Started {
        /// Address of the socket.
        local: SocketAddr,
    },
    /// A device works (again).
    DeviceReady {
        /// Which.
        kind: DeviceKind,
        /// Its name at the sound server.
        name: String,
    },
    /// A device is gone; it is tried again every second.
    DeviceLost {
        /// Which.
        kind: DeviceKind,
        /// For people.
        reason: String,
    },
    /// Once a second.
    Statistics(VoiceStatistics),
    /// A bug; the session must be stopped.
    Failed {
        /// For people.
        reason: String,
    },
}

/// Counters since the start, and momentary values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VoiceStatistics {
    /// Packets sent.
    pub sent: u64,
    /// Packets that the system refused to send.
    pub send_errors: u64,
    /// Authentic packets received, each once.
    pub received: u64,
    /// Datagrams that were not authentic, or there before.
    pub rejected: u64,
    /// Packets that never came (as far as is known).
    pub lost: u64,
    /// Packets that came too late to be heard.
    pub late: u64,
    /// Frames invented.
    pub concealed: u64,
    /// Frames recovered from the next packet.
    pub fec_used: u64,
    /// Pairs of frames shortened to reduce the delay.
    pub merged: u64,
    /// Packets given up because nobody listened in time.
    pub skipped: u64,
    /// Times that recorded samples were given up.
    pub capture_overflows: u64,
    /// Frames that a working microphone did not give in time (noise was sent).
    pub capture_gaps: u64,
    /// Interarrival jitter in ms (RFC 3550).
    pub jitter_ms: f64,
    /// Present delay of the jitter buffer in ms.
    pub buffer_ms: f64,
    /// Delay that the jitter buffer aims for in ms.
    pub target_ms: f64,
    /// Measured by signalling, not here.
    pub round_trip_ms: Option<f64>,
    /// Level of what is sent, in dBFS (-100 to 0).
    pub input_level: f32,
    /// Level of what is heard, in dBFS (-100 to 0).
    pub output_level: f32,
    /// Whether all threads have real-time priority.
    pub realtime: bool,
}

/// Why a session could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VoiceError {
    /// The address is not this machine's, or the port is taken.
    #[error("cannot bind {local}: {source}")]
    Bind {
        /// The address asked for.
        local: SocketAddr,
        /// From the system.
        source: std::io::Error,
    },
    /// The socket cannot be set up.
    #[error("socket: {0}")]
    Socket(std::io::Error),
    /// Wrong bit rate, or libopus failed.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The cipher cannot be set up.
    #[error(transparent)]
    Srtp(#[from] SrtpError),
    /// No randomness from the system.
    #[error("no randomness from the system")]
    Randomness,
    /// A device name contains a zero byte.
    #[error("a device name contains a zero byte")]
    DeviceName,
    /// The system gives no more threads.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
}

/// A bound socket: its port can be told to the other side before keys are known.
///
/// Callers of one pseudo-identity all come in by one port. So one that was given may be bound several times by this user; each
/// session then connects its socket to its party, and the system gives each what comes from there.
#[derive(Debug)]
pub struct VoiceSocket {
    socket: UdpSocket,
    local: SocketAddr,
    shares_port: bool,
}

impl VoiceSocket {
    /// Binds `local`; port 0 lets the system choose.
    ///
    /// # Errors
    /// See [`VoiceError::Bind`].
    pub fn bind(local: SocketAddr) -> Result<Self, VoiceError> {
        let shares_port = local.port() != 0;
        let socket = bind_udp(local, shares_port).map_err(|source| VoiceError::Bind { local, source })?;
        let local = socket.local_addr().map_err(VoiceError::Socket)?;
        Ok(Self { socket, local, shares_port })
    }

    /// The address with the port that was chosen.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }
}

/// A running session; stops when dropped.
pub struct VoiceSession {
    shared: Arc<Shared>,
    local: SocketAddr,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Where the port is shared: to be connected to where the other party is.
    connected: Option<UdpSocket>,
}

impl VoiceSession {
    /// Starts the threads. Devices are opened meanwhile: that they work is told by events.
    ///
    /// # Errors
    /// See [`VoiceError`]; nothing runs then.
    pub fn start(config: VoiceConfig, socket: VoiceSocket, sink: Sink) -> Result<Self, VoiceError> {
        check_name(config.input.as_ref())?;
        check_name(config.output.as_ref())?;
        let VoiceSocket { socket, local, shares_port } = socket;
        socket.set_read_timeout(Some(READ_TIMEOUT)).map_err(VoiceError::Socket)?;
        let sending_socket = socket.try_clone().map_err(VoiceError::Socket)?;
        let connected =
            if shares_port { Some(socket.try_clone().map_err(VoiceError::Socket)?) } else { None };
        if let (Some(socket), Some(remote)) = (&connected, config.remote) {
            socket.connect(remote).map_err(VoiceError::Socket)?;
        }
        let encoder = Encoder::new(config.bitrate)?;
        let sender = Sender::new(&config.send_key, first_header(config.send_ssrc)?, FRAME_SAMPLES as u32)?;
        let receiver = Receiver::new(config.receive_key);
        let listener = Listener::new()?;
        let shared = Arc::new(Shared::new(config.remote, config.processing, sink));
        let session = Self { shared: Arc::clone(&shared), local, threads: Mutex::default(), connected };
        let talker = Talker::new(encoder, sender);
        session.spawn("voice-send", move |shared| talker.run(shared, &sending_socket))?;
        session.spawn("voice-receive", move |shared| {
            receiving::run(receiver, shared, &socket);
            Ok(())
        })?;
        if !config.silent {
            session.spawn("voice-sound", move |shared| {
                sound::run(config.server, config.input, config.output, listener, shared);
                Ok(())
            })?;
        }
        shared.emit(VoiceEvent::Started { local });
        Ok(session)
    }

    fn spawn(
        &self,
        name: &str,
        body: impl FnOnce(&Shared) -> Result<(), String> + Send + 'static,
    ) -> Result<(), VoiceError> {
        let shared = Arc::clone(&self.shared);
        let thread = move || {
            if realtime::request() {
                shared.counters.realtime_threads.fetch_add(1, Ordering::Relaxed);
            }
            let reason = match catch_unwind(AssertUnwindSafe(|| body(&shared))) {
                Ok(Ok(())) => return,
                Ok(Err(reason)) => reason,
                Err(_) => "internal error in a voice thread".to_owned(),
            };
            shared.emit(VoiceEvent::Failed { reason });
        };
        let handle =
            std::thread::Builder::new().name(name.to_owned()).spawn(thread).map_err(VoiceError::Thread)?;
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(handle);
        Ok(())
    }

    /// Sends comfort noise instead of the microphone, or the microphone again. The packets look the same.
    pub fn set_muted(&self, muted: bool) {
        self.shared.muted.store(muted, Ordering::Relaxed);
    }

    /// Sends comfort noise and plays nothing, or speaks and listens again. The packets look the same.
    pub fn set_held(&self, held: bool) {
        self.shared.held.store(held, Ordering::Relaxed);
    }

    /// Hears the other side also under this key from now on; under the one before until the next time.
    pub fn receive_with(&self, key: [u8; KEY_BYTES]) {
        *lock(&self.shared.next_receive_key) = Some(MasterKey::new(key));
    }

    /// Sends to `remote` from now on, and under this key, as source `ssrc`, from one of the next packets on.
    pub fn send_with(&self, key: [u8; KEY_BYTES], ssrc: u32, remote: SocketAddr) {
        *lock(&self.shared.next_send_key) = Some((MasterKey::new(key), ssrc));
        self.shared.set_remote(remote);
        if let Some(socket) = &self.connected {
            // Without a way there nothing can be sent either, which is counted.
            let _ = socket.connect(remote);
        }
    }

    /// Uses another device from now on: the named one, or the server's default. That it works is told by an event.
    ///
    /// # Errors
    /// The name contains a zero byte.
    pub fn set_device(&self, kind: DeviceKind, name: Option<String>) -> Result<(), VoiceError> {
        check_name(name.as_ref())?;
        self.shared.choose(kind, name);
        Ok(())
    }

    /// Sees to echo, noise and level from now on, or sends the microphone as it is.
    pub fn set_processing(&self, processing: bool) {
        self.shared.processing.store(processing, Ordering::Relaxed);
    }

    /// Address of the socket.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Counters and momentary values, at any time.
    pub fn statistics(&self) -> VoiceStatistics {
        self.shared.statistics()
    }

    /// Ends the session and waits for its threads, at most [`STOP_LIMIT`]; `false` if one has not ended by then (it
    /// is left to itself). Stopping twice does nothing.
    pub fn stop(&self) -> bool {
        self.shared.running.store(false, Ordering::Release);
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        let deadline = Instant::now() + STOP_LIMIT;
        let mut all = true;
        for thread in threads {
            while !thread.is_finished() && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(2));
            }
            if thread.is_finished() {
                // Panics were caught and told inside.
                let _ = thread.join();
            } else {
                all = false;
            }
        }
        all
    }
}

impl Drop for VoiceSession {
    fn drop(&mut self) {
        self.stop();
    }
}

fn check_name(name: Option<&String>) -> Result<(), VoiceError> {
    if name.is_some_and(|name| name.contains('\0')) { Err(VoiceError::DeviceName) } else { Ok(()) }
}

fn bind_udp(local: SocketAddr, shares_port: bool) -> std::io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(local), Type::DGRAM, Some(Protocol::UDP))?;
    if shares_port {
        socket.set_reuse_port(true)?;
    }
    socket.bind(&local.into())?;
    Ok(socket.into())
}

/// Sequence number and timestamp start at random (RFC 3550 5.1), the former below 2^15 (RFC 3711 3.3.1).
fn first_header(ssrc: u32) -> Result<Header, VoiceError> {
    let mut random = [0; 6];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| VoiceError::Randomness)?;
    let [s0, s1, t0, t1, t2, t3] = random;
    Ok(Header {
        sequence: u16::from_be_bytes([s0, s1]) & 0x7fff,
        timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
        ssrc,
    })
}
