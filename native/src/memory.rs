//! Memory that is free but still this process's.

// Nothing calls an addon's exports in a test build.
#![cfg_attr(test, allow(dead_code))]

use napi_derive::napi;

/// Gives free memory of the C heap back to the system, where the C library can (glibc). Takes some milliseconds.
#[napi]
pub(crate) fn release_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes no pointers and may be called at any time, from any thread.
    unsafe {
        libc::malloc_trim(0);
    }
}
