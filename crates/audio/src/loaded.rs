//! The PipeWire backend, which is a library of its own: loaded when it is first asked for, from beside this one.
//!
//! Invariants: a library that is not there, lacks what it needs (libpipewire), or is of another version, is an error that
//! says so, once and for ever: it is never unloaded, and nothing is loaded from elsewhere. Not in it: what it does.

use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use audio_backend::{ABI, Backend, Connection, Device, GetBackend, LOST, RUNNING, SYMBOL, Text};
use libloading::Library;

use crate::device::{DeviceError, DeviceInfo, DeviceKind};
use crate::server::Server;

const FILE: &str = "libaudio_pipewire.so";

/// A connection of the library's.
pub(crate) struct Loaded {
    backend: &'static Backend,
    connection: *mut Connection,
}

impl Loaded {
    /// Begins to connect.
    ///
    /// # Errors
    /// The library cannot be loaded, or there is no PipeWire.
    pub(crate) fn connect() -> Result<Self, DeviceError> {
        static BACKEND: OnceLock<Result<&Backend, String>> = OnceLock::new();
        let backend = BACKEND.get_or_init(|| load(&beside_this().ok_or("where it lies cannot be said")?));
        let backend = *backend.as_ref().map_err(|reason| {
            DeviceError::Server(format!("the PipeWire backend cannot be used: {reason}"))
        })?;
        let mut reason = Text::default();
        // SAFETY: as the table says; so for all calls below, by the thread that has made the connection.
        let connection = unsafe { (backend.connect)(&mut reason) };
        if connection.is_null() {
            Err(DeviceError::Server(reason.get()))
        } else {
            Ok(Self { backend, connection })
        }
    }
}

impl Drop for Loaded {
    fn drop(&mut self) {
        // SAFETY: it is not used afterwards.
        unsafe { (self.backend.disconnect)(self.connection) };
    }
}

/// Where the library is to be: beside the file that this code is in (the addon, or a test).
fn beside_this() -> Option<PathBuf> {
    let address: fn() -> Option<PathBuf> = beside_this;
    let mut found = libc::Dl_info {
        dli_fname: std::ptr::null(),
        dli_fbase: std::ptr::null_mut(),
        dli_sname: std::ptr::null(),
        dli_saddr: std::ptr::null_mut(),
    };
    // SAFETY: an address of this code, and room for the answer.
    if unsafe { libc::dladdr(address as *const libc::c_void, &raw mut found) } == 0
        || found.dli_fname.is_null()
    {
        return None;
    }
    // SAFETY: a string of the loader's, which lasts as long as this code.
    let name = unsafe { CStr::from_ptr(found.dli_fname) };
    Path::new(OsStr::from_bytes(name.to_bytes())).canonicalize().ok()?.parent().map(|it| it.join(FILE))
}

fn load(path: &Path) -> Result<&'static Backend, String> {
    if !path.exists() {
        return Err(format!("{} is not there (scripts/setup builds it)", path.display()));
    }
    // SAFETY: our own library, which does nothing when it is loaded.
    let library = unsafe { Library::new(path) }.map_err(|error| error.to_string())?;
    // SAFETY: of this type in all versions.
    let backend = unsafe { library.get::<GetBackend>(SYMBOL).map(|get| get().as_ref()) };
    let backend = backend.map_err(|error| error.to_string())?.ok_or("it has no functions")?;
    if backend.abi != ABI {
        return Err(format!("{} is of another version (scripts/setup builds it)", path.display()));
    }
    // Its threads run its code.
    std::mem::forget(library);
    Ok(backend)
}

fn is_output(kind: DeviceKind) -> bool {
    kind == DeviceKind::Output
}

fn stream_error(name: Option<&str>, reason: &Text) -> DeviceError {
    DeviceError::Stream { name: name.unwrap_or("default").to_owned(), reason: reason.get() }
}

impl Server for Loaded {
    fn step(&mut self, limit: Duration) -> Result<(), DeviceError> {
        let mut reason = Text::default();
        let ms = u32::try_from(limit.as_millis()).unwrap_or(u32::MAX);
        // SAFETY: see `connect`.
        if unsafe { (self.backend.step)(self.connection, ms, &mut reason) } {
            Ok(())
        } else {
            Err(DeviceError::Server(reason.get()))
        }
    }

    fn is_ready(&self) -> bool {
        // SAFETY: see `connect`.
        unsafe { (self.backend.is_ready)(self.connection) }
    }

    fn open(&mut self, kind: DeviceKind, name: Option<&str>) -> Result<(), DeviceError> {
        let mut reason = Text::default();
        let given = name.map(Text::from);
        let pointer = given.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        // SAFETY: see `connect`.
        let opened = unsafe { (self.backend.open)(self.connection, is_output(kind), pointer, &mut reason) };
        if opened { Ok(()) } else { Err(stream_error(name, &reason)) }
    }

    fn is_there(&mut self, kind: DeviceKind, name: &str) -> bool {
        // SAFETY: see `connect`.
        unsafe { (self.backend.is_there)(self.connection, is_output(kind), &Text::from(name)) }
    }

    fn check(&mut self, kind: DeviceKind, name: Option<&str>) -> Result<bool, DeviceError> {
        let mut reason = Text::default();
        // SAFETY: see `connect`.
        match unsafe { (self.backend.check)(self.connection, is_output(kind), &mut reason) } {
            LOST => Err(stream_error(name, &reason)),
            state => Ok(state == RUNNING),
        }
    }

    fn device_name(&mut self, kind: DeviceKind) -> String {
        let mut name = Text::default();
        // SAFETY: see `connect`.
        unsafe { (self.backend.device_name)(self.connection, is_output(kind), &mut name) };
        name.get()
    }

    fn capture(&mut self, samples: &mut Vec<f32>) {
        let before = samples.len();
        samples.resize(samples.capacity(), 0.0);
        let room = &mut samples[before..];
        // SAFETY: see `connect`; there is room for so many.
        let count = unsafe { (self.backend.capture)(self.connection, room.as_mut_ptr(), room.len()) };
        samples.truncate(before + count);
    }

    fn wanted(&mut self) -> usize {
        // SAFETY: see `connect`.
        unsafe { (self.backend.wanted)(self.connection) }
    }

    fn play(&mut self, samples: &[f32]) {
        // SAFETY: see `connect`; there are so many.
        unsafe { (self.backend.play)(self.connection, samples.as_ptr(), samples.len()) };
    }

    fn devices(&mut self, _deadline: Instant) -> Result<Vec<DeviceInfo>, DeviceError> {
        let mut device = Device::default();
        let mut devices = Vec::new();
        // SAFETY: see `connect`.
        while unsafe { (self.backend.device)(self.connection, devices.len(), &mut device) } {
            devices.push(DeviceInfo {
                kind: if device.output { DeviceKind::Output } else { DeviceKind::Input },
                name: device.name.get(),
                description: device.description.get(),
                default: device.default,
                monitor: device.monitor,
            });
        }
        Ok(devices)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_loaded_is_told() {
        let missing = load(Path::new("/nowhere/libaudio_pipewire.so"));
        assert!(missing.is_err_and(|reason| reason.contains("is not there")));
        let no_library = load(Path::new("/proc/self/maps"));
        assert!(no_library.is_err());
    }

    #[test]
    fn the_library_is_looked_for_beside_this_code() {
        let here = std::env::current_exe().ok().and_then(|it| it.canonicalize().ok());
        assert_eq!(beside_this(), here.and_then(|it| it.parent().map(|it| it.join(FILE))));
    }
}
