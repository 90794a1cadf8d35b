//! The voice path's side of the border: a call's socket and session as a class, its events as one structured enum.
//!
//! Invariants: no audio crosses; an event never blocks a voice thread and no lifecycle event is lost (`queue`);
//! key bytes are wiped on both sides as soon as they are taken; a panic is an error. Not in it: signalling.

// napi leaves its registrations out of tests, so nothing calls what JavaScript calls.
#![cfg_attr(test, allow(dead_code))]

mod queue;

use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use audio::device::{DeviceError, DeviceInfo, DeviceKind, ServerChoice, list_devices};
use audio::voice::{VoiceConfig, VoiceError, VoiceEvent, VoiceSession, VoiceSocket};
use napi::bindgen_prelude::{AsyncTask, Buffer, Function, Task};
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi::{Env, Error, Result, Status};
use napi_derive::napi;
use queue::Queue;

/// Wakes that may wait for the event loop; one is in flight at a time.
const WAKES: usize = 4;

/// How a call is to be carried.
#[napi(object, object_to_js = false)]
pub struct VoiceOptions {
    /// Where packets go; absent: to where the first authentic packet comes from.
    pub remote_address: Option<String>,
    /// Needed with `remoteAddress`.
    pub remote_port: Option<u16>,
    /// 16 bytes of key and 12 of salt; wiped by `start`.
    pub send_key: Buffer,
    /// 16 bytes of key and 12 of salt; wiped by `start`.
    pub receive_key: Buffer,
    /// RTP source of what is sent.
    pub send_ssrc: u32,
    /// Opus bit rate in bit/s, 16 000 to 64 000.
    pub bitrate: u32,
    /// Which sound server.
    #[napi(ts_type = "'auto' | 'pulse' | 'pipewire'")]
    pub server: String,
    /// Source of the sound server; absent: the default one.
    pub input: Option<String>,
    /// Sink of the sound server; absent: the default one.
    pub output: Option<String>,
    /// Whether echo, noise and level are seen to; off for a headset.
    pub processing: bool,
    /// Without devices: comfort noise goes out, nothing is heard.
    pub silent: bool,
}

/// Counters since the start, and momentary values.
#[napi(object, object_from_js = false)]
pub struct VoiceStatistics {
    /// Packets sent.
    pub sent: f64,
    /// Packets that the system refused to send.
    pub send_errors: f64,
    /// Authentic packets received, each once.
    pub received: f64,
    /// Datagrams that were not authentic, or there before.
    pub rejected: f64,
    /// Packets that never came.
    pub lost: f64,
    /// Packets that came too late to be heard.
    pub late: f64,
    /// Frames invented.
    pub concealed: f64,
    /// Frames recovered from the next packet.
    pub fec_used: f64,
    /// Pairs of frames shortened to reduce the delay.
    pub merged: f64,
    /// Packets given up because nobody listened in time.
    pub skipped: f64,
    /// Frames that a working microphone did not give in time.
    pub capture_gaps: f64,
    /// Interarrival jitter in ms.
    pub jitter_ms: f64,
    /// Present delay of the jitter buffer in ms.
    pub buffer_ms: f64,
    /// Delay that the jitter buffer aims for in ms.
    pub target_ms: f64,
    /// Absent: signalling measures it.
    pub round_trip_ms: Option<f64>,
    /// Level of what is sent, in dBFS (-100 to 0).
    pub input_level: f64,
    /// Level of what is heard, in dBFS (-100 to 0).
    pub output_level: f64,
    /// Whether all voice threads have real-time priority.
    pub realtime: bool,
}

/// What happens in a call.
#[napi(discriminant = "type", discriminant_case = "camelCase", object_from_js = false)]
pub enum VoiceCallEvent {
    /// Packets flow.
    Started { port: u16 },
    /// A device works (again).
    DeviceReady {
        #[napi(ts_type = "'input' | 'output'")]
        device: String,
        name: String,
    },
    /// A device is gone; it is tried again every second.
    DeviceLost {
        #[napi(ts_type = "'input' | 'output'")]
        device: String,
        reason: String,
    },
    /// Once a second.
    Statistics { statistics: VoiceStatistics },
    /// A bug in the voice threads; the call must be stopped.
    Failed { reason: String },
}

