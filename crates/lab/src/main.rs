//! `peer-lab`: the command line of the laboratory tools. Results go to standard output as JSON, errors to standard
//! error; the exit code is 2 for a wrong command line, 1 for any other failure.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use lab::packets::Capture;
use lab::record::{Source, record};
use lab::score::score;
use lab::{signals, wav};

const USAGE: &str = "\
usage: peer-lab score REFERENCE.wav RECORDING.wav
         where what was said is in the recording, and how good it sounds, as JSON
       peer-lab packets --interface NAME --output FILE.json
         counts sizes of UDP payloads by destination port until SIGINT or SIGTERM
       peer-lab record --source SERVER,DEVICE,FILE.wav [--source ...] [--seconds N]
         records PulseAudio sources on one time scale until then, SIGINT or SIGTERM";

enum Fault {
    Usage,
    Failed(String),
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Fault::Usage) => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
        Err(Fault::Failed(reason)) => {
            eprintln!("peer-lab: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> Result<(), Fault> {
    match arguments {
        ["score", reference, recording] => print_score(Path::new(reference), Path::new(recording)),
        ["packets", options @ ..] => count_packets(options),
        ["record", options @ ..] => record_sources(options),
        _ => Err(Fault::Usage),
    }
}

fn failed(error: impl std::fmt::Display) -> Fault {
    Fault::Failed(error.to_string())
}

fn print_score(reference: &Path, recording: &Path) -> Result<(), Fault> {
    let reference = wav::read(reference).map_err(failed)?;
    let recording = wav::read(recording).map_err(failed)?;
    let score = score(&reference, &recording).map_err(failed)?;
    println!("{}", serde_json::to_string(&score).map_err(failed)?);
    Ok(())
}

/// The values of `--name value` pairs; a name that is not among `names`, or lacks a value, is a fault.
fn values<'a>(options: &[&'a str], names: &[&str]) -> Result<Vec<(usize, &'a str)>, Fault> {
    let (pairs, rest) = options.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(Fault::Usage);
    }
    let find = |[name, value]: &[&'a str; 2]| {
        let index = names.iter().position(|it| name.strip_prefix("--") == Some(it)).ok_or(Fault::Usage)?;
        Ok((index, *value))
    };
    pairs.iter().map(find).collect()
}

fn count_packets(options: &[&str]) -> Result<(), Fault> {
    let (mut interface, mut output) = (None, None);
    for (option, value) in values(options, &["interface", "output"])? {
        match option {
            0 => interface = Some(value),
            _ => output = Some(PathBuf::from(value)),
        }
    }
    let (Some(interface), Some(output)) = (interface, output) else { return Err(Fault::Usage) };
    signals::watch();
    let mut capture = Capture::open(interface).map_err(failed)?;
    // The file is there as soon as the capture runs: whoever waits for it misses nothing.
    capture.write(&output).map_err(failed)?;
    let mut next = Instant::now() + Duration::from_secs(1);
    while !signals::asked_to_stop() {
        capture.step().map_err(failed)?;
        if Instant::now() >= next {
            next = Instant::now() + Duration::from_secs(1);
            capture.write(&output).map_err(failed)?;
        }
    }
    capture.write(&output).map_err(failed)?;
    match capture.dropped() {
        0 => Ok(()),
        dropped => {
            eprintln!("peer-lab: the kernel dropped {dropped} packets, the counts are too low");
            Ok(())
        }
    }
}

fn record_sources(options: &[&str]) -> Result<(), Fault> {
    let mut sources = Vec::new();
    let mut seconds = f64::INFINITY;
    for (option, value) in values(options, &["source", "seconds"])? {
        match option {
            0 => sources.push(Source::parse(value).ok_or(Fault::Usage)?),
            _ => seconds = value.parse().map_err(|_| Fault::Usage)?,
        }
    }
    if sources.is_empty() {
        return Err(Fault::Usage);
    }
    signals::watch();
    let begun = Instant::now();
    record(&sources, || signals::asked_to_stop() || begun.elapsed().as_secs_f64() >= seconds).map_err(failed)
}
