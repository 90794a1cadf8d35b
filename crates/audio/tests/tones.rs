//! Tones as they are heard on a device. PULSE_SERVER is a property of the process, so this is one test in a file of its own.

#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

#[allow(dead_code)]
mod support;

use std::io::Read;
use std::process::Stdio;
use std::time::{Duration, Instant};

use audio::device::ServerChoice;
use audio::tone_player::TonePlayer;
use audio::tones::Tone;
use support::{Daemon, from_bytes};

const SECOND: usize = 48_000;
const WAIT: Duration = Duration::from_secs(20);

/// Listens to a sink until `holds` of its last 100 ms.
fn listen_until(daemon: &Daemon, sink: &str, holds: impl Fn(&[f32]) -> bool) {
    let mut child = daemon
        .tool("parec")
        .arg(format!("--device={sink}.monitor"))
        .args(["--format=float32le", "--rate=48000", "--channels=1", "--latency-msec=20"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = child.stdout.take().unwrap();
    let mut bytes = vec![0; SECOND / 10 * 4];
    let deadline = Instant::now() + WAIT;
    loop {
        output.read_exact(&mut bytes).unwrap();
        if holds(&from_bytes(&bytes)) {
            break;
        }
        assert!(Instant::now() < deadline, "waited in vain at {sink}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Zero crossings upwards in 100 ms are 42 or 43 of a tone of 425 Hz.
fn sounds(heard: &[f32]) -> bool {
    let rises = heard.windows(2).filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0).count();
    (42..=43).contains(&rises) && heard.iter().any(|sample| sample.abs() > 0.05)
}

fn is_silent(heard: &[f32]) -> bool {
    heard.iter().all(|sample| sample.abs() < 1e-4)
}

#[test]
fn a_tone_is_heard_where_it_is_to_be_until_it_is_stopped() {
    let daemon = match Daemon::start(&["first", "second"]) {
        Ok(daemon) => daemon,
        Err(reason) => panic!("this test needs PulseAudio: {reason}"),
    };
    // SAFETY: no other thread runs yet in this process that reads the environment.
    unsafe { std::env::set_var("PULSE_SERVER", daemon.server()) };
    let play = |device: &str, most| {
        TonePlayer::start(Tone::Busy, ServerChoice::Auto, Some(device.to_owned()), most).unwrap()
    };
    let long = Duration::from_secs(600);

    let player = play("second", long);
    listen_until(&daemon, "second", sounds);
    listen_until(&daemon, "first", is_silent);
    drop(player);
    let ended = |daemon: &Daemon| {
        let streams = || daemon.tool("pactl").args(["list", "short", "sink-inputs"]).output().unwrap().stdout;
        let deadline = Instant::now() + WAIT;
        while !streams().is_empty() {
            assert!(Instant::now() < deadline, "it has not ended");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    ended(&daemon);

    // The default device, where the named one is not there; and to its end, where nobody stops it.
    let player = play("third", Duration::from_secs(4));
    listen_until(&daemon, "first", sounds);
    ended(&daemon);
    drop(player);
}
