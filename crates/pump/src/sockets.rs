//! The UDP sockets on which other peers reach this one.
//!
//! Datagrams come and go in bursts: the kernel hands over what it has coalesced (GRO) and takes a run of datagrams to
//! one peer in one call (GSO), where it can; `quinn-udp` knows where. All datagrams have one size, so a run is a plain
//! row of them. Buffers are allocated once.

use cell::layout::{DATAGRAM_BYTES, Datagram};
use kx::outbox::Transmit;
use mio::net::UdpSocket;
use mio::{Interest, Registry, Token};
use quinn_udp::{BATCH_SIZE, RecvMeta, UdpSockRef, UdpSocketState};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};

/// Holds a burst of some ten thousand datagrams while the thread is not scheduled.
const BUFFER_BYTES: usize = 4 << 20;
/// Datagrams that one call may take or hand over as one row.
const ROW: usize = 64;
const ROW_BYTES: usize = ROW * DATAGRAM_BYTES;

struct Bound {
    local: SocketAddr,
    socket: UdpSocket,
    state: UdpSocketState,
}

/// All sockets, one an address, and the row that is being put together.
pub(crate) struct Sockets {
    bound: Vec<Bound>,
    offload: bool,
    row: Vec<u8>,
}

/// Room for one burst.
pub(crate) struct Inbox {
    bytes: Vec<u8>,
    meta: [RecvMeta; BATCH_SIZE],
    rows: usize,
}

impl Inbox {
    pub(crate) fn new() -> Self {
        Self { bytes: vec![0; BATCH_SIZE * ROW_BYTES], meta: [RecvMeta::default(); BATCH_SIZE], rows: 0 }
    }

    /// Every datagram of the burst with its source; `None` in place of one of another size.
    pub(crate) fn datagrams(&mut self) -> impl Iterator<Item = (SocketAddr, Option<&mut Datagram>)> {
        self.bytes.chunks_exact_mut(ROW_BYTES).zip(&self.meta[..self.rows]).flat_map(|(row, meta)| {
            let stride = meta.stride.max(1);
            row[..meta.len].chunks_mut(stride).map(|bytes| (meta.addr, bytes.try_into().ok()))
        })
    }
}

impl Sockets {
    pub(crate) fn bind(
        addresses: &[SocketAddr],
        offload: bool,
        registry: &Registry,
    ) -> Result<Self, (SocketAddr, io::Error)> {
        let mut bound = Vec::new();
        for (index, &address) in addresses.iter().enumerate() {
            let failed = |error| (address, error);
            let mut socket = open(address).map_err(failed)?;
            let state = UdpSocketState::new(UdpSockRef::from(&socket)).map_err(failed)?;
            if !offload {
                take_single_datagrams(&socket).map_err(failed)?;
            }
            let local = socket.local_addr().map_err(failed)?;
            registry.register(&mut socket, Token(index), Interest::READABLE).map_err(failed)?;
            bound.push(Bound { local, socket, state });
        }
        Ok(Self { bound, offload, row: Vec::with_capacity(ROW_BYTES) })
    }

    pub(crate) fn len(&self) -> usize {
        self.bound.len()
    }

    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.bound.iter().map(|bound| bound.local).collect()
    }

    /// Takes one burst from a socket; `false` when nothing more is queued.
    pub(crate) fn receive(&self, index: usize, inbox: &mut Inbox) -> bool {
        inbox.rows = 0;
        let Some(Bound { socket, state, .. }) = self.bound.get(index) else { return false };
        let mut rows = inbox.bytes.chunks_exact_mut(ROW_BYTES);
        let mut slices: [IoSliceMut<'_>; BATCH_SIZE] =
            std::array::from_fn(|_| IoSliceMut::new(rows.next().unwrap_or_default()));
        match state.recv(UdpSockRef::from(socket), &mut slices, &mut inbox.meta) {
            Ok(rows) => {
                inbox.rows = rows;
                // Fewer than there was room for: the kernel has no more, and tells when it has.
                rows == BATCH_SIZE
            }
            // An error that a datagram of ours has provoked at its receiver: not the end of what is queued.
            Err(error) => error.kind() == io::ErrorKind::ConnectionRefused,
        }
    }

    /// Sends everything in order, runs to one peer in one call; how many the kernel would not take.
    pub(crate) fn send(&mut self, datagrams: &[Transmit]) -> u64 {
        let mut refused = 0;
        let mut rest = datagrams;
        while let Some(first) = rest.first() {
            let Some(index) = self.bound.iter().position(|b| b.local.is_ipv4() == first.to.is_ipv4()) else {
                refused += 1;
                rest = &rest[1..];
                continue;
            };
            let most = if self.offload { self.bound[index].state.max_gso_segments().min(ROW) } else { 1 };
            let run = rest.iter().take(most).take_while(|transmit| transmit.to == first.to).count().max(1);
            let (row, after) = rest.split_at(run);
            refused += self.send_row(index, row);
            rest = after;
        }
        refused
    }

    fn send_row(&mut self, index: usize, row: &[Transmit]) -> u64 {
        let Bound { socket, state, .. } = &self.bound[index];
        let socket = UdpSockRef::from(socket);
        let transmit = |contents, segment_size| quinn_udp::Transmit {
            destination: row[0].to,
            ecn: None,
            contents,
            segment_size,
            src_ip: None,
        };
        if row.len() > 1 {
            self.row.clear();
            for datagram in row {
                self.row.extend_from_slice(&datagram.datagram);
            }
            let sent = state.try_send(socket, &transmit(&self.row[..], Some(DATAGRAM_BYTES)));
            match sent {
                Ok(()) => return 0,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return row.len() as u64,
                // The device may not do it in one call: one by one, then.
                Err(_) => {}
            }
        }
        let socket = &self.bound[index].socket;
        let refused = row.iter().filter(|one| {
            state.try_send(UdpSockRef::from(socket), &transmit(&one.datagram[..], None)).is_err()
        });
        refused.count() as u64
    }
}

/// From now on the kernel hands over single datagrams from a socket that `quinn-udp` has set up, not rows.
pub fn take_single_datagrams(socket: &impl AsFd) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        let off: libc::c_int = 0;
        // SAFETY: a valid descriptor and a valid integer of the length told.
        let result = unsafe {
            libc::setsockopt(
                socket.as_fd().as_raw_fd(),
                libc::SOL_UDP,
                libc::UDP_GRO,
                (&raw const off).cast(),
                size_of::<libc::c_int>() as libc::socklen_t,
            )
        };
        if result != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

fn open(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    // The kernel may grant less: more would need privileges, and less still works.
    let _ = socket.set_recv_buffer_size(BUFFER_BYTES);
    let _ = socket.set_send_buffer_size(BUFFER_BYTES);
    socket.bind(&address.into())?;
    Ok(UdpSocket::from_std(socket.into()))
}
