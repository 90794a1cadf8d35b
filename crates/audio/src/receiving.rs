//! The receiving thread: datagrams to the jitter buffer, and the statistics event once a second.
//!
//! Invariants: whatever arrives, it is a packet for the jitter buffer or it is counted and dropped. Not in it: playing.

use std::net::UdpSocket;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use crate::redundancy::unpack;
use crate::shared::{Shared, count, lock};
use crate::srtp::Receiver;
use crate::voice::VoiceEvent;

/// How long a read may wait: bounds the time that stopping takes.
pub(crate) const READ_TIMEOUT: Duration = Duration::from_millis(50);
const STATISTICS_PERIOD: Duration = Duration::from_secs(1);
/// Larger datagrams than ours are cut and so refused.
const MAX_DATAGRAM: usize = 512;

/// Runs until the session ends.
pub(crate) fn run(mut receiver: Receiver, shared: &Shared, socket: &UdpSocket) {
    let mut datagram = [0; MAX_DATAGRAM];
    let mut next_statistics = Instant::now() + STATISTICS_PERIOD;
    while shared.is_running() {
        match socket.recv_from(&mut datagram) {
            Ok((length, source)) => {
                if let Some(key) = lock(&shared.next_receive_key).take() {
                    receiver.expect(key);
                }
                let bytes = datagram.get(..length).unwrap_or_default();
                match receiver.unprotect(bytes) {
                    Ok((header, payload)) => {
                        shared.learn_remote(source);
                        if let Some(frames) = unpack(payload.as_ref()) {
                            let now = shared.now_us();
                            let mut jitter = shared.jitter.lock().unwrap_or_else(PoisonError::into_inner);
                            jitter.push(now, header.sequence, frames);
                        } else {
                            count(&shared.counters.rejected);
                        }
                    }
                    Err(_) => count(&shared.counters.rejected),
                }
            }
            // Nothing came, or an earlier packet of ours was refused by the other host (ICMP): neither ends a call.
            Err(error) if is_timeout(&error) => {}
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
        let now = Instant::now();
        if now >= next_statistics {
            next_statistics = now + STATISTICS_PERIOD;
            shared.emit(VoiceEvent::Statistics(shared.statistics()));
        }
    }
}

fn is_timeout(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
}
