//! The sound thread: keeps the two streams of the sound server open, takes what is recorded, gives what is to be heard.
//!
//! Voice processing happens here, where both are at hand: what the loudspeaker is given is the reference for the echo.
//! A device or a server that goes away is an event, and is tried again every second; the call goes on without it. While a
//! device that was chosen is not there, the default one stands in for it.
//! Another device can be chosen at any time: its stream takes the place of the present one. Not in it: sound
//! servers themselves (`server`).

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::codec::SAMPLE_RATE;
use crate::device::{DeviceError, DeviceKind, ServerChoice};
use crate::listener::Listener;
use crate::processing::Processor;
use crate::server::{Server, connect};
use crate::shared::Shared;
use crate::voice::VoiceEvent;

const STEP: Duration = Duration::from_millis(10);
const RETRY: Duration = Duration::from_secs(1);
/// A server that has not accepted a connection or stream by then counts as lost.
const PATIENCE: Duration = Duration::from_secs(5);
/// The most that is given to the loudspeaker at once: 100 ms.
const MAX_PIECE: usize = SAMPLE_RATE as usize / 10;

/// Where one of the streams stands.
enum Stage {
    /// To be opened at this moment.
    Closed(Instant),
    /// Asked for at this moment.
    Opening(Instant),
    Open,
}

struct Device {
    kind: DeviceKind,
    /// What was chosen; `None` is the default device.
    name: Option<String>,
    /// The chosen one is not there, and the default one stands in for it until this moment, when it is looked for.
    stand_in: Option<Instant>,
    stage: Stage,
    /// Whether its loss has been told, so that it is told once.
    lost: bool,
}

impl Device {
    fn new(kind: DeviceKind, name: Option<String>) -> Self {
        Self { kind, name, stand_in: None, stage: Stage::Closed(Instant::now()), lost: false }
    }

    fn lose(&mut self, shared: &Shared, error: &DeviceError) {
        let now = Instant::now();
        // One or the other: who has chosen a device hears by the default one meanwhile.
        let stands_in = self.name.is_some() && self.stand_in.is_none();
        self.stand_in = stands_in.then_some(now + RETRY);
        self.stage = Stage::Closed(if stands_in { now } else { now + RETRY });
        if !std::mem::replace(&mut self.lost, true) {
            shared.emit(VoiceEvent::DeviceLost { kind: self.kind, reason: error.to_string() });
        }
    }

    fn tend(&mut self, server: &mut dyn Server, shared: &Shared) {
        let now = Instant::now();
        if let Some(name) = shared.take_choice(self.kind) {
            *self = Self::new(self.kind, name);
        }
        if let (Some(at), Some(name)) = (self.stand_in, &self.name)
            && now >= at
        {
            let is_back = server.is_there(self.kind, name);
            self.stand_in = (!is_back).then_some(now + RETRY);
            if is_back {
                self.stage = Stage::Closed(now);
            }
        }
        let name = if self.stand_in.is_some() { None } else { self.name.as_deref() };
        let checked = match self.stage {
            Stage::Closed(at) if now >= at => {
                self.stage = Stage::Opening(now);
                server.open(self.kind, name)
            }
            Stage::Closed(_) => Ok(()),
            Stage::Opening(since) => match server.check(self.kind, name) {
                Ok(true) => {
                    self.stage = Stage::Open;
                    self.lost = false;
                    let name = server.device_name(self.kind);
                    shared.emit(VoiceEvent::DeviceReady { kind: self.kind, name });
                    Ok(())
                }
                Ok(false) if now - since > PATIENCE => Err(DeviceError::Timeout),
                Ok(false) => Ok(()),
                Err(error) => Err(error),
            },
            Stage::Open => server.check(self.kind, name).map(drop),
        };
        if let Err(error) = checked {
            self.lose(shared, &error);
        }
    }
}

/// Runs until the session ends.
pub(crate) fn run(
    choice: ServerChoice,
    input: Option<String>,
    output: Option<String>,
    mut listener: Listener,
    shared: &Shared,
) {
    let mut devices = [Device::new(DeviceKind::Input, input), Device::new(DeviceKind::Output, output)];
    let mut processor = Processor::new();
    while shared.is_running() {
        if let Err(error) = connection(choice, &mut devices, &mut listener, &mut processor, shared) {
            for device in &mut devices {
                device.lose(shared, &error);
            }
        }
        let retry = Instant::now() + RETRY;
        while shared.is_running() && Instant::now() < retry {
            std::thread::sleep(STEP);
        }
    }
}

/// One connection to the sound server, until it fails or the session ends.
fn connection(
    choice: ServerChoice,
    devices: &mut [Device; 2],
    listener: &mut Listener,
    processor: &mut Processor,
    shared: &Shared,
) -> Result<(), DeviceError> {
    let mut server = connect(choice)?;
    let begun = Instant::now();
    for device in devices.iter_mut() {
        (device.stage, device.stand_in) = (Stage::Closed(begun), None);
    }
    let mut captured = Vec::with_capacity(MAX_PIECE);
    let mut processed = Vec::with_capacity(MAX_PIECE);
    let mut piece = vec![0.0; MAX_PIECE];
    while shared.is_running() {
        server.step(STEP)?;
        if !server.is_ready() {
            if begun.elapsed() > PATIENCE {
                return Err(DeviceError::Timeout);
            }
            continue;
        }
        for device in devices.iter_mut() {
            device.tend(&mut *server, shared);
        }
        server.capture(&mut captured);
        let processing = shared.processing.load(Ordering::Relaxed);
        if processing {
            processor.recorded(&captured, &mut processed);
            captured.clear();
            shared.record(&mut processed);
        } else {
            shared.record(&mut captured);
        }
        let wanted = server.wanted().min(MAX_PIECE);
        if let Some(piece) = piece.get_mut(..wanted).filter(|piece| !piece.is_empty()) {
            listener.fill(shared.now_us(), &shared.jitter, piece);
            shared.show_level(DeviceKind::Output, listener.mean_square());
            if shared.held.load(Ordering::Relaxed) {
                piece.fill(0.0);
            }
            server.play(piece);
            if processing {
                processor.played(piece);
            }
        }
    }
    Ok(())
}
