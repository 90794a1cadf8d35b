//! Many calls at once through a relay: every one speaks in both directions, 50 times a second, and what the relay adds is
//! measured, as is what it remembers.
//!
//! The voices are spread evenly over the 20 ms. Each packet has a number, so what is lost does not make others look late.

use crate::drive::{parse_near_far, parse_relay};
use crate::through::Through;
use crate::{Fault, options};
use std::time::{Duration, Instant};

const EVERY: Duration = Duration::from_millis(20);
/// Under way longer than this means lost.
const LOST_AFTER: Duration = Duration::from_secs(2);

/// What went one way.
#[derive(Default)]
struct Way {
    /// By number.
    left: Vec<Option<Instant>>,
    delays: Vec<u64>,
}

impl Way {
    /// The number of the next packet, which leaves now.
    fn speak(&mut self) -> u64 {
        self.left.push(Some(Instant::now()));
        self.left.len() as u64 - 1
    }

    /// The packet with this number has come; a second time counts for nothing.
    fn hear(&mut self, number: u64, now: Instant) {
        let left = usize::try_from(number).ok().and_then(|number| self.left.get_mut(number)?.take());
        self.delays.extend(left.map(|left| (now - left).as_nanos() as u64));
    }

    fn missing(&self) -> usize {
        self.left.len() - self.delays.len()
    }

    fn quantile(&mut self, part: f64) -> u64 {
        self.delays.sort_unstable();
        self.delays.get((self.delays.len() as f64 * part) as usize).copied().unwrap_or_default()
    }
}

pub(crate) fn run(arguments: &[&str]) -> Result<(), Fault> {
    let (_, named) = options(arguments)?;
    let value = |name: &str| named.iter().find(|(other, _)| *other == name).map(|(_, value)| *value);
    let calls: usize = value("calls").unwrap_or("500").parse()?;
    let seconds: u64 = value("seconds").unwrap_or("10").parse()?;
    let (near, far) = parse_near_far(&named, true)?;
    let (relay, process) = parse_relay(&named)?;
    let mut through = Through::connect(near, far, relay, calls)?;
    println!("{{\"measure\":\"ready\",\"calls\":{calls},\"residentKb\":{}}}", resident_kb(process)?);
    // Whoever started this says when: one line, one measurement.
    let mut line = String::new();
    loop {
        let reader = std::thread::spawn(|| {
            let mut line = String::new();
            std::io::stdin().read_line(&mut line).map(|_| line)
        });
        while !reader.is_finished() {
            through.serve();
            std::thread::sleep(Duration::from_micros(200));
        }
        line.clear();
        line.push_str(&reader.join().map_err(|_| "standard input failed")??);
        if line.trim().is_empty() {
            return Ok(());
        }
        measure(&mut through, calls, Duration::from_secs(seconds), line.trim(), process)?;
        through.check()?;
    }
}

/// All calls speak for a while; `name` says what else happens meanwhile.
fn measure(
    through: &mut Through,
    calls: usize,
    duration: Duration,
    name: &str,
    process: u32,
) -> Result<(), Fault> {
    drop(through.take_heard());
    let (mut forward, mut backward) = (Way::default(), Way::default());
    let gap = EVERY / calls as u32;
    let begun = Instant::now();
    let mut resident = 0;
    let mut looked = begun;
    let mut turn = 0_u32;
    let mut last = begun;
    while begun.elapsed() < duration
        || (forward.missing() + backward.missing() > 0 && last.elapsed() < LOST_AFTER)
    {
        if begun.elapsed() < duration && begun.elapsed() >= gap * turn {
            let call = turn as usize % calls;
            through.speak_forward(call, forward.speak());
            through.speak_backward((call + calls / 2) % calls, backward.speak());
            turn += 1;
            last = Instant::now();
        }
        through.serve();
        let now = Instant::now();
        let (by_caller, by_callee) = through.take_heard();
        by_callee.for_each(|number| forward.hear(number, now));
        by_caller.for_each(|number| backward.hear(number, now));
        if looked.elapsed() > Duration::from_millis(250) {
            looked = now;
            resident = resident.max(resident_kb(process)?);
        }
    }
    println!(
        "{{\"measure\":\"voices\",\"while\":\"{name}\",\"calls\":{calls},\"sent\":{},\"heard\":{},\"p50Ns\":{},\"p99Ns\":{},\"residentKb\":{resident}}}",
        forward.left.len() + backward.left.len(),
        forward.delays.len() + backward.delays.len(),
        forward.quantile(0.5).max(backward.quantile(0.5)),
        forward.quantile(0.99).max(backward.quantile(0.99)),
    );
    Ok(())
}

/// What a process has in memory.
fn resident_kb(process: u32) -> Result<u64, Fault> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
