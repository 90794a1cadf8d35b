//! The I/O shell around the KX engine: sockets, TUN device, one thread, buffers.
//!
//! Nothing here knows what a datagram means, and no packet leaves this crate but through a socket or the TUN device.

mod device;
mod pump;
mod sockets;

pub use device::TunConfig;
pub use pump::{Pump, PumpConfig, PumpError, PumpEvent, Sink, Status};
pub use sockets::take_single_datagrams;
