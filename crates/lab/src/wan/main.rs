//! `peer-wan`: joins network namespaces by emulated links, one from each host to each other.
//!
//! In each namespace it opens a TUN device with the host's addresses; what a host sends comes out at the host that has the
//! destination's address, later or never (crate `netem`). One thread does all of it and sleeps in between.
//!
//! Standard output: a JSON line when all devices are open, another with [`report`] when standard input has ended.

mod device;
mod lateness;
mod links;
mod options;
mod packet;
mod poll;
mod report;
mod switch;

use device::Device;
use lateness::Lateness;
use options::Options;
use poll::Poll;
use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use switch::Switch;

/// What went wrong, for a person.
type Fault = Box<dyn std::error::Error>;

/// Packets taken from one device before others have their turn.
const BURST: usize = 32;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let options = match options::parse(&arguments) {
        Ok(options) => options,
        Err(fault) => {
            eprintln!("peer-wan: {fault}\n{}", options::USAGE);
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("peer-wan: {fault}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Fault> {
    let links = links::read(options)?;
    let open = |host| Device::open(host).map_err(|fault| format!("{}: {fault}", host.namespace));
    let devices = options.hosts.iter().map(open).collect::<Result<Vec<_>, _>>()?;
    let mut switch = Switch::new(&options.hosts, &links, options.seed);
    let mut lateness = Lateness::default();
    let mut poll = Poll::new(&devices);
    let is_realtime = poll::ask_for_realtime();
    say(&report::ready(devices.len(), options.seed, is_realtime));
    let started = Instant::now();
    let mut buffer = [0; device::PACKET_BYTES];
    loop {
        release(&mut switch, &devices, &mut lateness, started);
        let patience = switch.next_timeout().map(|at| at.saturating_sub(started.elapsed()));
        if poll.wait(patience) && poll.has_input_ended() {
            break;
        }
        for (from, device) in devices.iter().enumerate().filter(|(from, _)| poll.is_readable(*from)) {
            for _ in 0..BURST {
                let Some(length) = device.read(&mut buffer) else { break };
                switch.take(started.elapsed(), from, &buffer[..length]);
            }
            release(&mut switch, &devices, &mut lateness, started);
        }
    }
    say(&report::end(&switch.totals(), &lateness));
    Ok(())
}

/// Prints a line; whoever has gone away meanwhile does not miss it.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Writes what is due.
fn release(switch: &mut Switch, devices: &[Device], lateness: &mut Lateness, started: Instant) {
    loop {
        let now: Duration = started.elapsed();
        let Some((to, due, packet)) = switch.pop_due(now) else { return };
        let written = devices.get(to).is_some_and(|device| device.write(&packet));
        if !written {
            switch.note_unwritten();
        }
        lateness.add(started.elapsed().saturating_sub(due));
    }
}
