//! Records several sound sources at once, each of its own PulseAudio server, on one time scale: so the delay between two
//! recordings is the delay from mouth to ear.
//!
//! Each source is read by a `parec` with the same small buffer. A stream's place on the common scale is that of its
//! promptest piece (arrival minus position), so waiting now and then does not shift it, and what all streams have in
//! common cancels out. Not in it: comparing.

use std::io::{self, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::wav::{self, Recording, WavError};

const RATE: u32 = 48_000;

/// What is recorded where to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Value for PULSE_SERVER.
    pub server: String,
    /// Name of a source.
    pub device: String,
    /// WAV file to be written.
    pub output: PathBuf,
}

impl Source {
    /// Reads `SERVER,DEVICE,FILE`.
    pub fn parse(text: &str) -> Option<Self> {
        let (server, rest) = text.split_once(',')?;
        let (device, output) = rest.split_once(',')?;
        let complete = ![server, device, output].contains(&"");
        complete.then(|| Self { server: server.to_owned(), device: device.to_owned(), output: output.into() })
    }
}

/// Why there is no recording.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// `parec` (Debian: pulseaudio-utils) cannot be run.
    #[error("parec: {0}")]
    Parec(io::Error),
    /// The source gave nothing at all.
    #[error("{0} gave no samples")]
    Nothing(String),
    /// A file cannot be written.
    #[error(transparent)]
    Wav(#[from] WavError),
}

struct Stream {
    source: Source,
    child: Child,
    reader: JoinHandle<(Vec<f32>, Option<Duration>)>,
}

/// Records until `stop` says so, then writes the files: all begin at the same moment.
///
/// # Errors
/// See [`RecordError`].
pub fn record(sources: &[Source], mut stop: impl FnMut() -> bool) -> Result<(), RecordError> {
    let epoch = Instant::now();
    let mut streams = Vec::new();
    for source in sources {
        match start(source, epoch) {
            Ok(stream) => streams.push(stream),
            Err(error) => {
                finish(streams);
                return Err(RecordError::Parec(error));
            }
        }
    }
    while !stop() {
        std::thread::sleep(Duration::from_millis(20));
    }
    let recordings = finish(streams);
    let common = recordings.iter().filter_map(|(_, _, begin)| *begin).max().unwrap_or_default();
    for (source, samples, begin) in recordings {
        let begin = begin.ok_or_else(|| RecordError::Nothing(source.device.clone()))?;
        let early = ((common - begin).as_secs_f64() * f64::from(RATE)) as usize;
        let samples = samples.get(early..).unwrap_or_default().to_vec();
        wav::write(&source.output, &Recording { rate: RATE, samples })?;
    }
    Ok(())
}

fn start(source: &Source, epoch: Instant) -> io::Result<Stream> {
    let mut child = Command::new("parec")
        .arg(format!("--device={}", source.device))
        .args(["--format=float32le", "--rate=48000", "--channels=1", "--latency-msec=10"])
        .env("PULSE_SERVER", &source.server)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let output = child.stdout.take();
    let reader =
        std::thread::spawn(move || output.map_or_else(Default::default, |output| read(output, epoch)));
    Ok(Stream { source: source.clone(), child, reader })
}

/// All samples, and the time of the first one since `epoch`.
fn read(mut output: impl Read, epoch: Instant) -> (Vec<f32>, Option<Duration>) {
    let mut bytes = Vec::new();
    let mut piece = [0; 16_384];
    let mut begin: Option<Duration> = None;
    while let Ok(length @ 1..) = output.read(&mut piece) {
        bytes.extend_from_slice(piece.get(..length).unwrap_or_default());
        let position = Duration::from_secs_f64(bytes.len() as f64 / 4.0 / f64::from(RATE));
        if let Some(candidate) = epoch.elapsed().checked_sub(position) {
            begin = Some(begin.map_or(candidate, |begin| begin.min(candidate)));
        }
    }
    (bytes.as_chunks::<4>().0.iter().map(|it| f32::from_le_bytes(*it)).collect(), begin)
}

fn finish(streams: Vec<Stream>) -> Vec<(Source, Vec<f32>, Option<Duration>)> {
    let ended = |mut stream: Stream| {
        let _ = stream.child.kill();
        let _ = stream.child.wait();
        let (samples, begin) = stream.reader.join().unwrap_or_default();
        (stream.source, samples, begin)
    };
    streams.into_iter().map(ended).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_has_three_parts() {
        let source = Source { server: "unix:/a".into(), device: "b.monitor".into(), output: "c.wav".into() };
        assert_eq!(Source::parse("unix:/a,b.monitor,c.wav"), Some(source));
        for bad in ["", "a", "a,b", "a,,c", ",b,c", "a,b,"] {
            assert_eq!(Source::parse(bad), None);
        }
    }
}
