//! Devices that are chosen, pulled out, stood in for and plugged in during a session, by the library as it is loaded. Where PipeWire is, is
//! a property of the process, so this is one test in a file of its own.

#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

mod support;

use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use audio::device::{DeviceKind, ServerChoice, list_devices};
use audio::voice::{VoiceConfig, VoiceEvent, VoiceSession, VoiceSocket};
use support::Daemons;

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

#[test]
fn devices_are_changed_pulled_out_and_plugged_in_while_packets_flow() {
    let mut daemons = Daemons::start(&["mic", "first"]);
    // Nothing says that it is PipeWire but that it is there, and has the devices.
    let listed = list_devices(ServerChoice::Auto).unwrap();
    assert_eq!(listed, list_devices(ServerChoice::PipeWire).unwrap());
    assert!(listed.iter().any(|it| it.monitor && it.name == "mic.monitor"), "{listed:?}");

    daemons.plug("second");
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
    daemons.unplug("second");
    wait(&events, |event| matches!(event, VoiceEvent::DeviceLost { kind: DeviceKind::Output, .. }));
    // The server's default stands in for it, until it is back.
    wait(
        &events,
        |event| matches!(event, VoiceEvent::DeviceReady { kind: DeviceKind::Output, name } if name != "second" && !name.is_empty()),
    );
    daemons.plug("second");
    wait_for(&events, DeviceKind::Output, "second");

    session.set_device(DeviceKind::Input, Some("first.monitor".to_owned())).unwrap();
    wait_for(&events, DeviceKind::Input, "first.monitor");

    daemons.kill();
    wait(&events, |event| matches!(event, VoiceEvent::DeviceLost { kind: DeviceKind::Input, .. }));
    session.set_device(DeviceKind::Output, None).unwrap();
    daemons.restart(&["first"]);
    // One order or the other: the server's default is its only loudspeaker.
    let mut ready = (false, false);
    wait(&events, |event| {
        if let VoiceEvent::DeviceReady { kind, name } = event {
            ready.0 |= *kind == DeviceKind::Input && name == "first.monitor";
            ready.1 |= *kind == DeviceKind::Output && name == "first";
        }
        ready == (true, true)
    });
    let before = session.statistics();
    wait(&events, |event| matches!(event, VoiceEvent::Statistics(it) if it.sent > before.sent + 60));
    let after = session.statistics();
    assert!(after.received > before.received && after.send_errors == 0 && after.rejected == 0, "{after:?}");
    assert!(session.stop());
}
