//! The sending thread: a packet every 20 ms by the system's clock, whatever the microphone does.
//!
//! The moments follow a timer, not the microphone, so that the rate on the wire is the same with speech, silence, mute
//! and a dead device. The timer follows the microphone's clock within 0.05 %, as crystals differ, and no further: what
//! a daemon delivers too late or too much of is stretched, replaced by noise or dropped here, and does not shift the packets (the
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
use crate::stretch::{QUIET, lengthen, mean_square};

const PERIOD: Duration = Duration::from_millis(FRAME_MS as u64);
/// Samples that should be there on average when a frame is taken: the frame and a device fragment.
const WANTED: usize = FRAME_SAMPLES + 480;
/// More than this is dropped down to [`WANTED`] at once.
const TOO_MANY: usize = 3 * FRAME_SAMPLES;
/// Frames in a row of which a part is late and that are stretched to whole ones.
const MOST_STRETCHED: u32 = 2;
/// Samples that may be left over at the worst moment of a [`WATCH`]; more are only delay, and dropped where it is quiet.
const SPARE: usize = 480;
/// Watches after which they are dropped even so.
const PATIENCE: u32 = 8;
/// Watches without a late sample before any are dropped: who was late once may be so again.
const CALM: u32 = 15;
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
    /// Samples to be dropped where it is quiet, and for how many watches there have been some.
    excess: usize,
    excess_for: u32,
    /// Watches that must pass before that.
    calm_in: u32,
    /// The last two frames from the microphone, and how many in a row were stretched.
    before: [f32; 2 * FRAME_SAMPLES],
    stretched: u32,
    /// Samples that come once more.
    again: usize,
    /// Frames since the microphone began to give any.
    given: u32,
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
            excess: 0,
            excess_for: 0,
            calm_in: 0,
            before: [0.0; 2 * FRAME_SAMPLES],
            stretched: 0,
            again: 0,
            given: 0,
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
        let (available, recorded) = self.take(shared);
        if muted {
            self.before.fill(0.0);
        } else if let Some(recorded) = recorded {
            for (sample, recorded) in frame.iter_mut().zip(recorded) {
                *sample += recorded.clamp(-1.0, 1.0);
            }
        }
        self.shed(shared, muted);
        if available == 0 {
            self.fill = WANTED as f64;
            return (frame, 0.0);
        }
        if available < FRAME_SAMPLES {
            count(&shared.counters.capture_gaps);
        }
        self.fill += (available.min(TOO_MANY) as f64 - self.fill) / 64.0;
        let pull = ((WANTED as f64 - self.fill) / FRAME_SAMPLES as f64 / 100.0).clamp(-MAX_PULL, MAX_PULL);
        (frame, pull)
    }

    /// How many samples were there, none where nothing has come since the frame before; and a frame of them, unless they are missing for long.
    fn take(&mut self, shared: &Shared) -> (usize, Option<Frame>) {
        let mut frame = [0.0; FRAME_SAMPLES];
        let mut recorded = shared.recorded();
        let available = if recorded.len() > self.again { recorded.len() } else { 0 };
        if available > TOO_MANY {
            recorded.drain(..available - WANTED);
        }
        let part = recorded.len().min(FRAME_SAMPLES);
        let is_whole = part == FRAME_SAMPLES;
        if !is_whole && self.stretched >= MOST_STRETCHED {
            // What is left was heard already, or is of long ago when more comes.
            recorded.clear();
            self.before.fill(0.0);
            (self.again, self.given) = (0, 0);
            return (available, None);
        }
        frame.iter_mut().zip(recorded.drain(..part)).for_each(|(sample, recorded)| *sample = recorded);
        self.spare = self.spare.min(recorded.len());
        drop(recorded);
        if is_whole {
            (self.again, self.stretched) = (0, 0);
            self.given = self.given.saturating_add(1);
        } else {
            self.stretch(shared, &mut frame, part);
        }
        self.before.copy_within(FRAME_SAMPLES.., 0);
        self.before[FRAME_SAMPLES..].copy_from_slice(&frame);
        (available, Some(frame))
    }

    /// Fills a frame of which `part` samples are there.
    fn stretch(&mut self, shared: &Shared, frame: &mut Frame, part: usize) {
        let mut known = [0.0; 3 * FRAME_SAMPLES];
        let known = &mut known[..2 * FRAME_SAMPLES + part];
        known[..2 * FRAME_SAMPLES].copy_from_slice(&self.before);
        known[2 * FRAME_SAMPLES..].copy_from_slice(&frame[..part]);
        self.again = lengthen(known, part, frame);
        let mut recorded = shared.recorded();
        known[known.len() - self.again..].iter().rev().for_each(|sample| recorded.push_front(*sample));
        self.stretched += 1;
        (self.excess, self.excess_for) = (0, 0);
        if self.given >= WATCH {
            self.calm_in = CALM;
        }
    }

    /// Drops what is only delay, where nobody hears it.
    fn shed(&mut self, shared: &Shared, muted: bool) {
        self.watch -= 1;
        if self.watch == 0 {
            self.calm_in = self.calm_in.saturating_sub(1);
            let is_excess = self.calm_in == 0 && self.spare > SPARE;
            self.excess = if is_excess { self.spare - SPARE / 2 } else { 0 };
            self.excess_for = if is_excess { self.excess_for + 1 } else { 0 };
            (self.spare, self.watch) = (usize::MAX, WATCH);
        }
        if self.excess == 0 {
            return;
        }
        let mut recorded = shared.recorded();
        let most = self.excess.min(recorded.len().saturating_sub(SPARE / 2));
        let energy: f32 = recorded.iter().take(most).map(|sample| sample * sample).sum();
        if muted || energy < QUIET * most as f32 || self.excess_for >= PATIENCE {
            recorded.drain(..most);
            (self.excess, self.excess_for, self.fill) = (0, 0, WANTED as f64);
        }
    }

    fn comfort_noise(&mut self) -> f32 {
        self.noise ^= self.noise << 13;
        self.noise ^= self.noise >> 17;
        self.noise ^= self.noise << 5;
        (self.noise as f32 / u32::MAX as f32 - 0.5) * 2.0 * NOISE
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::rtp::Header;
    use crate::srtp::{KEY_BYTES, MasterKey};

    const BITRATE: u32 = 32_000;

    fn talker() -> (Talker, Shared) {
        let header = Header { sequence: 1, timestamp: 1, ssrc: 1 };
        let sender = Sender::new(&MasterKey::new([1; KEY_BYTES]), header, FRAME_SAMPLES as u32).unwrap();
        let shared = Shared::new(None, false, Box::new(|_| {}));
        (Talker::new(Encoder::new(BITRATE).unwrap(), sender), shared)
    }

    /// What a microphone gives: a tone of 150 Hz.
    struct Microphone {
        given: usize,
        amplitude: f32,
    }

    impl Microphone {
        fn give(&mut self, samples: usize, shared: &Shared) {
            let sample =
                |i: usize| (core::f32::consts::TAU * 150.0 * i as f32 / 48_000.0).sin() * self.amplitude;
            shared.record(&mut (self.given..self.given + samples).map(sample).collect());
            self.given += samples;
        }
    }

    #[test]
    fn what_comes_late_is_heard_as_a_longer_tone_and_not_as_a_hole() {
        let (mut talker, shared) = talker();
        let mut microphone = Microphone { given: 0, amplitude: 0.5 };
        microphone.give(480, &shared);
        let mut heard = Vec::new();
        for (late, then) in [(960, 960), (0, 1920), (960, 960), (0, 0), (2880, 960), (480, 1440), (960, 960)]
        {
            for samples in [960, 960, late, then] {
                microphone.give(samples, &shared);
                heard.extend(talker.frame(&shared).0);
            }
        }
        let step = heard.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
        assert!(step < 0.015, "{step}");
        assert!(heard.chunks(FRAME_SAMPLES).all(|frame| mean_square(frame) > 0.1));
    }

    #[test]
    fn a_microphone_that_gives_nothing_any_more_is_heard_no_longer() {
        let (mut talker, shared) = talker();
        let mut microphone = Microphone { given: 0, amplitude: 0.5 };
        microphone.give(1440, &shared);
        let loud = (0..50).filter(|_| mean_square(&talker.frame(&shared).0) > QUIET).count();
        assert_eq!(loud, 3, "a whole one, and two that were stretched");
        assert!(shared.recorded().is_empty());
        assert_eq!(shared.statistics().capture_gaps, 1);
    }

    #[test]
    fn what_is_only_delay_is_dropped_where_nobody_hears_it_or_after_a_while() {
        let waits = |amplitude: f32| {
            let (mut talker, shared) = talker();
            let mut microphone = Microphone { given: 0, amplitude };
            microphone.give(1900, &shared);
            let begun = shared.recorded().len();
            (0..1000).find(|_| {
                microphone.give(960, &shared);
                talker.frame(&shared);
                shared.recorded().len() < begun
            })
        };
        assert_eq!(waits(1e-4), Some(WATCH as usize - 1));
        assert_eq!(waits(0.5), Some((WATCH * PATIENCE) as usize - 1));
    }
}
