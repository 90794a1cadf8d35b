//! Sound by PipeWire itself, as a library that `audio` loads where PipeWire is: so nothing else needs libpipewire.
//!
//! Invariants: only this file crosses the border of C; a panic becomes a failure there. Not in it: when this backend is
//! taken, voice.

mod connection;
mod nodes;
mod stream;

use std::panic::{AssertUnwindSafe, catch_unwind};

use audio_backend::{ABI, Backend, Connection as Opaque, Device, LOST, RUNNING, Text, WAITING};
use connection::Connection;

static BACKEND: Backend = Backend {
    abi: ABI,
    connect,
    disconnect,
    step,
    is_ready,
    open,
    is_there,
    check,
    device_name,
    capture,
    wanted,
    play,
    device,
};

/// The table of this backend.
#[unsafe(no_mangle)]
pub extern "C" fn peer_audio_backend() -> *const Backend {
    &raw const BACKEND
}

/// What `action` gives, or `otherwise` after a bug.
fn guarded<T>(otherwise: T, action: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(action)).unwrap_or(otherwise)
}

/// # Safety
/// `connection` comes from [`connect`], was not ended, and is used by one thread.
unsafe fn this<'a>(connection: *mut Opaque) -> &'a mut Connection {
    // SAFETY: as the caller promises.
    unsafe { &mut *connection.cast() }
}

/// Whether it went well; the reason where it did not.
fn told(result: Result<(), String>, reason: &mut Text) -> bool {
    result.map_err(|it| reason.set(&it)).is_ok()
}

unsafe extern "C" fn connect(reason: &mut Text) -> *mut Opaque {
    guarded(std::ptr::null_mut(), || match Connection::new() {
        Ok(connection) => Box::into_raw(Box::new(connection)).cast(),
        Err(error) => {
            reason.set(&error);
            std::ptr::null_mut()
        }
    })
}

unsafe extern "C" fn disconnect(connection: *mut Opaque) {
    // SAFETY: comes from `connect`, and is not used again.
    guarded((), || drop(unsafe { Box::from_raw(connection.cast::<Connection>()) }));
}

unsafe extern "C" fn step(connection: *mut Opaque, ms: u32, reason: &mut Text) -> bool {
    // SAFETY: as all that have a connection.
    guarded(false, || told(unsafe { this(connection) }.step(ms), reason))
}

unsafe extern "C" fn is_ready(connection: *mut Opaque) -> bool {
    // SAFETY: as above.
    guarded(false, || unsafe { this(connection) }.is_ready())
}

unsafe extern "C" fn open(
    connection: *mut Opaque,
    output: bool,
    name: *const Text,
    reason: &mut Text,
) -> bool {
    guarded(false, || {
        // SAFETY: null or a text, which is only read.
        let name = unsafe { name.as_ref() }.map(Text::get);
        // SAFETY: as above.
        told(unsafe { this(connection) }.open(output, name.as_deref()), reason)
    })
}

unsafe extern "C" fn is_there(connection: *mut Opaque, output: bool, name: &Text) -> bool {
    // SAFETY: as above.
    guarded(false, || unsafe { this(connection) }.is_there(output, &name.get()))
}

unsafe extern "C" fn check(connection: *mut Opaque, output: bool, reason: &mut Text) -> u32 {
    // SAFETY: as above.
    guarded(LOST, || match unsafe { this(connection) }.check(output) {
        Ok(true) => RUNNING,
        Ok(false) => WAITING,
        Err(error) => {
            reason.set(&error);
            LOST
        }
    })
}

unsafe extern "C" fn device_name(connection: *mut Opaque, output: bool, name: &mut Text) {
    // SAFETY: as above.
    guarded((), || name.set(&unsafe { this(connection) }.device_name(output)));
}

unsafe extern "C" fn capture(connection: *mut Opaque, samples: *mut f32, room: usize) -> usize {
    // SAFETY: as above; `samples` has room for so many, initialised.
    guarded(0, || unsafe { this(connection).capture(std::slice::from_raw_parts_mut(samples, room)) })
}

unsafe extern "C" fn wanted(connection: *mut Opaque) -> usize {
    // SAFETY: as above.
    guarded(0, || unsafe { this(connection) }.wanted())
}

unsafe extern "C" fn play(connection: *mut Opaque, samples: *const f32, count: usize) {
    // SAFETY: as above; there are so many samples.
    guarded((), || unsafe { this(connection).play(std::slice::from_raw_parts(samples, count)) });
}

unsafe extern "C" fn device(connection: *mut Opaque, number: usize, device: &mut Device) -> bool {
    // SAFETY: as above.
    guarded(false, || unsafe { this(connection) }.device(number, device))
}
