//! Pours packets of 200 bytes into a tunnel's end and into wireguard-go, in turn, and measures what comes out on the wire.
//!
//! Rate: what arrives at the far side of the virtual cable in a round, and the processor time of the end's process. Nothing is
//! decrypted meanwhile. Afterwards every cell goes through the engines of the far ends, which must give back every packet; of
//! wireguard-go a sample does. Delay: a packet every millisecond, from just before it is written to just after it is on the wire.

use crate::channel::{Channel, enter};
use crate::drive::processor_time;
use crate::ends::Ends;
use crate::generator::Generator;
use crate::wire::Wire;
use crate::{Fault, options};
use cell::layout::DATAGRAM_BYTES;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const RATE_ROUND: Duration = Duration::from_millis(500);
const DELAY_PACKETS: usize = 1_000;
const DELAY_EVERY: Duration = Duration::from_millis(1);
/// Nothing comes any more.
const SILENCE: Duration = Duration::from_millis(100);
const BETWEEN: Duration = Duration::from_millis(300);
const PATIENCE: Duration = Duration::from_secs(15);
/// Cells that may be put by in a round.
const KEPT_CELLS: usize = 600_000;

pub(crate) fn run(arguments: &[&str]) -> Result<(), Fault> {
    let (_, named) = options(arguments)?;
    let value = |name: &str| {
        let found = named.iter().find(|(other, _)| *other == name).map(|(_, value)| *value);
        found.ok_or(format!("--{name} is missing"))
    };
    let rounds: usize = value("rounds").unwrap_or("10").parse()?;
    let (far, address) = value("far")?.split_once(',').ok_or("--far wants NAMESPACE,ADDRESS")?;
    let address = address.parse()?;
    let mut ends = Ends::new(Channel::bind_in(far, address, true)?, address)?;
    let path = ends.path().map(|peer| {
        let identity: String = peer.identity.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{identity},{}", peer.address)
    });
    println!("{{\"path\":\"{}\"}}", path.collect::<Vec<_>>().join("+"));
    let line = read_line(&mut ends)?;
    let [callee, process, peer, peer_process] = line.split_whitespace().collect::<Vec<_>>()[..] else {
        return Err("CALLEE PID WIREGUARD-PEER PID is wanted on standard input".into());
    };
    let (callee, peer): (SocketAddr, SocketAddr) = (callee.parse()?, peer.parse()?);
    let wire = Channel::bind(value("wire")?.parse()?, false)?;
    let wire = Wire::new(wire, value("behind")?.parse()?, peer)?;
    enter(value("near")?)?;
    let generators = (Generator::new(callee)?, Generator::new(peer)?);
    let mut pour = Pour { ends, wire, kept: Kept::new() };
    let mut tunnel = Target { generator: generators.0, process: process.parse()? };
    let mut wireguard = Target { generator: generators.1, process: peer_process.parse()? };
    pour.begin(&mut tunnel, &mut wireguard)?;
    for _ in 0..rounds {
        pour.rate_tunnel(&mut tunnel)?;
        pour.pause()?;
        pour.rate_wireguard(&mut wireguard)?;
        pour.pause()?;
    }
    for _ in 0..rounds.div_ceil(3) {
        pour.delay_tunnel(&mut tunnel)?;
        pour.pause()?;
        pour.delay_wireguard(&mut wireguard)?;
        pour.pause()?;
    }
    Ok(())
}

/// One line of standard input; the far ends live on meanwhile.
fn read_line(ends: &mut Ends) -> Result<String, Fault> {
    let reader = std::thread::spawn(|| {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|_| line)
    });
    while !reader.is_finished() {
        ends.serve()?;
        std::thread::sleep(Duration::from_micros(200));
    }
    Ok(reader.join().map_err(|_| "standard input failed")??)
}

/// What packets are poured into.
struct Target {
    generator: Generator,
    process: u32,
}

