//! What a sound backend in a library of its own offers: one table of C functions, found by one symbol.
//!
//! Invariants: whoever loads the library refuses another [`ABI`]; a connection is used by the thread that made it, and by
//! no other; no function keeps what it is given, and none lets a panic out. Not in it: which backend is taken (`audio`),
//! what one does (`audio-pipewire`).

/// Version of everything in this file.
pub const ABI: u32 = 1;
/// Name of the function that gives the table: [`GetBackend`].
pub const SYMBOL: &[u8] = b"peer_audio_backend\0";
/// The symbol's type; the table lasts for ever.
pub type GetBackend = unsafe extern "C" fn() -> *const Backend;

/// A connection to a sound server, known to the library alone.
#[repr(C)]
pub struct Connection {
    _private: [u8; 0],
}

/// The functions. `output` is the loudspeaker, otherwise the microphone is meant; a `name` of null is the default device.
#[repr(C)]
pub struct Backend {
    /// [`ABI`] of the library; first for ever, so that it can be read whatever comes after it.
    pub abi: u32,
    /// Begins to connect; null, with the reason, where there is no server.
    pub connect: unsafe extern "C" fn(reason: &mut Text) -> *mut Connection,
    /// Ends a connection and its streams.
    pub disconnect: unsafe extern "C" fn(*mut Connection),
    /// Waits at most so many milliseconds for something to happen and handles it; false, with the reason, once the
    /// connection has ended.
    pub step: unsafe extern "C" fn(*mut Connection, ms: u32, reason: &mut Text) -> bool,
    /// Whether devices are known and streams can be opened.
    pub is_ready: unsafe extern "C" fn(*mut Connection) -> bool,
    /// Opens a stream in the place of the one there is; false with the reason.
    pub open:
        unsafe extern "C" fn(*mut Connection, output: bool, name: *const Text, reason: &mut Text) -> bool,
    /// Whether there is such a device now.
    pub is_there: unsafe extern "C" fn(*mut Connection, output: bool, name: &Text) -> bool,
    /// Where the stream stands; with [`LOST`] there is a reason, and the stream is gone.
    pub check: unsafe extern "C" fn(*mut Connection, output: bool, reason: &mut Text) -> u32,
    /// Name of the device of the stream, empty where it has none.
    pub device_name: unsafe extern "C" fn(*mut Connection, output: bool, name: &mut Text),
    /// Takes what was recorded, at most `room` samples; how many.
    pub capture: unsafe extern "C" fn(*mut Connection, samples: *mut f32, room: usize) -> usize,
    /// How many samples the loudspeaker wants now.
    pub wanted: unsafe extern "C" fn(*mut Connection) -> usize,
    /// Gives the loudspeaker samples.
    pub play: unsafe extern "C" fn(*mut Connection, samples: *const f32, count: usize),
    /// Describes the device of this number; false where there are no more.
    pub device: unsafe extern "C" fn(*mut Connection, number: usize, device: &mut Device) -> bool,
}

/// A stream that is being opened, or is not there.
pub const WAITING: u32 = 0;
/// A stream that runs.
pub const RUNNING: u32 = 1;
/// A stream that has failed.
pub const LOST: u32 = 2;

/// A device as `Backend::device` gives it.
#[repr(C)]
#[derive(Default)]
pub struct Device {
    /// A loudspeaker, else a microphone.
    pub output: bool,
    /// The server's default for this direction.
    pub default: bool,
    /// A source that records what a sink plays.
    pub monitor: bool,
    /// What configuration takes.
    pub name: Text,
    /// For people.
    pub description: Text,
}

/// UTF-8 that is copied across.
#[repr(C)]
pub struct Text {
    length: usize,
    bytes: [u8; Self::MAX],
}

impl Text {
    /// The longest text; longer ones are cut.
    pub const MAX: usize = 504;

    /// As much of `text` as there is room for.
    pub fn set(&mut self, text: &str) {
        let length = text.floor_char_boundary(Self::MAX);
        self.bytes[..length].copy_from_slice(&text.as_bytes()[..length]);
        self.length = length;
    }

    /// The text; what is no UTF-8 is replaced.
    pub fn get(&self) -> String {
        String::from_utf8_lossy(&self.bytes[..self.length.min(Self::MAX)]).into_owned()
    }
}

impl Default for Text {
    fn default() -> Self {
        Self { length: 0, bytes: [0; Self::MAX] }
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        let mut made = Self::default();
        made.set(text);
        made
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_comes_back_as_it_was_or_cut_between_characters() {
        assert_eq!(Text::from("alsa_input.pci-0000").get(), "alsa_input.pci-0000");
        assert_eq!(Text::from("").get(), "");
        let long = format!("a{}", "é".repeat(Text::MAX));
        let cut = Text::from(long.as_str()).get();
        assert_eq!(cut.len(), Text::MAX - 1);
        assert!(long.starts_with(&cut));
        let mut shorter = Text::from(long.as_str());
        shorter.set("short");
        assert_eq!(shorter.get(), "short");
    }
}
