//! PulseAudio (and pipewire-pulse): one connection with a capture and a playback stream, driven by the caller's thread.
//!
//! The main loop is the plain one: the owning thread calls [`Server::step`] with a time limit, then looks at what can be
//! read and written. So no callback runs our code on a foreign thread, a daemon that dies is a state that the next step
//! reports, and nothing can hang. Server: PULSE_SERVER, else the user's default. Latency asked for: 10 ms fragments in,
//! 20 ms of buffer out. Not in it: retrying, threads.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use libpulse_binding as pulse;
use pulse::callbacks::ListResult;
use pulse::context::{Context, FlagSet as ContextFlags, State as ContextState};
use pulse::def::BufferAttr;
use pulse::mainloop::standard::Mainloop;
use pulse::sample::{Format, Spec};
use pulse::stream::{FlagSet, PeekResult, SeekMode, State, Stream};
use pulse::time::MicroSeconds;

use crate::codec::SAMPLE_RATE;
use crate::device::{DeviceError, DeviceInfo, DeviceKind};
use crate::server::Server;

const SAMPLE_BYTES: usize = size_of::<f32>();
const fn ms(milliseconds: u32) -> u32 {
    SAMPLE_RATE / 1000 * milliseconds * SAMPLE_BYTES as u32
}

/// A connection. The order of the fields is the order in which libpulse wants them to go.
pub(crate) struct Pulse {
    capture: Option<Stream>,
    playback: Option<Stream>,
    context: Context,
    mainloop: Mainloop,
    bytes: Vec<u8>,
    /// Whether a device that was asked for is there, input and output.
    there: Rc<[Cell<bool>; 2]>,
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.capture = None;
        self.playback = None;
        self.context.disconnect();
    }
}

impl Pulse {
    /// Begins to connect; [`Server::step`] until [`Server::is_ready`].
    ///
    /// # Errors
    /// No server, as far as can be said at once.
    pub(crate) fn connect() -> Result<Self, DeviceError> {
        let out_of_memory = || DeviceError::Server("out of memory".to_owned());
        let mainloop = Mainloop::new().ok_or_else(out_of_memory)?;
        let mut context = Context::new(&mainloop, "voice").ok_or_else(out_of_memory)?;
        context
            .connect(None, ContextFlags::NOAUTOSPAWN, None)
            .map_err(|error| DeviceError::Server(error.to_string().unwrap_or_default()))?;
        Ok(Self { capture: None, playback: None, context, mainloop, bytes: Vec::new(), there: Rc::default() })
    }

    fn reason(&self) -> String {
        self.context.errno().to_string().unwrap_or_default()
    }

    fn slot(&mut self, kind: DeviceKind) -> &mut Option<Stream> {
        match kind {
            DeviceKind::Input => &mut self.capture,
            DeviceKind::Output => &mut self.playback,
        }
    }

    /// What the server calls itself: of PipeWire's, "PulseAudio (on PipeWire …)".
    ///
    /// # Errors
    /// The connection has ended, or there is no answer by `deadline`.
    pub(crate) fn server_name(&mut self, deadline: Instant) -> Result<String, DeviceError> {
        let answer = Rc::new(RefCell::new(None));
        let into = Rc::clone(&answer);
        let _server = self.context.introspect().get_server_info(move |server| {
            *into.borrow_mut() = Some(text(server.server_name.as_ref()));
        });
        loop {
            self.step_until(deadline)?;
            if let Some(name) = answer.borrow_mut().take() {
                return Ok(name);
            }
        }
    }

    fn step_until(&mut self, deadline: Instant) -> Result<(), DeviceError> {
        if Instant::now() > deadline {
            return Err(DeviceError::Timeout);
        }
        self.step(Duration::from_millis(50))
    }
}

impl Server for Pulse {
    fn step(&mut self, limit: Duration) -> Result<(), DeviceError> {
        let limit = MicroSeconds(u64::try_from(limit.as_micros()).unwrap_or(0).min(1_000_000));
        self.mainloop
            .prepare(Some(limit))
            .and_then(|()| self.mainloop.poll())
            .and_then(|_| self.mainloop.dispatch())
            .map_err(|error| DeviceError::Server(error.to_string().unwrap_or_default()))?;
        match self.context.get_state() {
            ContextState::Failed | ContextState::Terminated => Err(DeviceError::Server(self.reason())),
            _ => Ok(()),
        }
    }

    fn is_ready(&self) -> bool {
        self.context.get_state() == ContextState::Ready
    }

    fn open(&mut self, kind: DeviceKind, name: Option<&str>) -> Result<(), DeviceError> {
        let spec = Spec { format: Format::FLOAT32NE, channels: 1, rate: SAMPLE_RATE };
        let label = match kind {
            DeviceKind::Input => "microphone",
            DeviceKind::Output => "loudspeaker",
        };
        let failed = |reason| DeviceError::Stream { name: name.unwrap_or("default").to_owned(), reason };
        let mut stream =
            Stream::new(&mut self.context, label, &spec, None).ok_or_else(|| failed("refused".to_owned()))?;
        let attributes = BufferAttr {
            maxlength: u32::MAX,
            tlength: ms(20),
            prebuf: ms(10),
            minreq: ms(5),
            fragsize: ms(10),
        };
        // A server moves streams whose device goes away; who has named a device wants to hear of its loss, and wants it
        // back when it is plugged in again.
        let moves = if name.is_some() { FlagSet::DONT_MOVE } else { FlagSet::NOFLAGS };
        let flags = FlagSet::ADJUST_LATENCY | moves;
        match kind {
            DeviceKind::Input => stream.connect_record(name, Some(&attributes), flags),
            DeviceKind::Output => stream.connect_playback(name, Some(&attributes), flags, None, None),
        }
        .map_err(|error| failed(error.to_string().unwrap_or_default()))?;
        *self.slot(kind) = Some(stream);
        Ok(())
    }

