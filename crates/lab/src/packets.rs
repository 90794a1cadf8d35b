//! Counts the sizes of UDP payloads that cross an interface, by destination port.
//!
//! The size is the datagram's (IP fragments count once, by the UDP header of the first). Needs CAP_NET_RAW. On a bridge
//! the interface is put into promiscuous mode, so that frames between its ports are seen too, each once. Not in it: what
//! the payloads contain, which never leaves the kernel's copy of the first bytes.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Payload sizes and how often each came, by destination port.
pub type Sizes = BTreeMap<u16, BTreeMap<u16, u64>>;

/// Enough for the headers of IPv4 with options, or IPv6, and UDP.
const SNAP: usize = 128;
const RECEIVE_BUFFER: libc::c_int = 8 << 20;
const ETH_P_ALL: u16 = 3;
const ETH_P_IP: u16 = 0x0800;
const ETH_P_IPV6: u16 = 0x86dd;
const UDP: u8 = 17;

/// Why nothing can be counted or told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PacketsError {
    /// No such interface in this network namespace.
    #[error("interface {0}: {1}")]
    Interface(String, io::Error),
    /// No right to capture (CAP_NET_RAW), or another failure of the socket.
    #[error("capture: {0}")]
    Capture(io::Error),
    /// The result cannot be written.
    #[error("{0}: {1}")]
    Output(PathBuf, io::Error),
}

/// An open capture.
pub struct Capture {
    socket: OwnedFd,
    loopback: bool,
    sizes: Sizes,
}

impl Capture {
    /// Listens on an interface of this network namespace.
    ///
    /// # Errors
    /// See [`PacketsError`].
    pub fn open(interface: &str) -> Result<Self, PacketsError> {
        let failed = |error| PacketsError::Interface(interface.to_owned(), error);
        let name =
            CString::new(interface).map_err(|_| failed(io::Error::from(io::ErrorKind::InvalidInput)))?;
        // SAFETY: a valid C string.
        let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
        if index == 0 {
            return Err(failed(io::Error::last_os_error()));
        }
        // SAFETY: plain system call; the result is checked before it is owned.
        let socket = unsafe {
            libc::socket(libc::AF_PACKET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, c_int(ETH_P_ALL.to_be()))
        };
        if socket < 0 {
            return Err(PacketsError::Capture(io::Error::last_os_error()));
        }
        // SAFETY: just opened, owned by nobody else.
        let socket = unsafe { OwnedFd::from_raw_fd(socket) };
        // SAFETY: an all-zero address structure is valid, and is filled below.
        let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = ETH_P_ALL.to_be();
        address.sll_ifindex = index as libc::c_int;
        // SAFETY: address and length belong together.
        let bound = unsafe {
            libc::bind(socket.as_raw_fd(), (&raw const address).cast(), size_of::<libc::sockaddr_ll>() as u32)
        };
        if bound != 0 {
            return Err(PacketsError::Capture(io::Error::last_os_error()));
        }
        // SAFETY: an all-zero request is valid, and is filled below.
        let mut promiscuous: libc::packet_mreq = unsafe { std::mem::zeroed() };
        promiscuous.mr_ifindex = index as libc::c_int;
        promiscuous.mr_type = libc::PACKET_MR_PROMISC as u16;
        set(&socket, libc::SOL_PACKET, libc::PACKET_ADD_MEMBERSHIP, &promiscuous)?;
        // Beyond the system's limit only as root; without it bursts may be lost.
        if set(&socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, &RECEIVE_BUFFER).is_err() {
            set(&socket, libc::SOL_SOCKET, libc::SO_RCVBUF, &RECEIVE_BUFFER)?;
        }
        set(&socket, libc::SOL_SOCKET, libc::SO_RCVTIMEO, &libc::timeval { tv_sec: 0, tv_usec: 100_000 })?;
        Ok(Self { socket, loopback: interface == "lo", sizes: Sizes::new() })
    }

