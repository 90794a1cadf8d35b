//! What comes to a worker from elsewhere in this process: commands, parcels of other engines, datagrams that the kernel has
//! handed to the wrong worker.
//!
//! Cells and datagrams go through bounded queues without locks and the oldest are dropped when those are full; what must not be lost
//! goes through a list behind a lock, and is rare. Whoever puts something in wakes the worker once.

use crate::status::Status;
use cell::layout::Datagram;
use crossbeam_queue::ArrayQueue;
use kx::event::Command;
use kx::parcel::Parcel;
use mio::Waker;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Cells under way between two workers, and datagrams.
const MAX_CELLS: usize = 2048;

/// One worker's.
pub(crate) struct Mailbox {
    commands: Mutex<Vec<Command>>,
    parcels: Mutex<Vec<Parcel>>,
    cells: ArrayQueue<Parcel>,
    datagrams: ArrayQueue<(SocketAddr, Datagram)>,
    status: Mutex<Status>,
    waker: Waker,
    woken: AtomicBool,
}

impl Mailbox {
    /// `alone`: there are no other workers.
    pub(crate) fn new(waker: Waker, alone: bool) -> Self {
        let cells = if alone { 1 } else { MAX_CELLS };
        Self {
            commands: Mutex::default(),
            parcels: Mutex::default(),
            cells: ArrayQueue::new(cells),
            datagrams: ArrayQueue::new(cells),
            status: Mutex::default(),
            waker,
            woken: AtomicBool::new(false),
        }
    }

    pub(crate) fn order(&self, command: Command) {
        lock(&self.commands).push(command);
        self.wake();
    }

    /// `false`: an older cell has given way to this one.
    pub(crate) fn post(&self, parcel: Parcel) -> bool {
        let taken = if parcel.may_be_lost() {
            self.cells.force_push(parcel).is_none()
        } else {
            lock(&self.parcels).push(parcel);
            true
        };
        self.wake();
        taken
    }

    /// `false`: an older one has given way to this one.
    pub(crate) fn pass_on(&self, from: SocketAddr, datagram: &Datagram) -> bool {
        let taken = self.datagrams.force_push((from, *datagram)).is_none();
        self.wake();
        taken
    }

    /// Makes the worker look.
    pub(crate) fn wake(&self) {
        if !self.woken.swap(true, Ordering::AcqRel) {
            // Failing to wake means that the thread is gone, which its event has told.
            let _ = self.waker.wake();
        }
    }

    /// To be called before anything is taken: what comes later wakes again.
    pub(crate) fn open(&self) -> bool {
        self.woken.swap(false, Ordering::AcqRel)
    }

    pub(crate) fn take_commands(&self) -> Vec<Command> {
        std::mem::take(&mut *lock(&self.commands))
    }

    pub(crate) fn take_parcels(&self) -> Vec<Parcel> {
        std::mem::take(&mut *lock(&self.parcels))
    }

    pub(crate) fn take_cell(&self) -> Option<Parcel> {
        self.cells.pop()
    }

    pub(crate) fn take_datagram(&self) -> Option<(SocketAddr, Datagram)> {
        self.datagrams.pop()
    }

    pub(crate) fn publish(&self, status: Status) {
        *lock(&self.status) = status;
    }

    pub(crate) fn status(&self) -> Status {
        lock(&self.status).clone()
    }
}

/// A poisoned lock holds nothing that a panic could have left half-written.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
