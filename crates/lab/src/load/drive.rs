//! Sends cells through a relay and the same datagrams through a plain forwarder, in turn, and measures both.
//!
//! Rate: as many at once as a window allows, so that nothing is lost; told are wall time and the other process's
//! processor time. Delay: one every 200 microseconds, stamped when it leaves and when it comes, by one clock.

use crate::channel::Channel;
use crate::through::Through;
use crate::{Fault, options};
use cell::layout::DATAGRAM_BYTES;
use kx::peer::Peer;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Cells of a round of rate: over before a link that hears nothing meanwhile is given up.
const RATE_CELLS: usize = 20_000;
const WINDOW: usize = 1_000;
const DELAY_CELLS: usize = 10_000;
const DELAY_EVERY: Duration = Duration::from_micros(200);
/// Nothing comes any more.
const SILENCE: Duration = Duration::from_millis(100);

struct Target {
    name: &'static str,
    address: SocketAddr,
    process: u32,
}

pub(crate) fn run(arguments: &[&str]) -> Result<(), Fault> {
    let (_, named) = options(arguments)?;
    let value = |name: &str| {
        named
            .iter()
            .find(|(other, _)| *other == name)
            .map(|(_, value)| *value)
            .ok_or(format!("--{name} is missing"))
    };
    let burst: usize = value("burst")?.parse()?;
    let rounds: usize = value("rounds").unwrap_or("10").parse()?;
    let (near, far) = parse_near_far(&named, burst > 1)?;
    let (relay, relay_process) = parse_relay(&named)?;
    let [forwarder, forwarder_process] = value("forwarder")?.split(',').collect::<Vec<_>>()[..] else {
        return Err("--forwarder wants ADDRESS,PID".into());
    };
    let mut through = Through::connect(near, far, relay, 1)?;
    let targets = [
        Target { name: "relay", address: relay.address, process: relay_process },
        Target { name: "forwarder", address: forwarder.parse()?, process: forwarder_process.parse()? },
    ];
    for _ in 0..rounds {
        for target in &targets {
            match value("measure")? {
                "rate" => rate(&mut through, target, burst)?,
                "delay" => delay(&mut through, target)?,
                other => return Err(format!("--measure {other}: there is rate and delay").into()),
            }
            // Links that heard nothing meanwhile are heard again.
            let end = Instant::now() + Duration::from_millis(300);
            while Instant::now() < end {
                through.serve();
                std::thread::sleep(Duration::from_millis(1));
            }
            through.check()?;
        }
    }
    Ok(())
}

/// A socket and the address that it listens on.
type Bound = (Channel, SocketAddr);

/// The sockets of `--near` and `--far`, each in its namespace.
pub(crate) fn parse_near_far(named: &[(&str, &str)], offload: bool) -> Result<(Bound, Bound), Fault> {
    let open = |name: &str| -> Result<Bound, Fault> {
        let text = named.iter().find(|(other, _)| *other == name).ok_or(format!("--{name} is missing"))?.1;
        let (namespace, address) = text.split_once(',').ok_or("NAMESPACE,ADDRESS is wanted")?;
        let address: SocketAddr = address.parse()?;
        Ok((Channel::bind_in(namespace, address, offload)?, address))
    };
    Ok((open("near")?, open("far")?))
}

/// The relay of `--relay`, and its process.
pub(crate) fn parse_relay(named: &[(&str, &str)]) -> Result<(Peer, u32), Fault> {
    let text = named.iter().find(|(other, _)| *other == "relay").ok_or("--relay is missing")?.1;
    let [identity, address, process] = text.split(',').collect::<Vec<_>>()[..] else {
        return Err("--relay wants IDENTITY,ADDRESS,PID".into());
    };
    Ok((Peer { identity: parse_identity(identity)?, address: address.parse()? }, process.parse()?))
}

pub(crate) fn parse_identity(text: &str) -> Result<[u8; 32], Fault> {
    let mut identity = [0; 32];
    for (at, byte) in identity.iter_mut().enumerate() {
        *byte =
            u8::from_str_radix(text.get(2 * at..2 * at + 2).ok_or("64 hexadecimal digits are wanted")?, 16)?;
    }
    Ok(identity)
}

