//! The UDP sockets on which other peers reach this one.

use cell::layout::{DATAGRAM_BYTES, Datagram};
use mio::net::UdpSocket;
use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::SocketAddr;

/// Holds a burst of some ten thousand datagrams while the thread is not scheduled.
const BUFFER_BYTES: usize = 4 << 20;

/// What one receive gave.
pub(crate) enum Received {
    /// A datagram of the one size.
    Whole(SocketAddr),
    /// One of another size.
    Malformed,
    /// Nothing more for now.
    Empty,
}

/// All sockets, one an address.
pub(crate) struct Sockets(Vec<(SocketAddr, UdpSocket)>);

impl Sockets {
    pub(crate) fn bind(
        addresses: &[SocketAddr],
        registry: &Registry,
    ) -> Result<Self, (SocketAddr, io::Error)> {
        let mut sockets = Vec::new();
        for (index, &address) in addresses.iter().enumerate() {
            let mut socket = open(address).map_err(|error| (address, error))?;
            let local = socket.local_addr().map_err(|error| (address, error))?;
            registry
                .register(&mut socket, Token(index), Interest::READABLE)
                .map_err(|error| (address, error))?;
            sockets.push((local, socket));
        }
        Ok(Self(sockets))
    }

    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.0.iter().map(|(address, _)| *address).collect()
    }

    pub(crate) fn receive(&self, index: usize, datagram: &mut Datagram) -> Received {
        // One byte more shows a datagram that is too long.
        let mut buffer = [0; DATAGRAM_BYTES + 1];
        match self.0.get(index).map(|(_, socket)| socket.recv_from(&mut buffer)) {
            Some(Ok((DATAGRAM_BYTES, from))) => {
                datagram.copy_from_slice(&buffer[..DATAGRAM_BYTES]);
                Received::Whole(from)
            }
            Some(Ok(_)) => Received::Malformed,
            // An error that a datagram of ours has provoked at its receiver: not the end of what is queued.
            Some(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => Received::Malformed,
            Some(Err(_)) | None => Received::Empty,
        }
    }

    /// Whether the kernel took it.
    pub(crate) fn send(&self, to: SocketAddr, datagram: &Datagram) -> bool {
        self.0
            .iter()
            .find(|(local, _)| local.is_ipv4() == to.is_ipv4())
            .is_some_and(|(_, socket)| socket.send_to(datagram, to).is_ok())
    }
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
