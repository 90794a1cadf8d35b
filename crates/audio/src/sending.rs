//! The sending thread: a packet every 20 ms by the system's clock, whatever the microphone does.
//!
//! The moments follow a timer, not the microphone, so that the rate on the wire is the same with speech, silence, mute
//! and a dead device. The timer follows the microphone's clock within 0.05 %, as crystals differ, and no further: what
//! a daemon delivers too late or too much of is replaced by noise or dropped here, and does not shift the packets (the
//! other side would take it for the network's delay). After a stall of the host the missed packets are left out (their sequence numbers too) and not sent
//! in a burst. Not in it: the device, keys.

use std::net::UdpSocket;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::codec::{Encoder, FRAME_MS, FRAME_SAMPLES, Frame, MAX_PACKET_BYTES};
use crate::device::DeviceKind;
use crate::redundancy::Packer;
use crate::shared::{Shared, count, lock};
use crate::srtp::Sender;
use crate::stretch::mean_square;

const PERIOD: Duration = Duration::from_millis(FRAME_MS as u64);
/// Samples that should be there on average when a frame is taken: the frame and a device fragment.
const WANTED: usize = FRAME_SAMPLES + 480;
/// More than this is dropped down to [`WANTED`] at once.
const TOO_MANY: usize = 3 * FRAME_SAMPLES;
/// Samples that may be left over at the worst moment of a [`WATCH`]; more are only delay, and dropped.
const SPARE: usize = 480;
/// Frames over which the worst moment is looked for: 1 s.
const WATCH: u32 = 50;
/// Largest change of one period, as a share of it.
const MAX_PULL: f64 = 0.000_5;
/// A thread that is this late leaves packets out.
const STALL: Duration = Duration::from_millis(100);
/// Amplitude of the comfort noise: about -75 dBFS.
const NOISE: f32 = 3e-4;

pub(crate) struct Talker {
    encoder: Encoder,
    packer: Packer,
    sender: Sender,
    noise: u32,
    /// Smoothed number of samples that were there when a frame was taken.
    fill: f64,
    /// The least that was left over in the present watch, and how many frames it still lasts.
    spare: usize,
    watch: u32,
}

impl Talker {
    pub(crate) fn new(encoder: Encoder, sender: Sender) -> Self {
        let packer = Packer::new(encoder.packet_bytes());
        Self {
            encoder,
            packer,
            sender,
            noise: 0x9e37_79b9,
            fill: WANTED as f64,
            spare: usize::MAX,
            watch: WATCH,
        }
    }

    /// Runs until the session ends.
    ///
    /// # Errors
    /// The codec or SRTP failed: a bug, the session cannot go on.
    pub(crate) fn run(mut self, shared: &Shared, socket: &UdpSocket) -> Result<(), String> {
        let mut moment = Instant::now();
        let mut packet = [0; MAX_PACKET_BYTES];
        while shared.is_running() {
            let (frame, pull) = self.frame(shared);
            shared.show_level(DeviceKind::Input, mean_square(&frame));
            self.encoder.encode(&frame, &mut packet).map_err(|error| error.to_string())?;
            self.renew(shared)?;
            let payload = self.packer.pack(&packet);
            let protected = self.sender.protect(payload).map_err(|error| error.to_string())?;
            if let Some(remote) = shared.remote() {
                match socket.send_to(protected.as_ref(), remote) {
                    Ok(_) => count(&shared.counters.sent),
                    Err(_) => count(&shared.counters.send_errors),
                }
            }
            moment += PERIOD.mul_f64(1.0 + pull);
            moment = self.wait_until(moment);
        }
        Ok(())
    }

    /// Takes a new key where one waits and it is the moment for it.
    fn renew(&mut self, shared: &Shared) -> Result<(), String> {
        let mut next = lock(&shared.next_send_key);
        let Some((key, ssrc)) = next.as_ref() else { return Ok(()) };
        if self.sender.renew(key, *ssrc).map_err(|error| error.to_string())? {
            *next = None;
        }
        Ok(())
    }

    fn wait_until(&mut self, moment: Instant) -> Instant {
        let now = Instant::now();
        let late = now.saturating_duration_since(moment);
        if late > STALL {
            self.packer.leave_out();
            self.sender.leave_out((late.as_micros() / PERIOD.as_micros()) as u32);
            return now;
        }
        std::thread::sleep(moment.saturating_duration_since(now));
        moment
    }

    /// The next frame, and by which share the next period should be longer.
    fn frame(&mut self, shared: &Shared) -> (Frame, f64) {
        let mut frame: Frame = core::array::from_fn(|_| self.comfort_noise());
        let muted = shared.muted.load(Ordering::Relaxed) || shared.held.load(Ordering::Relaxed);
        let mut recorded = shared.recorded();
        let available = recorded.len();
        if available > TOO_MANY {
            recorded.drain(..available - WANTED);
        }
        if recorded.len() >= FRAME_SAMPLES {
            for (sample, recorded) in frame.iter_mut().zip(recorded.drain(..FRAME_SAMPLES)) {
                if !muted {
                    *sample += recorded.clamp(-1.0, 1.0);
                }
            }
        }
        self.spare = self.spare.min(recorded.len());
        self.watch -= 1;
        if self.watch == 0 {
            if self.spare > SPARE {
                recorded.drain(..self.spare - SPARE / 2);
                self.fill = WANTED as f64;
            }
            (self.spare, self.watch) = (usize::MAX, WATCH);
        }
        drop(recorded);
        if (1..FRAME_SAMPLES).contains(&available) {
            count(&shared.counters.capture_gaps);
        }
        if available == 0 {
            self.fill = WANTED as f64;
            return (frame, 0.0);
        }
        self.fill += (available.min(TOO_MANY) as f64 - self.fill) / 64.0;
        let pull = ((WANTED as f64 - self.fill) / FRAME_SAMPLES as f64 / 100.0).clamp(-MAX_PULL, MAX_PULL);
        (frame, pull)
    }

    fn comfort_noise(&mut self) -> f32 {
        self.noise ^= self.noise << 13;
        self.noise ^= self.noise >> 17;
        self.noise ^= self.noise << 5;
        (self.noise as f32 / u32::MAX as f32 - 0.5) * 2.0 * NOISE
    }
}
