//! Real packet threads on loopback, each peer with keys of its own.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../../kx/tests/support/mod.rs"]
mod engines;

use kx::peer::Peer;
use pump::{Pump, PumpConfig, PumpError, PumpEvent};
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Longer than anything takes, so that a test that hangs ends.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub struct Running {
    pub pump: Pump,
    pub peer: Peer,
    pub events: Receiver<PumpEvent>,
}

/// Peer `index` with so many workers, on a free port of loopback.
pub fn start(index: usize, workers: usize) -> Running {
    start_at(index, workers, "127.0.0.1:0".parse().unwrap()).unwrap()
}

pub fn start_at(index: usize, workers: usize, address: SocketAddr) -> Result<Running, PumpError> {
    // A pump follows the system's clock.
    let unix_now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let day_from_now = (unix_now + 86_400).wrapping_sub(engines::UNIX_START);
    let (mut engine, peer) = engines::config(index, 0, day_from_now);
    engine.unix_start = unix_now;
    let (sender, events) = channel();
    let sender = std::sync::Mutex::new(sender);
    let sink = move |events: Vec<PumpEvent>| {
        for event in events {
            let _ = sender.lock().unwrap().send(event);
        }
    };
    let config = PumpConfig { engine, workers, bind: vec![address], tun: None, offload: true };
    let pump = Pump::start(config, Box::new(sink))?;
    let peer = Peer { identity: peer.identity, address: pump.addresses()[0] };
    Ok(Running { pump, peer, events })
}