/// A sound device.
#[napi(object, object_from_js = false)]
pub(crate) struct AudioDevice {
    #[napi(ts_type = "'input' | 'output'")]
    pub kind: String,
    /// What the configuration and `VoiceOptions` take.
    pub name: String,
    /// For people.
    pub description: String,
    /// The sound server's default for this direction.
    pub is_default: bool,
    /// A source that records what a sink plays.
    pub is_monitor: bool,
}

fn kind_name(kind: DeviceKind) -> String {
    match kind {
        DeviceKind::Input => "input".to_owned(),
        DeviceKind::Output => "output".to_owned(),
    }
}

pub(crate) fn server_choice(name: &str) -> Result<ServerChoice> {
    match name {
        "auto" => Ok(ServerChoice::Auto),
        "pulse" => Ok(ServerChoice::Pulse),
        "pipewire" => Ok(ServerChoice::PipeWire),
        _ => Err(failure(Status::InvalidArg, "server is neither auto nor pulse nor pipewire")),
    }
}

pub(crate) fn failure(status: Status, error: impl std::fmt::Display) -> Error {
    Error::new(status, error.to_string())
}

fn voice_failure(error: VoiceError) -> Error {
    let status = match error {
        VoiceError::Codec(_) | VoiceError::DeviceName => Status::InvalidArg,
        _ => Status::GenericFailure,
    };
    failure(status, error)
}

fn statistics(from: audio::voice::VoiceStatistics) -> VoiceStatistics {
    VoiceStatistics {
        sent: from.sent as f64,
        send_errors: from.send_errors as f64,
        received: from.received as f64,
        rejected: from.rejected as f64,
        lost: from.lost as f64,
        late: from.late as f64,
        concealed: from.concealed as f64,
        fec_used: from.fec_used as f64,
        merged: from.merged as f64,
        skipped: from.skipped as f64,
        capture_gaps: from.capture_gaps as f64,
        jitter_ms: from.jitter_ms,
        buffer_ms: from.buffer_ms,
        target_ms: from.target_ms,
        round_trip_ms: from.round_trip_ms,
        input_level: f64::from(from.input_level),
        output_level: f64::from(from.output_level),
        realtime: from.realtime,
    }
}

fn event(from: VoiceEvent) -> VoiceCallEvent {
    match from {
        VoiceEvent::Started { local } => VoiceCallEvent::Started { port: local.port() },
        VoiceEvent::DeviceReady { kind, name } => {
            VoiceCallEvent::DeviceReady { device: kind_name(kind), name }
        }
        VoiceEvent::DeviceLost { kind, reason } => {
            VoiceCallEvent::DeviceLost { device: kind_name(kind), reason }
        }
        VoiceEvent::Statistics(values) => VoiceCallEvent::Statistics { statistics: statistics(values) },
        VoiceEvent::Failed { reason } => VoiceCallEvent::Failed { reason },
        _ => VoiceCallEvent::Failed { reason: "unknown event".to_owned() },
    }
}

/// Takes key and salt out of a buffer, which is wiped.
fn take_key(buffer: &mut Buffer, name: &str) -> Result<[u8; audio::srtp::KEY_BYTES]> {
    let key = <[u8; audio::srtp::KEY_BYTES]>::try_from(&buffer[..]);
    buffer.fill(0);
    key.map_err(|_| failure(Status::InvalidArg, format!("{name} must have 28 bytes")))
}

/// One call's voice: a socket from construction on, a session between `start` and `stop`.
#[napi]
pub struct VoiceCall {
    port: u16,
    line: Mutex<Line>,
    queue: Arc<Queue<VoiceCallEvent, VoiceStatistics>>,
}

