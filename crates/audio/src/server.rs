//! A sound server as the sound thread uses it, and which one that is: PulseAudio's protocol or PipeWire itself.
//!
//! PipeWire itself has less delay, so it is taken where it is the sound server: where devices are its own and programs
//! for PulseAudio come to it too. A PipeWire that runs beside PulseAudio, for screens and cameras, is none. Whoever says by
//! PULSE_SERVER where sound is gets just that. Not in it: how they are reached (`pulse`, `loaded`).

use std::time::{Duration, Instant};

use crate::device::{DeviceError, DeviceInfo, DeviceKind};
use crate::loaded::Loaded;
use crate::pulse::Pulse;

/// A server that was chosen must have answered by then.
const ANSWER: Duration = Duration::from_secs(2);
/// A server that is only asked whether it is there.
const PROBE: Duration = Duration::from_millis(500);
const STEP: Duration = Duration::from_millis(20);

/// Which sound server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServerChoice {
    /// PipeWire itself where it is the sound server and its backend is there, else PulseAudio's protocol.
    #[default]
    Auto,
    /// PulseAudio, or PipeWire's PulseAudio server.
    Pulse,
    /// PipeWire itself.
    PipeWire,
}

/// A connection with a capture and a playback stream, driven by the thread that made it: nothing waits but
/// [`Server::step`], and no callback runs our code elsewhere.
pub(crate) trait Server {
    /// Waits at most `limit` for something to happen and handles it.
    ///
    /// # Errors
    /// The connection has failed or ended.
    fn step(&mut self, limit: Duration) -> Result<(), DeviceError>;

    /// Whether streams can be opened.
    fn is_ready(&self) -> bool;

    /// Opens (or opens anew) one of the two streams on the named device or the default one.
    ///
    /// # Errors
    /// The stream cannot be made; refusals of the server may come later, by [`Server::check`].
    fn open(&mut self, kind: DeviceKind, name: Option<&str>) -> Result<(), DeviceError>;

    /// Whether the named device was there when this was last asked; asks again, so that the next time tells.
    fn is_there(&mut self, kind: DeviceKind, name: &str) -> bool;

    /// Whether the stream on `name` runs: not while it is being opened, and not where none is.
    ///
    /// # Errors
    /// The stream has failed; it is gone afterwards.
    fn check(&mut self, kind: DeviceKind, name: Option<&str>) -> Result<bool, DeviceError>;

    /// Name of the device of a stream, empty where it has none.
    fn device_name(&mut self, kind: DeviceKind) -> String;

    /// Appends what was recorded, as far as `samples` has capacity; a gap comes as zeroes.
    fn capture(&mut self, samples: &mut Vec<f32>);

    /// How many samples the loudspeaker wants now.
    fn wanted(&mut self) -> usize;

    /// Gives the loudspeaker samples; failures show in the next [`Server::check`].
    fn play(&mut self, samples: &[f32]);

    /// All sources and sinks.
    ///
    /// # Errors
    /// The connection has ended, or there is no answer by `deadline`.
    fn devices(&mut self, deadline: Instant) -> Result<Vec<DeviceInfo>, DeviceError>;
}

/// Begins to connect to the server that is chosen; streams can be opened when it is ready.
///
/// # Errors
/// There is none, as far as can be said at once.
pub(crate) fn connect(choice: ServerChoice) -> Result<Box<dyn Server>, DeviceError> {
    let named = std::env::var_os("PULSE_SERVER").is_some_and(|server| !server.is_empty());
    if takes_pipewire(choice, named, pipewire_has_devices, pulse_is_pipewire) {
        Ok(Box::new(Loaded::connect()?))
    } else {
        Ok(Box::new(Pulse::connect()?))
    }
}

/// `named`: somebody says where PulseAudio is. `has_devices`: whether PipeWire can be reached, and has sound devices.
/// `pulse`: whether the PulseAudio server is PipeWire's; `None`: there is none.
fn takes_pipewire(
    choice: ServerChoice,
    named: bool,
    has_devices: impl FnOnce() -> bool,
    pulse: impl FnOnce() -> Option<bool>,
) -> bool {
    match choice {
        ServerChoice::Pulse => false,
        ServerChoice::PipeWire => true,
        ServerChoice::Auto => !named && has_devices() && pulse().unwrap_or(true),
    }
}

fn pipewire_has_devices() -> bool {
    let deadline = Instant::now() + PROBE;
    Loaded::connect()
        .and_then(|mut server| {
            wait_until_ready(&mut server, deadline)?;
            server.devices(deadline)
        })
        .is_ok_and(|devices| !devices.is_empty())
}

fn pulse_is_pipewire() -> Option<bool> {
    let deadline = Instant::now() + PROBE;
    let mut server = Pulse::connect().ok()?;
    wait_until_ready(&mut server, deadline).ok()?;
    server.server_name(deadline).ok().map(|name| name.contains("PipeWire"))
}

fn wait_until_ready(server: &mut dyn Server, deadline: Instant) -> Result<(), DeviceError> {
    while !server.is_ready() {
        if Instant::now() > deadline {
            return Err(DeviceError::Timeout);
        }
        server.step(STEP)?;
    }
    Ok(())
}

/// All sources and sinks of the sound server.
///
/// # Errors
/// No server, or no answer within two seconds.
pub fn list_devices(choice: ServerChoice) -> Result<Vec<DeviceInfo>, DeviceError> {
    let deadline = Instant::now() + ANSWER;
    let mut server = connect(choice)?;
    wait_until_ready(&mut *server, deadline)?;
    server.devices(deadline)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]

    use super::*;

    #[test]
    fn pipewire_is_taken_where_it_is_the_sound_server() {
        let auto =
            |named, has_devices, pulse| takes_pipewire(ServerChoice::Auto, named, || has_devices, || pulse);
        assert!(auto(false, true, None), "there is nothing else");
        assert!(auto(false, true, Some(true)), "PulseAudio's socket is PipeWire's");
        assert!(!auto(false, true, Some(false)), "PulseAudio has the devices that people hear");
        assert!(!auto(false, false, Some(true)), "no backend, or no devices");
        assert!(!auto(false, false, None));
        assert!(!auto(true, true, Some(true)), "somebody says where sound is");
    }

    #[test]
    fn what_is_configured_is_taken_without_asking() {
        let never = || panic!("nobody is to be asked");
        let never_pulse = || -> Option<bool> { panic!("nobody is to be asked") };
        assert!(takes_pipewire(ServerChoice::PipeWire, true, never, never_pulse));
        assert!(!takes_pipewire(ServerChoice::Pulse, false, never, never_pulse));
        assert!(!takes_pipewire(ServerChoice::Auto, true, never, never_pulse));
    }
}