/// Cells as they came, in memory that is there already.
struct Kept {
    bytes: Vec<u8>,
    rows: Vec<(SocketAddr, usize)>,
}

impl Kept {
    fn new() -> Self {
        let mut bytes = vec![1; KEPT_CELLS * DATAGRAM_BYTES];
        bytes.clear();
        Self { bytes, rows: Vec::with_capacity(KEPT_CELLS) }
    }

    /// `false`: no room.
    fn put(&mut self, from: SocketAddr, row: &[u8]) -> bool {
        let fits = self.bytes.len() + row.len() <= self.bytes.capacity();
        if fits {
            self.bytes.extend_from_slice(row);
            self.rows.push((from, row.len()));
        }
        fits
    }
}

struct Pour {
    ends: Ends,
    wire: Wire,
    kept: Kept,
}

/// One round of rate.
struct Rate {
    sent: u64,
    arrived: u64,
    wall: Duration,
    processor: u64,
}

impl Pour {
    /// A packet goes each way, so that both tunnels are there.
    fn begin(&mut self, tunnel: &mut Target, wireguard: &mut Target) -> Result<(), Fault> {
        let end = Instant::now() + PATIENCE;
        while self.ends.heard.is_empty() || self.wire.heard == 0 {
            if Instant::now() > end {
                return Err("nothing comes through the tunnels".into());
            }
            tunnel.generator.send();
            wireguard.generator.send();
            self.pause()?;
        }
        Ok(())
    }

    /// Both far ends take what has come, and let time pass.
    fn pause(&mut self) -> Result<(), Fault> {
        let end = Instant::now() + BETWEEN;
        while Instant::now() < end {
            self.ends.serve()?;
            self.wire.serve(None);
            std::thread::sleep(Duration::from_micros(200));
        }
        Ok(())
    }

    fn rate_tunnel(&mut self, target: &mut Target) -> Result<(), Fault> {
        self.ends.heard.clear();
        self.ends.spoiled = 0;
        let (ends, kept) = (&mut self.ends, &mut self.kept);
        let first = target.generator.next();
        let rate = rate(target, |_| {
            ends.channel.wait(1);
            let mut arrived = 0;
            for row in ends.channel.receive() {
                if kept.put(row.from, row.bytes) {
                    arrived += (row.bytes.len() / DATAGRAM_BYTES) as u64;
                }
            }
            ends.speak()?;
            Ok(arrived)
        })?;
        let mut at = 0;
        for (from, length) in std::mem::take(&mut kept.rows) {
            ends.work(from, &mut kept.bytes[at..at + length])?;
            ends.speak()?;
            at += length;
        }
        kept.bytes.clear();
        self.pause()?;
        let heard = &mut self.ends.heard;
        heard.sort_unstable();
        heard.dedup();
        heard.retain(|&number| number >= first);
        // Padding is on the wire too; what counts is what the callee has heard.
        let (decrypted, spoiled) = (heard.len() as u64, self.ends.spoiled);
        println!("{}", rate.line("tunnel", decrypted.min(rate.arrived), decrypted, spoiled));
        Ok(())
    }

    fn rate_wireguard(&mut self, target: &mut Target) -> Result<(), Fault> {
        let (ends, wire) = (&mut self.ends, &mut self.wire);
        wire.heard = 0;
        let rate = rate(target, |arrived| {
            wire.channel.wait(1);
            ends.attend()?;
            Ok(wire.serve(Some(arrived)))
        })?;
        self.pause()?;
        println!("{}", rate.line("wireguard", rate.arrived, self.wire.heard, 0));
        Ok(())
    }

    fn delay_tunnel(&mut self, target: &mut Target) -> Result<(), Fault> {
        self.ends.heard.clear();
        let first = target.generator.next();
        let ends = &mut self.ends;
        delay("tunnel", target, |come| {
            let rows: Vec<_> = ends.channel.receive().map(|row| (row.from, row.bytes.to_vec())).collect();
            let now = Instant::now();
            for (from, mut row) in rows {
                for datagram in row.chunks_exact_mut(DATAGRAM_BYTES) {
                    ends.work(from, datagram)?;
                    come.extend(ends.heard.drain(..).filter(|&n| n >= first).map(|n| (n - first, now)));
                }
            }
            ends.pass_time()
        })
    }