/// What the methods change. Behind a lock, because napi lends an object mutably to a method that returns a promise until
/// that has settled, and refuses every other call meanwhile.
struct Line {
    socket: Option<VoiceSocket>,
    session: Option<Arc<VoiceSession>>,
}

#[napi]
impl VoiceCall {
    /// Binds a UDP socket to a local address; port 0 lets the system choose.
    #[napi(constructor)]
    pub fn new(local_address: String, local_port: u16) -> Result<Self> {
        let address: IpAddr = local_address
            .parse()
            .map_err(|_| failure(Status::InvalidArg, "localAddress is not an IP address"))?;
        let socket = VoiceSocket::bind(SocketAddr::new(address, local_port)).map_err(voice_failure)?;
        Ok(Self {
            port: socket.local_addr().port(),
            line: Mutex::new(Line { socket: Some(socket), session: None }),
            queue: Arc::default(),
        })
    }

    /// The port of the socket, to be told to the other side.
    #[napi(getter)]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Starts the session; once in the life of the object. `wake` says that `drain` has something.
    #[napi(ts_args_type = "options: VoiceOptions, wake: () => void")]
    pub fn start(&self, mut options: VoiceOptions, wake: Function<(), ()>) -> Result<()> {
        let send_key = take_key(&mut options.send_key, "sendKey");
        let receive_key = take_key(&mut options.receive_key, "receiveKey");
        let mut config = VoiceConfig::new(send_key?, receive_key?, options.send_ssrc);
        config.remote = remote(&options)?;
        config.bitrate = options.bitrate;
        config.server = server_choice(&options.server)?;
        config.input = options.input;
        config.output = options.output;
        config.processing = options.processing;
        config.silent = options.silent;
        let wake = wake.build_threadsafe_function::<()>().weak::<true>().max_queue_size::<WAKES>().build()?;
        let mut line = self.line();
        let socket = line
            .socket
            .take()
            .ok_or_else(|| failure(Status::GenericFailure, "the call was started before"))?;
        let queue = self.queue.clone();
        let sink = move |from| {
            let wake = || wake.call((), ThreadsafeFunctionCallMode::NonBlocking) == Status::Ok;
            match from {
                VoiceEvent::Statistics(newest) => queue.replace(statistics(newest), wake),
                lifecycle => queue.put(event(lifecycle), wake),
            }
        };
        let session = catch_unwind(AssertUnwindSafe(|| VoiceSession::start(config, socket, Box::new(sink))))
            .map_err(|_| failure(Status::GenericFailure, "internal error"))?
            .map_err(voice_failure)?;
        line.session = Some(Arc::new(session));
        Ok(())
    }

    /// The events since the last call: lifecycle events, oldest first, then the newest statistics.
    #[napi]
    pub fn drain(&self) -> Vec<VoiceCallEvent> {
        let (mut events, newest) = self.queue.drain();
        events.extend(newest.map(|statistics| VoiceCallEvent::Statistics { statistics }));
        events
    }

    /// Sends comfort noise instead of the microphone, or the microphone again.
    #[napi]
    pub fn set_muted(&self, muted: bool) {
        if let Some(session) = &self.line().session {
            session.set_muted(muted);
        }
    }

    /// Sends comfort noise and plays nothing, or speaks and listens again.
    #[napi]
    pub fn set_held(&self, held: bool) {
        if let Some(session) = &self.line().session {
            session.set_held(held);
        }
    }

    /// Hears the other side also under this key (28 bytes; wiped) from now on.
    #[napi]
    pub fn receive_with(&self, mut key: Buffer) -> Result<()> {
        let key = take_key(&mut key, "key")?;
        if let Some(session) = &self.line().session {
            session.receive_with(key);
        }
        Ok(())
    }

    /// Sends under this key (28 bytes; wiped), as another RTP source, and to this place from now on.
    #[napi]
    pub fn send_with(&self, mut key: Buffer, ssrc: u32, address: String, port: u16) -> Result<()> {
        let key = take_key(&mut key, "key")?;
        let remote = endpoint(&address, port)?;
        if let Some(session) = &self.line().session {
            session.send_with(key, ssrc, remote);
        }
        Ok(())
    }

