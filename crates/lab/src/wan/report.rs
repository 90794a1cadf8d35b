//! What `peer-wan` prints: one JSON object a line. Times are microseconds.

use crate::lateness::Lateness;
use crate::switch::Totals;
use serde_json::json;

/// All devices are open. `is_realtime`: the emulator is woken before ordinary programs.
pub(crate) fn ready(hosts: usize, seed: u64, is_realtime: bool) -> String {
    json!({ "ready": true, "hosts": hosts, "seed": seed, "realtime": is_realtime }).to_string()
}

pub(crate) fn end(totals: &Totals, lateness: &Lateness) -> String {
    json!({
        "offered": totals.offered,
        "delivered": totals.delivered,
        "lost": totals.lost,
        "queueFull": totals.queue_full,
        "noRoom": totals.no_room,
        "unwritten": totals.unwritten,
        "noHost": totals.no_host,
        "malformed": totals.malformed,
        "lateUs": {
            "p50": lateness.quantile_us(0.5),
            "p99": lateness.quantile_us(0.99),
            "max": lateness.max().as_micros() as u64,
        },
    })
    .to_string()
}
