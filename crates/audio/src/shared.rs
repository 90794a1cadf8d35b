//! What the three threads of a session share: the ring of recorded samples, the jitter buffer, switches, counters.
//!
//! Invariants: locks are held for copies only, never over I/O, coding or an event. Not in it: threads.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::codec::FRAME_SAMPLES;
use crate::device::DeviceKind;
use crate::jitter::JitterBuffer;
use crate::srtp::MasterKey;
use crate::voice::{VoiceEvent, VoiceStatistics};

/// Recorded samples that wait at most: 100 ms.
const MAX_RECORDED: usize = 5 * FRAME_SAMPLES;
/// What a level meter shows for silence, in dBFS.
const FLOOR_DB: f32 = -100.0;

/// Receives the events of a session, on its threads: must be quick.
pub(crate) type Sink = Box<dyn Fn(VoiceEvent) + Send + Sync>;

pub(crate) struct Shared {
    pub(crate) running: AtomicBool,
    pub(crate) muted: AtomicBool,
    /// Nothing is heard on either side.
    pub(crate) held: AtomicBool,
    /// What the receiving and the sending thread are to go on with.
    pub(crate) next_receive_key: Mutex<Option<MasterKey>>,
    pub(crate) next_send_key: Mutex<Option<(MasterKey, u32)>>,
    /// Whether echo, noise and level are seen to.
    pub(crate) processing: AtomicBool,
    pub(crate) jitter: Mutex<JitterBuffer>,
    /// Where packets go; `None` until the first authentic packet tells.
    pub(crate) remote: Mutex<Option<SocketAddr>>,
    pub(crate) counters: Counters,
    sink: Sink,
    recorded: Mutex<VecDeque<f32>>,
    /// Devices that were chosen and not yet taken up, input and output; an inner `None` is the default device.
    choices: Mutex<[Option<Option<String>>; 2]>,
    started: Instant,
    input_level: AtomicU32,
    output_level: AtomicU32,
}

#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) sent: AtomicU64,
    pub(crate) send_errors: AtomicU64,
    pub(crate) rejected: AtomicU64,
    pub(crate) capture_overflows: AtomicU64,
    pub(crate) capture_gaps: AtomicU64,
    pub(crate) realtime_threads: AtomicU32,
}

/// One more of something.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(crate) fn new(remote: Option<SocketAddr>, processing: bool, sink: Sink) -> Self {
        Self {
            running: AtomicBool::new(true),
            muted: AtomicBool::new(false),
            held: AtomicBool::new(false),
            next_receive_key: Mutex::default(),
            next_send_key: Mutex::default(),
            processing: AtomicBool::new(processing),
            jitter: Mutex::new(JitterBuffer::new()),
            remote: Mutex::new(remote),
            counters: Counters::default(),
            sink,
            recorded: Mutex::new(VecDeque::with_capacity(MAX_RECORDED)),
            choices: Mutex::default(),
            started: Instant::now(),
            input_level: AtomicU32::new(FLOOR_DB.to_bits()),
            output_level: AtomicU32::new(FLOOR_DB.to_bits()),
        }
    }

    pub(crate) fn emit(&self, event: VoiceEvent) {
        (self.sink)(event);
    }

    pub(crate) fn is_running(&self) -> bool {
        self.running.load(Ordering::Acquire)
    }

    /// Microseconds since the session began.
    pub(crate) fn now_us(&self) -> i64 {
        i64::try_from(self.started.elapsed().as_micros()).unwrap_or(i64::MAX)
    }

    pub(crate) fn remote(&self) -> Option<SocketAddr> {
        *lock(&self.remote)
    }

    /// The source of the first authentic packet becomes the destination, if none was configured.
    pub(crate) fn learn_remote(&self, source: SocketAddr) {
        lock(&self.remote).get_or_insert(source);
    }

    pub(crate) fn set_remote(&self, remote: SocketAddr) {
        *lock(&self.remote) = Some(remote);
    }

    pub(crate) fn recorded(&self) -> MutexGuard<'_, VecDeque<f32>> {
        lock(&self.recorded)
    }

    /// Appends what the microphone gave; the oldest goes where nobody takes it.
    pub(crate) fn record(&self, samples: &mut Vec<f32>) {
        if samples.is_empty() {
            return;
        }
        let mut recorded = self.recorded();
        recorded.extend(samples.drain(..));
        let excess = recorded.len().saturating_sub(MAX_RECORDED);
        if excess > 0 {
            recorded.drain(..excess);
            count(&self.counters.capture_overflows);
        }
    }

    /// Chooses a device by name, or the default one.
    pub(crate) fn choose(&self, kind: DeviceKind, name: Option<String>) {
        lock(&self.choices)[kind as usize] = Some(name);
    }

    /// The choice since the last call, if there was one.
    pub(crate) fn take_choice(&self, kind: DeviceKind) -> Option<Option<String>> {
        lock(&self.choices)[kind as usize].take()
    }

    /// Shows the level of a frame, decaying slowly.
    pub(crate) fn show_level(&self, kind: DeviceKind, mean_square: f32) {
        let level = match kind {
            DeviceKind::Input => &self.input_level,
            DeviceKind::Output => &self.output_level,
        };
        let now = (10.0 * mean_square.max(1e-10).log10()).max(FLOOR_DB);
        let shown = f32::from_bits(level.load(Ordering::Relaxed));
        level.store(now.max(shown - 1.0).to_bits(), Ordering::Relaxed);
    }

    pub(crate) fn statistics(&self) -> VoiceStatistics {
        let (jitter, jitter_ms, buffer_ms, target_ms) = {
            let jitter = lock(&self.jitter);
            (jitter.counters(), jitter.jitter_ms(), jitter.delay_ms(), jitter.target_ms())
        };
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        VoiceStatistics {
            sent: load(&self.counters.sent),
            send_errors: load(&self.counters.send_errors),
            received: jitter.received,
            rejected: load(&self.counters.rejected),
            lost: jitter.missing.saturating_sub(jitter.late),
            late: jitter.late,
            concealed: jitter.concealed,
            fec_used: jitter.recovered,
            merged: jitter.merged,
            skipped: jitter.skipped,
            capture_overflows: load(&self.counters.capture_overflows),
            capture_gaps: load(&self.counters.capture_gaps),
            jitter_ms,
            buffer_ms,
            target_ms,
            round_trip_ms: None,
            input_level: f32::from_bits(self.input_level.load(Ordering::Relaxed)),
            output_level: f32::from_bits(self.output_level.load(Ordering::Relaxed)),
            realtime: self.counters.realtime_threads.load(Ordering::Relaxed) == crate::voice::THREADS,
        }
    }
}