    fn delay_wireguard(&mut self, target: &mut Target) -> Result<(), Fault> {
        let (ends, wire) = (&mut self.ends, &mut self.wire);
        let mut number = 0;
        delay("wireguard", target, |come| {
            ends.attend()?;
            let data = wire.serve(Some(number));
            // Nothing overtakes anything on the cable.
            let now = Instant::now();
            come.extend((number..number + data).map(|number| (number, now)));
            number += data;
            Ok(())
        })
    }
}

impl Rate {
    /// `decrypted` of them by the far ends; `spoiled` came out of those otherwise than they went in.
    fn line(&self, target: &str, arrived: u64, decrypted: u64, spoiled: u64) -> String {
        format!(
            "{{\"measure\":\"rate\",\"target\":\"{target}\",\"sent\":{},\"arrived\":{arrived},\"decrypted\":{decrypted},\"spoiled\":{spoiled},\"wallNs\":{},\"processorNs\":{}}}",
            self.sent,
            self.wall.as_nanos(),
            self.processor
        )
    }
}

/// Pours for a round. `receive` waits a little, takes what has come and tells how much; it is told how much came before.
fn rate(target: &mut Target, mut receive: impl FnMut(u64) -> Result<u64, Fault>) -> Result<Rate, Fault> {
    let (arrived, over) = (AtomicU64::new(0), AtomicBool::new(false));
    let before = processor_time(target.process)?;
    let begun = Instant::now();
    let mut last = begun;
    let sent = std::thread::scope(|scope| -> Result<u64, Fault> {
        let pouring = scope.spawn(|| target.generator.pour(RATE_ROUND, &arrived, &over));
        while !over.load(Ordering::Acquire) || last.elapsed() < SILENCE {
            let more = receive(arrived.load(Ordering::Relaxed))?;
            if more > 0 {
                arrived.fetch_add(more, Ordering::Relaxed);
                last = Instant::now();
            }
        }
        Ok(pouring.join().map_err(|_| "the generator failed")?)
    })?;
    let processor = processor_time(target.process)? - before;
    Ok(Rate { sent, arrived: arrived.into_inner(), wall: last - begun, processor })
}

/// Sends at a beat. `receive` adds the numbers, from 0, of the packets that have come, and when.
fn delay(
    name: &str,
    target: &mut Target,
    mut receive: impl FnMut(&mut Vec<(u64, Instant)>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut left: Vec<Instant> = Vec::with_capacity(DELAY_PACKETS);
    let mut come = Vec::with_capacity(DELAY_PACKETS);
    let begun = Instant::now();
    let mut last = begun;
    while come.len() < DELAY_PACKETS && (left.len() < DELAY_PACKETS || last.elapsed() < SILENCE) {
        if left.len() < DELAY_PACKETS && begun.elapsed() >= DELAY_EVERY * left.len() as u32 {
            left.push(Instant::now());
            target.generator.send();
            last = Instant::now();
        }
        receive(&mut come)?;
    }
    let since = |&(number, at): &(u64, Instant)| Some((at - *left.get(number as usize)?).as_nanos() as u64);
    let mut delays: Vec<u64> = come.iter().filter_map(since).collect();
    delays.sort_unstable();
    let quantile = |part: f64| delays.get((delays.len() as f64 * part) as usize).copied().unwrap_or_default();
    println!(
        "{{\"measure\":\"delay\",\"target\":\"{name}\",\"sent\":{},\"arrived\":{},\"p50Ns\":{},\"p99Ns\":{}}}",
        left.len(),
        delays.len(),
        quantile(0.5),
        quantile(0.99)
    );
    Ok(())
}
