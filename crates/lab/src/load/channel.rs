//! A UDP socket that sends and takes datagrams of the one size in rows, by the system calls that the packet thread uses.
//!
//! It may be opened in another network namespace than the rest of the program: a socket stays where it was made.

use crate::Fault;
use cell::layout::DATAGRAM_BYTES;
use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use std::fs::File;
use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

const ROW: usize = 64;
const BUFFER_BYTES: usize = 8 << 20;

pub(crate) struct Channel {
    socket: UdpSocket,
    state: UdpSocketState,
    offload: bool,
    bytes: Vec<u8>,
}

/// Datagrams that came together from one place.
pub(crate) struct Row<'a> {
    pub(crate) from: SocketAddr,
    pub(crate) bytes: &'a mut [u8],
}

impl Channel {
    /// Binds in the namespace that the program is in.
    pub(crate) fn bind(address: SocketAddr, offload: bool) -> Result<Self, Fault> {
        let socket = UdpSocket::bind(address)?;
        socket.set_nonblocking(true)?;
        let reference = socket2::SockRef::from(&socket);
        if pump::force_receive_buffer(&socket, BUFFER_BYTES).is_err() {
            let _ = reference.set_recv_buffer_size(BUFFER_BYTES);
        }
        let _ = reference.set_send_buffer_size(BUFFER_BYTES);
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        if !offload {
            pump::take_single_datagrams(&socket)?;
        }
        Ok(Self { socket, state, offload, bytes: vec![0; BATCH_SIZE * ROW * DATAGRAM_BYTES] })
    }

    /// Binds in a named network namespace; the program is in it from then on.
    pub(crate) fn bind_in(namespace: &str, address: SocketAddr, offload: bool) -> Result<Self, Fault> {
        enter(namespace)?;
        Self::bind(address, offload)
    }

    /// Sends a row of datagrams to one place: in one call, or one by one where rows are not wanted. `false`: no room now.
    pub(crate) fn send(&self, to: SocketAddr, row: &[u8]) -> bool {
        let pieces = if self.offload { ROW * DATAGRAM_BYTES } else { DATAGRAM_BYTES };
        row.chunks(pieces).all(|contents| {
            let segment_size = (contents.len() > DATAGRAM_BYTES).then_some(DATAGRAM_BYTES);
            let transmit = Transmit { destination: to, ecn: None, contents, segment_size, src_ip: None };
            self.state.try_send(UdpSockRef::from(&self.socket), &transmit).is_ok()
        })
    }

    /// Takes what is there, a burst at most.
    pub(crate) fn receive(&mut self) -> impl Iterator<Item = Row<'_>> {
        let mut metas = [RecvMeta::default(); BATCH_SIZE];
        let mut rows = self.bytes.chunks_exact_mut(ROW * DATAGRAM_BYTES);
        let mut slices: [IoSliceMut<'_>; BATCH_SIZE] =
            std::array::from_fn(|_| IoSliceMut::new(rows.next().unwrap_or_default()));
        let count =
            self.state.recv(UdpSockRef::from(&self.socket), &mut slices, &mut metas).unwrap_or_default();
        let rows = self.bytes.chunks_exact_mut(ROW * DATAGRAM_BYTES).zip(metas).take(count);
        rows.map(|(row, meta)| Row { from: meta.addr, bytes: &mut row[..meta.len] })
    }

    /// Sends on what is there, a burst at most; how many rows. What comes from `to` goes back to `last`, who spoke last from
    /// elsewhere.
    pub(crate) fn forward(&mut self, to: SocketAddr, last: &mut Option<SocketAddr>) -> usize {
        let mut rows = [(0, 0, to); BATCH_SIZE];
        let mut count = 0;
        let start = self.bytes.as_ptr() as usize;
        for row in self.receive() {
            rows[count] = (row.bytes.as_ptr() as usize - start, row.bytes.len(), row.from);
            count += 1;
        }
        for &(at, length, from) in &rows[..count] {
            if from != to {
                *last = Some(from);
                self.send(to, &self.bytes[at..at + length]);
            } else if let Some(back) = *last {
                self.send(back, &self.bytes[at..at + length]);
            }
        }
        count
    }

    /// Waits until something is there, so long at most.
    pub(crate) fn wait(&self, milliseconds: i32) {
        let mut poll = libc::pollfd { fd: self.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one valid structure.
        unsafe { libc::poll(&raw mut poll, 1, milliseconds) };
    }

    pub(crate) fn as_raw_fd(&self) -> i32 {
        self.socket.as_raw_fd()
    }
}

/// From now on this thread is in a named network namespace.
pub(crate) fn enter(namespace: &str) -> Result<(), Fault> {
    let file = File::open(format!("/run/netns/{namespace}"))?;
    // SAFETY: a valid descriptor of a namespace; only this thread changes over.
    if unsafe { libc::setns(file.as_raw_fd(), libc::CLONE_NEWNET) } != 0 {
        return Err(io::Error::last_os_error().into());
    }
    Ok(())
}
