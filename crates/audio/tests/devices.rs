//! Devices that are chosen, pulled out, stood in for and plugged in during a session. PULSE_SERVER is a property of the process, so this
//! is one test in a file of its own.

#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

#[allow(dead_code)]
mod support;

use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use audio::device::DeviceKind;
use audio::voice::{VoiceConfig, VoiceEvent, VoiceSession, VoiceSocket};
use support::Daemon;

const WAIT: Duration = Duration::from_secs(20);

fn wait(events: &Receiver<VoiceEvent>, mut wanted: impl FnMut(&VoiceEvent) -> bool) {
    let deadline = Instant::now() + WAIT;
    loop {
        let event = events.recv_timeout(deadline.saturating_duration_since(Instant::now())).unwrap();
        if !matches!(event, VoiceEvent::Statistics(_)) {
            println!("{event:?}");
        }
        assert!(!matches!(event, VoiceEvent::Failed { .. }), "{event:?}");
        if wanted(&event) {
            return;
        }
    }
}

fn wait_for(events: &Receiver<VoiceEvent>, wanted: DeviceKind, device: &str) {
    wait(
        events,
        |event| matches!(event, VoiceEvent::DeviceReady { kind, name } if *kind == wanted && name == device),
    );
}

fn pactl(daemon: &Daemon, arguments: &[&str]) -> String {
    let output = daemon.tool("pactl").args(arguments).output().unwrap();
    assert!(output.status.success(), "pactl {arguments:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn devices_are_changed_pulled_out_and_plugged_in_while_packets_flow() {
    let mut daemon = match Daemon::start(&["mic", "first"]) {
        Ok(daemon) => daemon,
        Err(reason) => panic!("this test needs PulseAudio: {reason}"),
    };
    // SAFETY: no other thread runs yet in this process that reads the environment.
    unsafe { std::env::set_var("PULSE_SERVER", daemon.server()) };
    let plug = |daemon: &Daemon| {
        pactl(daemon, &["load-module", "module-null-sink", "sink_name=second", "rate=48000", "channels=1"])
    };
    let second = plug(&daemon);
    let socket = VoiceSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let mut config = VoiceConfig::new([3; 28], [3; 28], 7);
    config.remote = Some(socket.local_addr());
    (config.input, config.output) = (Some("mic.monitor".to_owned()), Some("first".to_owned()));
    let (sender, events) = channel();
    let session =
        VoiceSession::start(config, socket, Box::new(move |event| drop(sender.send(event)))).unwrap();
    wait_for(&events, DeviceKind::Output, "first");

    session.set_device(DeviceKind::Output, Some("second".to_owned())).unwrap();
    wait_for(&events, DeviceKind::Output, "second");
    let streams = pactl(&daemon, &["list", "short", "sink-inputs"]);
    assert_eq!(streams.lines().count(), 1, "the first device is let go: {streams}");

    pactl(&daemon, &["unload-module", &second]);
    wait(&events, |event| matches!(event, VoiceEvent::DeviceLost { kind: DeviceKind::Output, .. }));
    // The server's default stands in for it, until it is back.
    wait(
        &events,
        |event| matches!(event, VoiceEvent::DeviceReady { kind: DeviceKind::Output, name } if name != "second" && !name.is_empty()),
    );
    plug(&daemon);
    wait_for(&events, DeviceKind::Output, "second");

    session.set_device(DeviceKind::Input, Some("first.monitor".to_owned())).unwrap();
    wait_for(&events, DeviceKind::Input, "first.monitor");

    daemon.kill();
    wait(&events, |event| matches!(event, VoiceEvent::DeviceLost { kind: DeviceKind::Input, .. }));
    session.set_device(DeviceKind::Output, None).unwrap();
    daemon.restart().unwrap();
    // One order or the other: the server's default is its only loudspeaker that is left.
    let mut ready = (false, false);
    wait(&events, |event| {
        if let VoiceEvent::DeviceReady { kind, .. } = event {
            ready.0 |= *kind == DeviceKind::Input;
            ready.1 |= *kind == DeviceKind::Output;
        }
        ready == (true, true)
    });
    let before = session.statistics();
    wait(&events, |event| matches!(event, VoiceEvent::Statistics(it) if it.sent > before.sent + 60));
    let after = session.statistics();
    assert!(after.received > before.received && after.send_errors == 0 && after.rejected == 0, "{after:?}");
    assert!(session.stop());
}