    /// Sees to echo, noise and level from now on, or sends the microphone as it is (headset).
    #[napi]
    pub fn set_processing(&self, processing: bool) {
        if let Some(session) = &self.line().session {
            session.set_processing(processing);
        }
    }

    /// Uses another device from now on: the named one, or without a name the sound server's default.
    #[napi]
    pub fn set_device(
        &self,
        #[napi(ts_arg_type = "'input' | 'output'")] device: String,
        name: Option<String>,
    ) -> Result<()> {
        let kind = match device.as_str() {
            "input" => DeviceKind::Input,
            "output" => DeviceKind::Output,
            _ => return Err(failure(Status::InvalidArg, "device is neither input nor output")),
        };
        match &self.line().session {
            Some(session) => session.set_device(kind, name).map_err(voice_failure),
            None => Ok(()),
        }
    }

    /// Counters and momentary values; null before `start` and after `stop`.
    #[napi]
    pub fn statistics(&self) -> Option<VoiceStatistics> {
        self.line().session.as_ref().map(|session| statistics(session.statistics()))
    }

    /// Closes the socket and ends the threads; resolves within two seconds, to false if a thread had to be left.
    #[napi(ts_return_type = "Promise<boolean>")]
    pub fn stop(&self) -> AsyncTask<Stop> {
        let mut line = self.line();
        line.socket = None;
        AsyncTask::new(Stop(line.session.take()))
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn remote(options: &VoiceOptions) -> Result<Option<SocketAddr>> {
    let Some(address) = &options.remote_address else { return Ok(None) };
    endpoint(address, options.remote_port.unwrap_or(0)).map(Some)
}

fn endpoint(address: &str, port: u16) -> Result<SocketAddr> {
    let address: IpAddr =
        address.parse().map_err(|_| failure(Status::InvalidArg, "remoteAddress is not an IP address"))?;
    if port == 0 {
        return Err(failure(Status::InvalidArg, "remotePort is missing"));
    }
    Ok(SocketAddr::new(address, port))
}

/// Stops a session off the event loop.
pub struct Stop(Option<Arc<VoiceSession>>);

impl Task for Stop {
    type Output = bool;
    type JsValue = bool;

    fn compute(&mut self) -> Result<bool> {
        Ok(self.0.take().is_none_or(|session| session.stop()))
    }

    fn resolve(&mut self, _env: Env, output: bool) -> Result<bool> {
        Ok(output)
    }
}

/// Lists the devices off the event loop.
pub(crate) struct ListDevices(ServerChoice);

impl Task for ListDevices {
    type Output = Vec<DeviceInfo>;
    type JsValue = Vec<AudioDevice>;

    fn compute(&mut self) -> Result<Vec<DeviceInfo>> {
        let choice = self.0;
        catch_unwind(move || list_devices(choice))
            .map_err(|_| failure(Status::GenericFailure, "internal error"))?
            .map_err(|error: DeviceError| failure(Status::GenericFailure, error))
    }

    fn resolve(&mut self, _env: Env, devices: Vec<DeviceInfo>) -> Result<Vec<AudioDevice>> {
        Ok(devices
            .into_iter()
            .map(|device| AudioDevice {
                kind: kind_name(device.kind),
                name: device.name,
                description: device.description,
                is_default: device.default,
                is_monitor: device.monitor,
            })
            .collect())
    }
}

/// All microphones and loudspeakers of the sound server; rejects if there is no server.
#[napi(ts_return_type = "Promise<Array<AudioDevice>>")]
pub(crate) fn list_audio_devices(
    #[napi(ts_arg_type = "'auto' | 'pulse' | 'pipewire'")] server: String,
) -> Result<AsyncTask<ListDevices>> {
    Ok(AsyncTask::new(ListDevices(server_choice(&server)?)))
}
