//! Ends a tool in an orderly way on SIGINT and SIGTERM.

use std::sync::atomic::{AtomicBool, Ordering};

static ASKED: AtomicBool = AtomicBool::new(false);

extern "C" fn ask(_signal: libc::c_int) {
    ASKED.store(true, Ordering::Relaxed);
}

/// From now on the two signals only set what [`asked_to_stop`] tells.
pub fn watch() {
    // SAFETY: the handler only stores to an atomic; the structure is zeroed and then filled.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = ask as extern "C" fn(libc::c_int) as usize;
        libc::sigaction(libc::SIGINT, &raw const action, std::ptr::null_mut());
        libc::sigaction(libc::SIGTERM, &raw const action, std::ptr::null_mut());
    }
}

/// Whether one of the signals came.
pub fn asked_to_stop() -> bool {
    ASKED.load(Ordering::Relaxed)
}
