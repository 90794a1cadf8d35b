//! The UDP sockets on which other peers reach this one.
//!
//! Datagrams come and go in bursts: the kernel hands over what it has coalesced (GRO) and takes a run of datagrams to
//! one peer in one call (GSO), where it can; `quinn-udp` knows where. All datagrams have one size, so a run is a plain
//! row of them. Buffers are allocated once.

use crate::fair::FairQueue;
use crate::steering::steer;
use cell::layout::{DATAGRAM_BYTES, Datagram};
use kx::outbox::Transmit;
use kx::shard::Shares;
use mio::net::UdpSocket;
use mio::{Interest, Registry, Token};
use quinn_udp::{BATCH_SIZE, RecvMeta, UdpSockRef, UdpSocketState};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};

/// Holds a burst of some ten thousand datagrams while the thread is not scheduled.
const RECEIVE_BYTES: usize = 4 << 20;
/// What waits for a slow line waits here, where it is in fair order and the oldest is dropped, not in the kernel.
const SEND_BYTES: usize = 256 << 10;
/// Datagrams that wait for the line, and of one circuit: some 300 and 20 ms of a line of 10 Mbit/s. Fewer than the window of
/// a link holds: what leaves late must not be too old for it.
const MOST_WAITING: usize = 900;
const MOST_WAITING_OF_LANE: usize = 64;
/// Datagrams that one call may take or hand over as one row.
const ROW: usize = 64;
const ROW_BYTES: usize = ROW * DATAGRAM_BYTES;

/// All addresses, for each of so many workers; with several, the kernel steers by [`crate::steering`].
pub(crate) fn open_all(
    addresses: &[SocketAddr],
    shares: Shares,
    workers: usize,
) -> Result<Vec<Vec<UdpSocket>>, (SocketAddr, io::Error)> {
    let mut all: Vec<Vec<UdpSocket>> = (0..workers).map(|_| Vec::new()).collect();
    for &address in addresses {
        let failed = |error| (address, error);
        if workers == 1 {
            all[0].push(open(address, false).map_err(failed)?);
            continue;
        }
        // Sockets that share an address would share it with another peer of the same user, too: it must be free first.
        let free = open(address, false).and_then(|socket| socket.local_addr()).map_err(failed)?;
        for sockets in &mut all {
            sockets.push(open(free, true).map_err(failed)?);
        }
        if let Some(socket) = all[0].last() {
            steer(socket, shares).map_err(failed)?;
        }
    }
    Ok(all)
}

struct Bound {
    local: SocketAddr,
    socket: UdpSocket,
    state: UdpSocketState,
    /// What the kernel would not take yet.
    waiting: FairQueue<u64, Transmit>,
    token: Token,
}

/// One worker's sockets, one an address, and the row that is being put together.
pub(crate) struct Sockets {
    bound: Vec<Bound>,
    registry: Registry,
    offload: bool,
    row: Vec<u8>,
    /// Datagrams that found no way out.
    failures: u64,
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

    /// How many datagrams there are.
    pub(crate) fn len(&self) -> usize {
        self.meta[..self.rows].iter().map(|meta| meta.len.div_ceil(meta.stride.max(1))).sum()
    }

    /// Whether all of them come from one place.
    pub(crate) fn has_one_source(&self) -> bool {
        let mut rows = self.meta[..self.rows].iter();
        rows.next().is_none_or(|first| rows.all(|row| row.addr == first.addr))
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
    pub(crate) fn new(sockets: Vec<UdpSocket>, offload: bool, registry: Registry) -> io::Result<Self> {
        let mut bound = Vec::new();
        for (index, mut socket) in sockets.into_iter().enumerate() {
            let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
            if !offload {
                take_single_datagrams(&socket)?;
            }
            let (local, token) = (socket.local_addr()?, Token(index));
            registry.register(&mut socket, token, Interest::READABLE)?;
            let waiting = FairQueue::spread(MOST_WAITING_OF_LANE, MOST_WAITING);
            bound.push(Bound { local, socket, state, waiting, token });
        }
        Ok(Self { bound, registry, offload, row: Vec::with_capacity(ROW_BYTES), failures: 0 })
    }

    pub(crate) fn len(&self) -> usize {
        self.bound.len()
    }

    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.bound.iter().map(|bound| bound.local).collect()
    }