/// Nanoseconds that all threads of a process have run.
pub(crate) fn processor_time(process: u32) -> Result<u64, Fault> {
    let mut sum = 0;
    for task in std::fs::read_dir(format!("/proc/{process}/task"))? {
        let text = std::fs::read_to_string(task?.path().join("schedstat"))?;
        sum += text.split(' ').next().unwrap_or_default().parse::<u64>()?;
    }
    Ok(sum)
}

fn rate(through: &mut Through, target: &Target, burst: usize) -> Result<(), Fault> {
    let is_relay = target.name == "relay";
    let cells = datagrams(through, is_relay, RATE_CELLS)?;
    let mut come: Vec<(SocketAddr, Vec<u8>)> = Vec::with_capacity(RATE_CELLS);
    let before = processor_time(target.process)?;
    let begun = Instant::now();
    let (mut sent, mut arrived, mut last) = (0, 0, begun);
    while arrived < RATE_CELLS && last.elapsed() < SILENCE {
        if sent < RATE_CELLS && sent - arrived.min(sent) + burst <= WINDOW {
            let until = (sent + burst).min(RATE_CELLS);
            if through.near.send(target.address, &cells[sent * DATAGRAM_BYTES..until * DATAGRAM_BYTES]) {
                sent = until;
            }
        }
        for row in through.far.receive() {
            arrived += row.bytes.len() / DATAGRAM_BYTES;
            last = Instant::now();
            come.push((row.from, row.bytes.to_vec()));
        }
    }
    let wall = last - begun;
    // The last of its time is booked when it has gone to sleep.
    std::thread::sleep(Duration::from_millis(5));
    let processor = processor_time(target.process)? - before;
    println!(
        "{{\"measure\":\"rate\",\"target\":\"{}\",\"burst\":{burst},\"sent\":{sent},\"arrived\":{arrived},\"wallNs\":{},\"processorNs\":{processor}}}",
        target.name,
        wall.as_nanos()
    );
    if is_relay {
        for (from, row) in &mut come {
            for datagram in row.chunks_exact_mut(DATAGRAM_BYTES) {
                through.take_far(*from, datagram);
            }
        }
    }
    Ok(())
}

/// Cells for the relay; for the forwarder, which does not look at them, anything of their size.
fn datagrams(through: &mut Through, is_relay: bool, count: usize) -> Result<Vec<u8>, Fault> {
    if is_relay { through.cells(count) } else { Ok(vec![0x5a; count * DATAGRAM_BYTES]) }
}

fn delay(through: &mut Through, target: &Target) -> Result<(), Fault> {
    let is_relay = target.name == "relay";
    let mut left: Vec<Instant> = Vec::with_capacity(DELAY_CELLS);
    let mut delays: Vec<u64> = Vec::with_capacity(DELAY_CELLS);
    let begun = Instant::now();
    let mut last = begun;
    while delays.len() < DELAY_CELLS && (left.len() < DELAY_CELLS || last.elapsed() < SILENCE) {
        if left.len() < DELAY_CELLS && begun.elapsed() >= DELAY_EVERY * left.len() as u32 {
            // Made one by one: keepalives take their numbers among them.
            let cell = datagrams(through, is_relay, 1)?;
            left.push(Instant::now());
            through.near.send(target.address, &cell);
        }
        let mut come: Vec<(SocketAddr, Vec<u8>)> = Vec::new();
        for row in through.far.receive() {
            last = Instant::now();
            come.push((row.from, row.bytes.to_vec()));
        }
        for (from, mut row) in come {
            for datagram in row.chunks_exact_mut(DATAGRAM_BYTES) {
                // Keepalives are not what is measured.
                if (!is_relay || through.take_far(from, datagram)) && delays.len() < left.len() {
                    delays.push((last - left[delays.len()]).as_nanos() as u64);
                }
            }
        }
        if is_relay {
            through.serve_near();
        }
    }
    delays.sort_unstable();
    let quantile = |part: f64| delays.get((delays.len() as f64 * part) as usize).copied().unwrap_or_default();
    println!(
        "{{\"measure\":\"delay\",\"target\":\"{}\",\"sent\":{},\"arrived\":{},\"p50Ns\":{},\"p99Ns\":{}}}",
        target.name,
        left.len(),
        delays.len(),
        quantile(0.5),
        quantile(0.99)
    );
    Ok(())
}
