//! Two sessions over loopback with real devices: speech goes into one's microphone and out of the other's loudspeaker.
//! PULSE_SERVER is a property of the process, so all tests of this file share one function and one daemon at a time.

#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

mod support;

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use audio::device::{DeviceKind, ServerChoice, list_devices};
use audio::voice::{VoiceConfig, VoiceEvent, VoiceSession, VoiceSocket};
use support::{Daemon, find, from_bytes, speech, to_bytes};

const WAIT: Duration = Duration::from_secs(15);

struct Person {
    session: VoiceSession,
    events: Receiver<VoiceEvent>,
}

impl Person {
    fn wait(&self, mut wanted: impl FnMut(&VoiceEvent) -> bool) {
        loop {
            let event = self.events.recv_timeout(WAIT).unwrap();
            assert!(!matches!(event, VoiceEvent::Failed { .. }), "{event:?}");
            if wanted(&event) {
                return;
            }
        }
    }

    fn wait_for_device(&self, kind: DeviceKind) {
        self.wait(|event| matches!(event, VoiceEvent::DeviceReady { kind: it, .. } if *it == kind));
    }
}

fn call(names: [(&str, &str); 2]) -> [Person; 2] {
    let loopback: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let sockets = [0; 2].map(|_| VoiceSocket::bind(loopback).unwrap());
    let keys = [[3; 28], [4; 28]];
    let first_address = sockets[0].local_addr();
    let mut index = 0;
    sockets.map(|socket| {
        let (input, output) = names[index];
        let mut config = VoiceConfig::new(keys[index], keys[1 - index], 100 + index as u32);
        config.input = Some(input.to_owned());
        config.output = Some(output.to_owned());
        // The first learns the other's address from its packets.
        config.remote = (index == 1).then_some(first_address);
        index += 1;
        let (sender, events) = channel();
        let session =
            VoiceSession::start(config, socket, Box::new(move |event| drop(sender.send(event)))).unwrap();
        Person { session, events }
    })
}

#[test]
fn speech_arrives_and_a_dying_daemon_ends_nothing() {
    let mut daemon = match Daemon::start(&["mic", "speaker"]) {
        Ok(daemon) => daemon,
        Err(reason) => panic!("this test needs PulseAudio: {reason}"),
    };
    // SAFETY: no other thread runs yet in this process that reads the environment.
    unsafe { std::env::set_var("PULSE_SERVER", daemon.server()) };
    let devices = list_devices(ServerChoice::Auto).unwrap();
    assert!(devices.iter().any(|it| it.kind == DeviceKind::Output && it.name == "speaker" && !it.monitor));
    assert!(devices.iter().any(|it| it.kind == DeviceKind::Input && it.name == "mic.monitor" && it.monitor));

    let people = call([("mic.monitor", "mic"), ("speaker.monitor", "speaker")]);
    // The first one's loudspeaker and the second one's microphone are of no interest here: mute what would echo.
    people[1].session.set_muted(true);
    for person in &people {
        person.wait_for_device(DeviceKind::Output);
    }
    people[1].wait(|event| matches!(event, VoiceEvent::Statistics(it) if it.received > 50));

    let spoken = speech(daemon.directory());
    let mut recorder = daemon
        .tool("parec")
        .args([
            "--device=speaker.monitor",
            "--format=float32le",
            "--rate=48000",
            "--channels=1",
            "--latency-msec=50",
        ])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // Null sinks may be silent at first: the speech begins when the recorder gives samples.
    let mut output = recorder.stdout.take().unwrap();
    let mut recorded = vec![0; 4 * 48_000];
    output.read_exact(&mut recorded).unwrap();
    let mut player = daemon
        .tool("pacat")
        .args(["--device=mic", "--format=float32le", "--rate=48000", "--channels=1", "--latency-msec=200"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lead = vec![0.0; 48_000 / 2];
    lead.extend_from_slice(&spoken);
    lead.extend([0.0; 48_000 / 2]);
    let mut input = player.stdin.take().unwrap();
    let writer = std::thread::spawn(move || input.write_all(&to_bytes(&lead)));
    let mut rest = vec![0; 4 * (spoken.len() + 4 * 48_000)];
    output.read_exact(&mut rest).unwrap();
    writer.join().unwrap().unwrap();
    recorder.kill().unwrap();
    recorder.wait().unwrap();
    player.wait().unwrap();
    recorded.extend(rest);
    let (_, likeness) = find(&spoken, &from_bytes(&recorded));
    let statistics = people.each_ref().map(|person| person.session.statistics());
    println!("likeness {likeness:.3}\n{statistics:#?}");
    assert!(likeness > 0.8, "{likeness}");
    assert!(statistics[1].rejected == 0 && statistics[1].send_errors == 0);

    daemon.kill();
    for person in &people {
        person.wait(|event| matches!(event, VoiceEvent::DeviceLost { .. }));
        let before = person.session.statistics().sent;
        person.wait(|event| matches!(event, VoiceEvent::Statistics(it) if it.sent > before + 60));
        assert!(person.session.stop());
    }
}
