//! A TUN device in another network namespace.

use crate::Fault;
use crate::options::HostConfig;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use tun_rs::{DeviceBuilder, SyncDevice};

const NAME: &str = "wan0";
/// As on most lines.
const MTU: u16 = 1500;
/// The largest packet that a device with [`MTU`] hands over, and some room.
pub(crate) const PACKET_BYTES: usize = 2048;

/// An open device that never blocks.
pub(crate) struct Device(SyncDevice);

impl Device {
    /// Opens it in the host's namespace, with the host's addresses; this thread is in that namespace from then on.
    ///
    /// # Errors
    /// There is no such namespace, or devices are not to be had.
    pub(crate) fn open(host: &HostConfig) -> Result<Self, Fault> {
        let namespace = File::open(format!("/run/netns/{}", host.namespace))?;
        // SAFETY: a valid descriptor of a namespace; only this thread changes over.
        if unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) } != 0 {
            return Err(io::Error::last_os_error().into());
        }
        let device = DeviceBuilder::new()
            .name(NAME)
            .mtu(MTU)
            .ipv4(host.ipv4.0, host.ipv4.1, None)
            .ipv6(host.ipv6.0, host.ipv6.1)
            .build_sync()?;
        device.set_nonblocking(true)?;
        Ok(Self(device))
    }

    /// One packet, `None` when there is none.
    pub(crate) fn read(&self, buffer: &mut [u8]) -> Option<usize> {
        self.0.recv(buffer).ok()
    }

    /// Whether the packet was taken.
    pub(crate) fn write(&self, packet: &[u8]) -> bool {
        self.0.send(packet).is_ok()
    }
}

impl AsRawFd for Device {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}
