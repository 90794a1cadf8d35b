//! Sound devices as the rest of the program sees them: names, directions, errors. Not in it: how they are reached.

pub use crate::server::{ServerChoice, list_devices};

/// Which of the two devices of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceKind {
    /// The microphone: a source of the sound server.
    Input,
    /// The loudspeaker: a sink.
    Output,
}

/// A device that can be configured by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceInfo {
    /// Direction.
    pub kind: DeviceKind,
    /// The name that `AUDIO_INPUT` and `AUDIO_OUTPUT` take.
    pub name: String,
    /// For people.
    pub description: String,
    /// The server's default for this direction.
    pub default: bool,
    /// A source that records what a sink plays.
    pub monitor: bool,
}

/// Why sound does not flow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// No server at PULSE_SERVER or the user's default place, no backend for it, or it went away.
    #[error("no connection to the sound server: {0}")]
    Server(String),
    /// The server refuses the stream: no such device, or it was removed.
    #[error("sound device {name}: {reason}")]
    Stream {
        /// The configured name, or `default`.
        name: String,
        /// From the server.
        reason: String,
    },
    /// The server did not answer within the time.
    #[error("the sound server does not answer")]
    Timeout,
}
