//! What is played into a sink comes back from its monitor, through the table of functions. Where PipeWire is, is a property
//! of the process, so this is one test in a file of its own.

#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

mod support;

use std::time::{Duration, Instant};

use audio_backend::{ABI, Backend, Connection, Device, RUNNING, Text};
use audio_pipewire::peer_audio_backend;
use support::Daemons;

const RATE: usize = 48_000;
/// Pulses this far apart, each a few samples long.
const EVERY: usize = RATE / 4;
const PULSES: usize = 40;

struct Table(&'static Backend, *mut Connection);

impl Table {
    fn step(&self) {
        let mut reason = Text::default();
        // SAFETY: as the table says; so for all calls here.
        assert!(unsafe { (self.0.step)(self.1, 10, &mut reason) }, "{}", reason.get());
    }

    fn open(&self, output: bool, name: &str) -> Result<(), String> {
        let mut reason = Text::default();
        // SAFETY: see above.
        let opened = unsafe { (self.0.open)(self.1, output, &Text::from(name), &mut reason) };
        if opened { Ok(()) } else { Err(reason.get()) }
    }

    fn runs(&self, output: bool) -> bool {
        let mut reason = Text::default();
        // SAFETY: see above.
        unsafe { (self.0.check)(self.1, output, &mut reason) == RUNNING }
    }

    fn devices(&self) -> Vec<(bool, bool, String)> {
        let mut device = Device::default();
        let mut devices = Vec::new();
        // SAFETY: see above.
        while unsafe { (self.0.device)(self.1, devices.len(), &mut device) } {
            devices.push((device.output, device.default, device.name.get()));
        }
        devices
    }
}

#[test]
fn what_is_played_comes_back_from_the_monitor() {
    let _daemons = Daemons::start(&["first", "second"]);
    let mut reason = Text::default();
    // SAFETY: the table lasts for ever.
    let backend = unsafe { &*peer_audio_backend() };
    assert_eq!(backend.abi, ABI);
    // SAFETY: as the table says.
    let connection = unsafe { (backend.connect)(&mut reason) };
    assert!(!connection.is_null(), "{}", reason.get());
    let table = Table(backend, connection);
    // SAFETY: see above.
    while !unsafe { (backend.is_ready)(connection) } {
        table.step();
    }
    let devices = table.devices();
    println!("{devices:?}");
    for (output, name) in
        [(true, "first"), (false, "first.monitor"), (true, "second"), (false, "second.monitor")]
    {
        assert!(devices.iter().any(|it| it.0 == output && it.2 == name), "{name}");
    }
    assert_eq!(devices.iter().filter(|it| it.0 && it.1).count(), 1, "one loudspeaker is the default");

    assert_eq!(table.open(true, "third"), Err("there is no such device".to_owned()));
    table.open(true, "first").unwrap();
    table.open(false, "first.monitor").unwrap();
    while !(table.runs(true) && table.runs(false)) {
        table.step();
    }

    let (mut written, mut read) = (Vec::new(), Vec::new());
    let mut recorded = vec![0.0; RATE / 10];
    let (mut position, mut loud) = (0, false);
    let deadline = Instant::now() + Duration::from_secs(60);
    while read.len() < PULSES {
        assert!(Instant::now() < deadline, "{} of {} pulses came back", read.len(), written.len());
        table.step();
        // SAFETY: see above; there is room for so many.
        let count = unsafe { (backend.capture)(connection, recorded.as_mut_ptr(), recorded.len()) };
        for sample in &recorded[..count] {
            if sample.abs() > 0.3 && !std::mem::replace(&mut loud, true) {
                read.push(Instant::now());
            }
            loud &= sample.abs() > 0.1;
        }
        // SAFETY: see above.
        let wanted = unsafe { (backend.wanted)(connection) };
        if wanted > 0 {
            let mut samples = vec![0.0; wanted];
            for sample in &mut samples {
                *sample = if position % EVERY < 8 { 0.8 } else { 0.0 };
                if position % EVERY == 0 && written.len() < PULSES {
                    written.push(Instant::now());
                }
                position += 1;
            }
            // SAFETY: see above; there are so many.
            unsafe { (backend.play)(connection, samples.as_ptr(), samples.len()) };
        }
    }
    let mut delays: Vec<_> =
        written.iter().zip(&read).map(|(written, read)| read.saturating_duration_since(*written)).collect();
    delays.sort();
    println!("from write to read: p50 {:?}, longest {:?}", delays[PULSES / 2], delays[PULSES - 1]);
    assert!(delays[0] > Duration::ZERO, "nothing comes back before it was given");
    // SAFETY: it is not used again.
    unsafe { (backend.disconnect)(connection) };
}
