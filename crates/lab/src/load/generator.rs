//! Writes packets of 200 bytes into a TUN device, as fast as it takes them or at a slow beat.
//!
//! Each says which it is and is filled accordingly, so that the other end can tell whether it came through unharmed. The socket
//! blocks: what a device has no room for waits here and is not lost.

use crate::Fault;
use quinn_udp::{Transmit, UdpSockRef, UdpSocketState};
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Length of the IP packets.
pub(crate) const PACKET_BYTES: usize = 200;
const PAYLOAD_BYTES: usize = PACKET_BYTES - 20 - 8;
/// Packets under way at most, so that neither a TUN device's queue (500) nor a buffer behind the tunnel's end overflows.
const WINDOW: u64 = 448;
const FULL_WAIT: Duration = Duration::from_micros(20);
/// Packets of one system call. The kernel cuts them apart before a device that takes single ones.
const ROW: u64 = 16;

pub(crate) struct Generator {
    socket: UdpSocket,
    state: UdpSocketState,
    to: SocketAddr,
    next: u64,
    row: Vec<u8>,
}

impl Generator {
    /// In the namespace that this thread is in.
    pub(crate) fn new(to: SocketAddr) -> Result<Self, Fault> {
        let socket = UdpSocket::bind("0.0.0.0:0")?;
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        socket.set_nonblocking(false)?;
        socket.connect(to)?;
        Ok(Self { socket, state, to, next: 0, row: Vec::new() })
    }

    /// The number of the next packet.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Sends until the time is over, `arrived` counting what has come out; how many. Then sets `over`.
    pub(crate) fn pour(&mut self, duration: Duration, arrived: &AtomicU64, over: &AtomicBool) -> u64 {
        let end = Instant::now() + duration;
        let mut sent = 0;
        while Instant::now() < end {
            if sent + ROW > arrived.load(Ordering::Relaxed) + WINDOW {
                std::thread::sleep(FULL_WAIT);
                continue;
            }
            self.send_row();
            sent += ROW;
        }
        over.store(true, Ordering::Release);
        sent
    }

    /// Sends one.
    pub(crate) fn send(&mut self) {
        // A full device makes this wait; whatever else goes wrong shows as a packet that does not arrive.
        let _ = self.socket.send(&payload(self.next));
        self.next += 1;
    }

    fn send_row(&mut self) {
        self.row.clear();
        for number in self.next..self.next + ROW {
            self.row.extend_from_slice(&payload(number));
        }
        let transmit = Transmit {
            destination: self.to,
            ecn: None,
            contents: &self.row,
            segment_size: Some(PAYLOAD_BYTES),
            src_ip: None,
        };
        match self.state.try_send(UdpSockRef::from(&self.socket), &transmit) {
            Ok(()) => self.next += ROW,
            // A kernel that does not cut rows apart for such a device.
            Err(_) => (0..ROW).for_each(|_| self.send()),
        }
    }
}

fn payload(number: u64) -> [u8; PAYLOAD_BYTES] {
    let mut bytes = [number as u8; PAYLOAD_BYTES];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    bytes
}

/// Which packet this is the payload of; `None` where it is not exactly what was sent.
pub(crate) fn number_of(bytes: &[u8]) -> Option<u64> {
    let number = u64::from_be_bytes(*bytes.first_chunk()?);
    (bytes == payload(number)).then_some(number)
}
