//! Waits for devices, for standard input and for a moment, exactly.

use crate::device::Device;
use std::os::fd::AsRawFd;
use std::time::Duration;

/// One look at standard input takes so many bytes.
const INPUT_BYTES: usize = 256;

/// What is waited for: the devices in their order, then standard input.
pub(crate) struct Poll(Vec<libc::pollfd>);

impl Poll {
    pub(crate) fn new(devices: &[Device]) -> Self {
        let descriptors = devices.iter().map(AsRawFd::as_raw_fd).chain([libc::STDIN_FILENO]);
        Self(descriptors.map(|fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 }).collect())
    }

    /// Waits for so long at most, `None`: until something is there. Whether something is there.
    pub(crate) fn wait(&mut self, patience: Option<Duration>) -> bool {
        let timeout = patience.map(|patience| libc::timespec {
            tv_sec: libc::time_t::try_from(patience.as_secs()).unwrap_or(libc::time_t::MAX),
            tv_nsec: patience.subsec_nanos().into(),
        });
        let timeout = timeout.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        // SAFETY: valid structures, and as many of them as are told.
        let ready = unsafe { libc::ppoll(self.0.as_mut_ptr(), self.0.len() as _, timeout, std::ptr::null()) };
        if ready < 0 {
            // Interrupted: nothing was filled in.
            self.0.iter_mut().for_each(|one| one.revents = 0);
        }
        ready > 0
    }

    pub(crate) fn is_readable(&self, device: usize) -> bool {
        self.0.get(device).is_some_and(|one| one.revents != 0)
    }

    /// Whether standard input is over; what it says otherwise is passed over.
    pub(crate) fn has_input_ended(&self) -> bool {
        if self.0.last().is_none_or(|one| one.revents == 0) {
            return false;
        }
        let mut bytes = [0_u8; INPUT_BYTES];
        // SAFETY: a buffer of the length that is told.
        unsafe { libc::read(libc::STDIN_FILENO, bytes.as_mut_ptr().cast(), bytes.len()) <= 0 }
    }
}

/// Asks to be woken to the nanosecond, and before all ordinary programs; whether both were granted. Without, the emulator
/// works, but is late when the machine is busy.
pub(crate) fn ask_for_realtime() -> bool {
    let priority = libc::sched_param { sched_priority: 1 };
    // SAFETY: plain numbers, and a valid structure.
    unsafe {
        libc::prctl(libc::PR_SET_TIMERSLACK, 1) == 0
            && libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const priority) == 0
    }
}
