//! Plays a tone on a device, in a thread of its own, until it is stopped.
//!
//! Invariants: no device, no server or one that hangs is silence, and nothing that anybody waits for: it is tried again
//! every second. A named device that is not there is the default one. Not in it: what tones are (`tones`), when they are played.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::device::{DeviceError, DeviceKind, ServerChoice};
use crate::server::connect;
use crate::tones::{Generator, Tone};

const STEP: Duration = Duration::from_millis(10);
const RETRY: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(5);
/// The most that is given to the device at once, in samples: 100 ms.
const MAX_PIECE: usize = 4_800;

/// A tone that plays until this is dropped; that waits for nothing.
pub struct TonePlayer(Arc<AtomicBool>);

impl TonePlayer {
    /// `device`: name of a sink, `None` for the default one. `most`: then it is silent though nobody has stopped it.
    ///
    /// # Errors
    /// The system gives no more threads.
    pub fn start(
        tone: Tone,
        server: ServerChoice,
        device: Option<String>,
        most: Duration,
    ) -> std::io::Result<Self> {
        let running = Arc::new(AtomicBool::new(true));
        let run = Run { running: Arc::clone(&running), until: Instant::now() + most };
        std::thread::Builder::new().name("voice-tone".to_owned()).spawn(move || {
            let mut name = device.as_deref();
            while run.goes_on() {
                // What goes wrong with the named device may go well with another one.
                if run.play(tone, server, name).is_err() && name.take().is_none() {
                    run.rest();
                    name = device.as_deref();
                }
            }
        })?;
        Ok(Self(running))
    }
}

impl Drop for TonePlayer {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

struct Run {
    running: Arc<AtomicBool>,
    until: Instant,
}

impl Run {
    fn goes_on(&self) -> bool {
        self.running.load(Ordering::Acquire) && Instant::now() < self.until
    }

    fn rest(&self) {
        let end = Instant::now() + RETRY;
        while self.goes_on() && Instant::now() < end {
            std::thread::sleep(STEP);
        }
    }

    /// From the beginning of the tone until it is over.
    fn play(&self, tone: Tone, choice: ServerChoice, name: Option<&str>) -> Result<(), DeviceError> {
        let mut server = connect(choice)?;
        let (kind, begun) = (DeviceKind::Output, Instant::now());
        let (mut is_open, mut runs) = (false, false);
        let mut generator = Generator::new(tone);
        let mut piece = [0.0; MAX_PIECE];
        while self.goes_on() {
            server.step(STEP)?;
            if !runs && begun.elapsed() > PATIENCE {
                return Err(DeviceError::Timeout);
            }
            if !server.is_ready() {
                continue;
            }
            if !is_open {
                server.open(kind, name)?;
                is_open = true;
            }
            runs |= server.check(kind, name)?;
            let wanted = server.wanted().min(MAX_PIECE);
            if wanted > 0 {
                generator.fill(&mut piece[..wanted]);
                server.play(&piece[..wanted]);
            }
        }
        Ok(())
    }
}
