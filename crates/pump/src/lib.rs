//! The I/O shell around the KX engines: sockets, TUN device, threads, buffers.
//!
//! Nothing here knows what a datagram means, and no packet leaves this crate but through a socket or the TUN device.

mod device;
mod fair;
mod mailbox;
mod pump;
mod sockets;
mod status;
mod steering;
mod worker;

pub use device::TunConfig;
pub use pump::{Pump, PumpConfig, PumpError, PumpEvent, Sink};
pub use sockets::{force_receive_buffer, take_single_datagrams};
pub use status::Status;
