//! A PulseAudio daemon of the test's own, speech, and cross-correlation.

#![allow(clippy::unwrap_used, unreachable_pub)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// A daemon with null sinks; gone, with its directory, when dropped.
pub struct Daemon {
    child: Option<Child>,
    directory: PathBuf,
    sinks: Vec<String>,
}

impl Daemon {
    /// Starts a daemon and waits until it answers. `None` with the reason where the machine has no PulseAudio.
    pub fn start(sinks: &[&str]) -> Result<Self, String> {
        let directory =
            std::env::temp_dir().join(format!("voice-test-{}-{}", std::process::id(), sinks.join("-")));
        std::fs::create_dir_all(&directory).unwrap();
        let sinks = sinks.iter().map(|&sink| sink.to_owned()).collect();
        let mut daemon = Self { child: None, directory, sinks };
        daemon.restart()?;
        Ok(daemon)
    }

    /// Starts it again after [`Self::kill`], at the same place.
    pub fn restart(&mut self) -> Result<(), String> {
        let socket = self.directory.join("native");
        let mut command = Command::new("pulseaudio");
        command
            .args(["-n", "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1", "--log-level=error"])
            .args(["--disable-shm=yes", "-L"])
            .arg(format!("module-native-protocol-unix socket={} auth-anonymous=1", socket.display()));
        for sink in &self.sinks {
            command.args(["-L", &format!("module-null-sink sink_name={sink} rate=48000 channels=1")]);
        }
        let child = isolated(&mut command, &self.directory)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("no pulseaudio: {error}"))?;
        self.child = Some(child);
        let deadline = Instant::now() + Duration::from_secs(10);
        while !self.tool("pactl").arg("info").output().is_ok_and(|output| output.status.success()) {
            if Instant::now() > deadline {
                return Err("pulseaudio does not answer".to_owned());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Value for PULSE_SERVER.
    pub fn server(&self) -> String {
        format!("unix:{}", self.directory.join("native").display())
    }

    /// A PulseAudio tool that talks to this daemon.
    pub fn tool(&self, name: &str) -> Command {
        let mut command = Command::new(name);
        isolated(&mut command, &self.directory).env("PULSE_SERVER", self.server());
        command.stderr(Stdio::null());
        command
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Ends the daemon at once, as a crash does.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn isolated<'a>(command: &'a mut Command, directory: &Path) -> &'a mut Command {
    command.env("HOME", directory).env("XDG_RUNTIME_DIR", directory).env_remove("DBUS_SESSION_BUS_ADDRESS")
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// English speech at 48 kHz, made by espeak-ng (which speaks at 22 050 Hz).
pub fn speech(directory: &Path) -> Vec<f32> {
    let text =
        "The quick brown fox jumps over the lazy dog, while seven wizards quietly mix a strange blue potion.";
    say(directory, text, "en")
}

/// A text in a voice of espeak-ng, at 48 kHz.
pub fn say(directory: &Path, text: &str, voice: &str) -> Vec<f32> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let file = directory.join(format!("speech-{}-{number}.wav", std::process::id()));
    let mut command = Command::new("espeak-ng");
    let status = command.args(["-v", voice, "-s", "150", "-w"]).arg(&file).arg(text).status().unwrap();
    assert!(status.success());
    let bytes = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    let samples: Vec<f32> = bytes[44..]
        .as_chunks::<2>()
        .0
        .iter()
        .map(|it| f32::from(i16::from_le_bytes(*it)) / 32_768.0)
        .collect();
    let ratio = 22_050.0 / 48_000.0;
    (0..(samples.len() as f64 / ratio) as usize - 4)
        .map(|i| {
            let at = i as f64 * ratio;
            let (index, part) = (at as usize, at.fract() as f32);
            samples[index] * (1.0 - part) + samples[index + 1] * part
        })
        .collect()
}

/// Samples as `pacat --format=float32le` takes and gives them.
pub fn to_bytes(samples: &[f32]) -> Vec<u8> {
    samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

pub fn from_bytes(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

/// Where `needle` is found in `haystack` (in samples of 48 kHz), and how alike they are there (0 to 1), by the
/// normalised correlation of energy envelopes in steps of 5 ms.
pub fn find(needle: &[f32], haystack: &[f32]) -> (usize, f64) {
    const STEP: usize = 240;
    // Four steps long, so that the pulses of the voice do not show.
    let envelope = |samples: &[f32]| -> Vec<f64> {
        let power = |chunk: &[f32]| chunk.iter().map(|sample| f64::from(sample * sample)).sum::<f64>();
        let powers: Vec<f64> = samples.chunks_exact(STEP).map(power).collect();
        powers.windows(4).map(|window| window.iter().sum::<f64>().sqrt()).collect()
    };
    let (needle, haystack) = (envelope(needle), envelope(haystack));
    let centred = |window: &[f64]| -> Vec<f64> {
        let mean = window.iter().sum::<f64>() / window.len() as f64;
        window.iter().map(|value| value - mean).collect()
    };
    let norm = |window: &[f64]| window.iter().map(|value| value * value).sum::<f64>().sqrt();
    let needle = centred(&needle);
    let mut best = (0, 0.0);
    for (offset, window) in haystack.windows(needle.len()).enumerate() {
        let window = centred(window);
        let product: f64 = needle.iter().zip(&window).map(|(a, b)| a * b).sum();
        let likeness = product / (norm(&needle) * norm(&window) + 1e-9);
        if likeness > best.1 {
            best = (offset * STEP, likeness);
        }
    }
    best
}
