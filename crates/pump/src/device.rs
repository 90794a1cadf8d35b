//! The TUN device through which the telephone's packets come and go.

use kx::ip::mtu;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, RawFd};
use tun_rs::{DeviceBuilder, SyncDevice};

/// The largest packet that a device hands over, and some room.
pub(crate) const PACKET_BYTES: usize = 2048;

/// How the device is to be.
#[derive(Clone, Debug)]
pub struct TunConfig {
    /// Name of the interface; `None`: the kernel picks one.
    pub name: Option<String>,
    /// This machine's address on it.
    pub address: IpAddr,
    /// Bits of its network.
    pub prefix: u8,
}

/// An open device that never blocks.
pub(crate) struct Device(SyncDevice);

impl Device {
    pub(crate) fn open(config: &TunConfig) -> io::Result<Self> {
        let mut builder = DeviceBuilder::new().mtu(mtu(config.address));
        if let Some(name) = &config.name {
            builder = builder.name(name);
        }
        builder = match config.address {
            IpAddr::V4(address) => builder.ipv4(address, config.prefix, None),
            IpAddr::V6(address) => builder.ipv6(address, config.prefix),
        };
        let device = builder.build_sync()?;
        device.set_nonblocking(true)?;
        Ok(Self(device))
    }

    pub(crate) fn name(&self) -> String {
        self.0.name().unwrap_or_default()
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