    fn is_there(&mut self, kind: DeviceKind, name: &str) -> bool {
        if self.there[kind as usize].replace(false) {
            return true;
        }
        let there = Rc::clone(&self.there);
        let introspector = self.context.introspect();
        // Each goes on by itself; dropping what stands for it does not end it.
        match kind {
            DeviceKind::Input => drop(introspector.get_source_info_by_name(name, move |item| {
                if matches!(item, ListResult::Item(_)) {
                    there[kind as usize].set(true);
                }
            })),
            DeviceKind::Output => drop(introspector.get_sink_info_by_name(name, move |item| {
                if matches!(item, ListResult::Item(_)) {
                    there[kind as usize].set(true);
                }
            })),
        }
        false
    }

    fn check(&mut self, kind: DeviceKind, name: Option<&str>) -> Result<bool, DeviceError> {
        match self.slot(kind).as_ref().map(Stream::get_state) {
            Some(State::Ready) => Ok(true),
            Some(State::Failed | State::Terminated) => {
                *self.slot(kind) = None;
                let name = name.unwrap_or("default").to_owned();
                Err(DeviceError::Stream { name, reason: self.reason() })
            }
            _ => Ok(false),
        }
    }

    fn device_name(&mut self, kind: DeviceKind) -> String {
        let name = self.slot(kind).as_ref().and_then(Stream::get_device_name);
        name.unwrap_or_default().into_owned()
    }

    fn capture(&mut self, samples: &mut Vec<f32>) {
        // As much as there is goes on: a piece that is looked at cannot be left.
        let mut take = |sample| samples.push(sample);
        let Some(stream) = self.capture.as_mut().filter(|stream| stream.get_state() == State::Ready) else {
            return;
        };
        loop {
            match stream.peek() {
                Ok(PeekResult::Data(bytes)) => {
                    for sample in bytes.as_chunks::<SAMPLE_BYTES>().0 {
                        let sample = f32::from_ne_bytes(*sample);
                        take(if sample.is_finite() { sample } else { 0.0 });
                    }
                }
                Ok(PeekResult::Hole(length)) => (0..length / SAMPLE_BYTES).for_each(|_| take(0.0)),
                Ok(PeekResult::Empty) | Err(_) => return,
            }
            if stream.discard().is_err() {
                return;
            }
        }
    }

    fn wanted(&mut self) -> usize {
        self.playback
            .as_ref()
            .filter(|stream| stream.get_state() == State::Ready)
            .and_then(Stream::writable_size)
            .map_or(0, |bytes| bytes / SAMPLE_BYTES)
    }

    fn play(&mut self, samples: &[f32]) {
        self.bytes.clear();
        self.bytes.extend(samples.iter().flat_map(|sample| sample.to_ne_bytes()));
        if let Some(stream) = &mut self.playback {
            let _ = stream.write_copy(&self.bytes, 0, SeekMode::Relative);
        }
    }

    fn devices(&mut self, deadline: Instant) -> Result<Vec<DeviceInfo>, DeviceError> {
        #[derive(Default)]
        struct Answer {
            devices: Vec<DeviceInfo>,
            defaults: Option<(String, String)>,
            ended: u32,
        }
        let answer = Rc::new(RefCell::new(Answer::default()));
        let introspector = self.context.introspect();
        let into = Rc::clone(&answer);
        let _sinks = introspector.get_sink_info_list(move |item| match item {
            ListResult::Item(sink) => into.borrow_mut().devices.push(DeviceInfo {
                kind: DeviceKind::Output,
                name: text(sink.name.as_ref()),
                description: text(sink.description.as_ref()),
                default: false,
                monitor: false,
            }),
            _ => into.borrow_mut().ended += 1,
        });
        let into = Rc::clone(&answer);
        let _sources = introspector.get_source_info_list(move |item| match item {
            ListResult::Item(source) => into.borrow_mut().devices.push(DeviceInfo {
                kind: DeviceKind::Input,
                name: text(source.name.as_ref()),
                description: text(source.description.as_ref()),
                default: false,
                monitor: source.monitor_of_sink.is_some(),
            }),
            _ => into.borrow_mut().ended += 1,
        });
        let into = Rc::clone(&answer);
        let _server = introspector.get_server_info(move |server| {
            into.borrow_mut().defaults =
                Some((text(server.default_source_name.as_ref()), text(server.default_sink_name.as_ref())));
        });
        loop {
            self.step_until(deadline)?;
            let mut answer = answer.borrow_mut();
            if answer.ended >= 2
                && let Some((source, sink)) = answer.defaults.take()
            {
                let mut devices = std::mem::take(&mut answer.devices);
                for device in &mut devices {
                    device.default = match device.kind {
                        DeviceKind::Input => device.name == source,
                        DeviceKind::Output => device.name == sink,
                    };
                }
                return Ok(devices);
            }
        }
    }
}

fn text(value: Option<&std::borrow::Cow<'_, str>>) -> String {
    value.map(|it| it.to_string()).unwrap_or_default()
}