    /// Counts one packet, or returns after 100 ms without one.
    ///
    /// # Errors
    /// The interface is gone.
    pub fn step(&mut self) -> Result<(), PacketsError> {
        let mut bytes = [0u8; SNAP];
        // SAFETY: as above.
        let mut from: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        let mut from_length = size_of::<libc::sockaddr_ll>() as u32;
        // SAFETY: buffer, address and their lengths belong together.
        let length = unsafe {
            libc::recvfrom(
                self.socket.as_raw_fd(),
                bytes.as_mut_ptr().cast(),
                bytes.len(),
                libc::MSG_TRUNC,
                (&raw mut from).cast(),
                &raw mut from_length,
            )
        };
        if length < 0 {
            let error = io::Error::last_os_error();
            return match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(()),
                _ => Err(PacketsError::Capture(error)),
            };
        }
        // On the loopback interface each packet passes twice, going out and coming in.
        if self.loopback && from.sll_pkttype == libc::PACKET_OUTGOING {
            return Ok(());
        }
        let packet = bytes.get(..(length as usize).min(SNAP)).unwrap_or_default();
        if let Some((port, size)) = udp(u16::from_be(from.sll_protocol), packet) {
            *self.sizes.entry(port).or_default().entry(size).or_default() += 1;
        }
        Ok(())
    }

    /// What was counted so far.
    pub fn sizes(&self) -> &Sizes {
        &self.sizes
    }

    /// Packets that the kernel had to drop since the last question.
    pub fn dropped(&self) -> u32 {
        let mut statistics = libc::tpacket_stats { tp_packets: 0, tp_drops: 0 };
        let mut length = size_of::<libc::tpacket_stats>() as u32;
        // SAFETY: structure and length belong together.
        unsafe {
            libc::getsockopt(
                self.socket.as_raw_fd(),
                libc::SOL_PACKET,
                libc::PACKET_STATISTICS,
                (&raw mut statistics).cast(),
                &raw mut length,
            )
        };
        statistics.tp_drops
    }

    /// Writes `{"PORT": {"SIZE": COUNT}}`; readers see the old or the new content, never a part.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), PacketsError> {
        let failed = |error| PacketsError::Output(path.to_owned(), error);
        let text = serde_json::to_vec(&self.sizes).map_err(|error| failed(error.into()))?;
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(".new");
        std::fs::write(&temporary, text).map_err(failed)?;
        std::fs::rename(&temporary, path).map_err(failed)
    }
}

fn c_int(value: u16) -> libc::c_int {
    libc::c_int::from(value)
}

fn set<T>(socket: &OwnedFd, level: i32, name: i32, value: &T) -> Result<(), PacketsError> {
    // SAFETY: value and length belong together; the option reads a T.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            std::ptr::from_ref(value).cast(),
            size_of::<T>() as u32,
        )
    };
    if done == 0 { Ok(()) } else { Err(PacketsError::Capture(io::Error::last_os_error())) }
}

/// Destination port and payload size of a UDP datagram (or of the first fragment of one) in an IP packet.
fn udp(protocol: u16, packet: &[u8]) -> Option<(u16, u16)> {
    let first = *packet.first()?;
    let header = match (protocol, first >> 4) {
        (ETH_P_IP, 4) => {
            let offset = u16::from_be_bytes([*packet.get(6)?, *packet.get(7)?]) & 0x1fff;
            if *packet.get(9)? != UDP || offset != 0 {
                return None;
            }
            usize::from(first & 15) * 4
        }
        (ETH_P_IPV6, 6) if *packet.get(6)? == UDP => 40,
        _ => return None,
    };
    let udp = packet.get(header..)?.first_chunk::<8>()?;
    let [_, _, p0, p1, l0, l1, _, _] = *udp;
    Some((u16::from_be_bytes([p0, p1]), u16::from_be_bytes([l0, l1]).checked_sub(8)?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]
mod tests {
    use super::*;
    use std::net::UdpSocket;

    #[test]
    fn every_datagram_on_the_loopback_interface_is_counted_once() {
        let mut capture = match Capture::open("lo") {
            Ok(capture) => capture,
            Err(PacketsError::Capture(error)) if error.kind() == io::ErrorKind::PermissionDenied => {
                println!("skipped: capturing needs CAP_NET_RAW");
                return;
            }
            Err(error) => panic!("{error}"),
        };
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(receiver) = UdpSocket::bind(address) else { continue };
            let to = receiver.local_addr().unwrap();
            let sender = UdpSocket::bind(address).unwrap();
            for size in [384, 384, 384, 0, 1_400] {
                sender.send_to(&vec![1; size], to).unwrap();
            }
            let expected = BTreeMap::from([(0, 1), (384, 3), (1_400, 1)]);
            let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
            while capture.sizes().get(&to.port()) != Some(&expected) {
                capture.step().unwrap();
                assert!(std::time::Instant::now() < deadline, "{:?}", capture.sizes());
                let seen: u64 = capture.sizes().get(&to.port()).map_or(0, |sizes| sizes.values().sum());
                assert!(seen <= 5, "{:?}", capture.sizes());
            }
        }
        assert_eq!(capture.dropped(), 0);
        let path = std::env::temp_dir().join(format!("peer-lab-packets-{}.json", std::process::id()));
        capture.write(&path).unwrap();
        let read: Sizes = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(&read, capture.sizes());
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn what_is_not_udp_is_passed_over() {
        assert_eq!(udp(ETH_P_IP, &[]), None);
        assert_eq!(udp(ETH_P_IP, &[0x45; 19]), None);
        assert_eq!(udp(ETH_P_IPV6, &[0x60; 50]), None);
        assert_eq!(udp(0x0806, &[0x45; 60]), None);
    }

    #[test]
    fn an_interface_that_is_not_there_is_named() {
        let error = Capture::open("nothing0").err().unwrap();
        assert!(error.to_string().contains("nothing0"));
    }
}