    /// Datagrams so far that the kernel refused, or that had to give way while they waited for it.
    pub(crate) fn failures(&self) -> u64 {
        self.failures
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

    /// Sends everything, runs to one peer in one call. What the line has no room for waits, lane by lane.
    pub(crate) fn send(&mut self, datagrams: &[Transmit]) {
        let mut rest = datagrams;
        while let Some(first) = rest.first() {
            let Some(index) = self.bound.iter().position(|b| b.local.is_ipv4() == first.to.is_ipv4()) else {
                self.failures += 1;
                rest = &rest[1..];
                continue;
            };
            let bound = &self.bound[index];
            let most = if self.offload { bound.state.max_gso_segments().min(ROW) } else { 1 };
            let run = rest.iter().take(most).take_while(|transmit| transmit.to == first.to).count().max(1);
            let (row, after) = rest.split_at(run);
            let sent = if bound.waiting.is_empty() { self.send_row(index, row) } else { 0 };
            if sent < row.len() {
                self.keep(index, &row[sent..]);
            }
            rest = after;
        }
    }

    /// The last chance of what still waits.
    pub(crate) fn finish(&mut self) {
        for index in 0..self.bound.len() {
            self.send_waiting(index);
        }
    }

    /// The kernel may have room again.
    pub(crate) fn send_waiting(&mut self, index: usize) {
        let Some(Bound { socket, state, waiting, token, .. }) = self.bound.get_mut(index) else { return };
        if waiting.is_empty() {
            return;
        }
        let mut refused = 0;
        while waiting.serve(|_, one| match send_one(socket, state, one) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => false,
            Err(_) => {
                refused += 1;
                true
            }
        }) {}
        refused += waiting.take_given_way();
        if waiting.is_empty() {
            // Failing to say so costs needless wake-ups only.
            let _ = self.registry.reregister(socket, *token, Interest::READABLE);
        }
        self.failures += refused;
    }

    /// Queues what the kernel has no room for, and asks to be told when it has.
    fn keep(&mut self, index: usize, row: &[Transmit]) {
        let Bound { socket, waiting, token, .. } = &mut self.bound[index];
        if waiting.is_empty() {
            let interest = Interest::READABLE | Interest::WRITABLE;
            if self.registry.reregister(socket, *token, interest).is_err() {
                self.failures += row.len() as u64;
                return;
            }
        }
        for one in row {
            self.failures += u64::from(waiting.push(one.lane, one.clone()));
        }
    }

    /// How many of a row are done with, sent or refused; the kernel has no room for the others now.
    fn send_row(&mut self, index: usize, row: &[Transmit]) -> usize {
        let Bound { socket, state, .. } = &self.bound[index];
        if row.len() > 1 {
            self.row.clear();
            for datagram in row {
                self.row.extend_from_slice(&datagram.datagram);
            }
            let transmit = transmit(row[0].to, &self.row, Some(DATAGRAM_BYTES));
            match state.try_send(UdpSockRef::from(socket), &transmit) {
                Ok(()) => return row.len(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return 0,
                // The device may not do it in one call: one by one, then.
                Err(_) => {}
            }
        }
        for (at, one) in row.iter().enumerate() {
            match send_one(socket, state, one) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return at,
                Err(_) => self.failures += 1,
            }
        }
        row.len()
    }
}

fn send_one(socket: &UdpSocket, state: &UdpSocketState, one: &Transmit) -> io::Result<()> {
    state.try_send(UdpSockRef::from(socket), &transmit(one.to, &one.datagram, None))
}

fn transmit(to: SocketAddr, contents: &[u8], segment_size: Option<usize>) -> quinn_udp::Transmit<'_> {
    quinn_udp::Transmit { destination: to, ecn: None, contents, segment_size, src_ip: None }
}

/// From now on the kernel hands over single datagrams from a socket that `quinn-udp` has set up, not rows.
pub fn take_single_datagrams(socket: &impl AsFd) -> io::Result<()> {
    set_option(socket, libc::SOL_UDP, libc::UDP_GRO, 0)
}

/// Room for so many bytes of what has come in, beyond what the system grants everybody. Needs CAP_NET_ADMIN, as the TUN
/// device does.
pub fn force_receive_buffer(socket: &impl AsFd, bytes: usize) -> io::Result<()> {
    // The kernel keeps its own books in twice as many.
    set_option(socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, bytes as libc::c_int)
}

fn set_option(
    socket: &impl AsFd,
    level: libc::c_int,
    name: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    // SAFETY: a valid descriptor and a valid integer of the length told.
    let result = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn open(address: SocketAddr, shared: bool) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    if shared {
        socket.set_reuse_port(true)?;
    }
    // Without privileges the kernel may grant less, which still works.
    if force_receive_buffer(&socket, RECEIVE_BYTES).is_err() {
        let _ = socket.set_recv_buffer_size(RECEIVE_BYTES);
    }
    let _ = socket.set_send_buffer_size(SEND_BYTES);
    socket.bind(&address.into())?;
    Ok(UdpSocket::from_std(socket.into()))
}
