//! The jitter buffer: turns packets that arrive at odd moments into one decision for each frame that is to be heard.
//!
//! Sans-IO: the caller says when packets arrive and when the loudspeaker wants a frame. The buffer holds the delay near
//! a target that follows the network: it waits (inserts a frame) when packets would come too late, and lets two frames
//! be merged when it holds more than it needs, at once where it is quiet.
//!
//! Invariants: fixed memory; packets leave in increasing order, each at most once; a stall of our own host (nobody asks
//! for frames) does not count as delay of the network and is caught up at its end. Not in it: decoding, merging.

use crate::codec::{MAX_PACKET_BYTES, SAMPLE_RATE, has_fec};
use crate::delay::{DelayEstimator, FRAME_US};
use crate::redundancy::Frames;

/// Packets held at most: 1.28 s.
const CAPACITY: u64 = 64;
/// A jump of the sequence numbers beyond this starts the buffer anew.
const RESTART: u64 = 500;
/// No request for so long means that the host, not the network, was late.
const STALL_US: i64 = 100_000;
/// Off the target by this much: corrected where it is quiet, and nobody hears it.
const SMALL_US: i64 = 6_000;
/// Above the target by this much: merge frames now and then.
const HIGH_US: i64 = 24_000;
/// Above the target by this much: merge every pair.
const VERY_HIGH_US: i64 = 70_000;
/// Requests between two merges in loud speech while the excess is moderate.
const MERGE_PAUSE: u32 = 4;
/// Below the target by this much: insert a frame where something is missing anyway.
const LOW_US: i64 = 15_000;
/// Concealed frames in a row after which there is silence.
const MAX_CONCEALED: u32 = 25;

/// An encoded frame.
#[derive(Clone, Copy)]
pub struct Packet {
    bytes: [u8; MAX_PACKET_BYTES],
    length: u8,
    sequence: u64,
    /// Came with a later packet.
    is_copy: bool,
}

impl Packet {
    /// `payload` has at most [`MAX_PACKET_BYTES`].
    fn new(sequence: u64, payload: &[u8], is_copy: bool) -> Self {
        let mut bytes = [0; MAX_PACKET_BYTES];
        bytes[..payload.len()].copy_from_slice(payload);
        Self { bytes, length: payload.len() as u8, sequence, is_copy }
    }

    /// The encoded bytes.
    pub fn payload(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    /// Extended sequence number.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }
}

impl core::fmt::Debug for Packet {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Packet({})", self.sequence)
    }
}

/// What is to be heard next.
#[derive(Clone, Copy, Debug)]
pub enum Playout {
    /// Decode this.
    Packet(Packet),
    /// Decode both and make them shorter than two frames, by at most so many samples; then tell
    /// [`JitterBuffer::shortened`] by how many.
    Merge(Packet, Packet, usize),
    /// It is quiet: invent so many samples (at most a frame), to gain time.
    Wait(usize),
    /// The frame is lost, but this next packet has in-band FEC; the packet itself comes out later.
    Recover(Packet),
    /// Invent a frame.
    Conceal,
    /// Nothing is known: silence.
    Silence,
}

/// Counters since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets taken in.
    pub received: u64,
    /// Packets that came after their moment.
    pub late: u64,
    /// Frames that were missing at their moment (later ones among them).
    pub missing: u64,
    /// Of the missing: heard from a copy, or recovered from the next packet.
    pub recovered: u64,
    /// Frames invented, for missing ones or to gain time.
    pub concealed: u64,
    /// Pairs of frames merged to save time.
    pub merged: u64,
    /// Packets thrown away because the buffer was full or its host stalled.
    pub skipped: u64,
}

/// See the module.
pub struct JitterBuffer {
    slots: Box<[Option<Packet>; CAPACITY as usize]>,
    /// Extended sequence number of the next frame to be heard.
    next: u64,
    newest: Option<u64>,
    playing: bool,
    delays: DelayEstimator,
    /// Smoothed moment of hearing minus moment of sending, on the scale of the estimator's transit times.
    playout_us: Option<f64>,
    last_pop: Option<i64>,
    /// Until then packets may come from the backlog of a stall.
    backlog_until: i64,
    since_merge: u32,
    concealed_in_row: u32,
    counters: Counters,
}

impl Default for JitterBuffer {
    fn default() -> Self {
        Self::new()
    }
}

impl JitterBuffer {
    /// An empty buffer, which says [`Playout::Silence`] until packets have come.
    pub fn new() -> Self {
        Self {
            slots: Box::new([None; CAPACITY as usize]),
            next: 0,
            newest: None,
            playing: false,
            delays: DelayEstimator::new(),
            playout_us: None,
            last_pop: None,
            backlog_until: i64::MIN,
            since_merge: 0,
            concealed_in_row: 0,
            counters: Counters::default(),
        }
    }

    /// Takes a packet that arrived at `now_us` (microseconds of the caller's monotonic clock, never falling), as
    /// [`crate::redundancy::unpack`] gives it; authenticity and repetition were checked before.
    pub fn push(&mut self, now_us: i64, sequence: u16, Frames { frame, copy }: Frames<'_>) {
        if frame.is_empty() || frame.len() > MAX_PACKET_BYTES {
            return;
        }
        self.counters.received += 1;
        let sequence = self.extend(sequence);
        if self.newest.is_some_and(|newest| sequence.abs_diff(newest) > RESTART) {
            self.restart();
        }
        if self.newest.is_none() {
            self.next = sequence;
        }
        self.newest = Some(self.newest.map_or(sequence, |newest| newest.max(sequence)));
        let stalled = self.last_pop.is_some_and(|last| now_us - last > STALL_US);
        let is_backlog = stalled || now_us < self.backlog_until;
        // A late first one is better to go by than none at all; the next ones correct it.
        if !is_backlog || self.delays.is_empty() {
            self.delays.record(now_us, sequence);
        }
        if sequence < self.next {
            if self.playing || self.next - sequence >= CAPACITY {
                self.counters.late += 1;
                return;
            }
            self.next = sequence;
        }
        if sequence >= self.next + CAPACITY {
            self.advance_to(sequence + 1 - CAPACITY);
        }
        self.slots[(sequence % CAPACITY) as usize] = Some(Packet::new(sequence, frame, false));
        if let Some((distance, copy)) = copy.filter(|(_, copy)| copy.len() <= MAX_PACKET_BYTES) {
            self.push_copy(sequence.saturating_sub(u64::from(distance)), copy);
        }
    }

    fn push_copy(&mut self, sequence: u64, frame: &[u8]) {
        if sequence >= self.next && self.peek(sequence).is_none() {
            self.slots[(sequence % CAPACITY) as usize] = Some(Packet::new(sequence, frame, true));
        }
    }

    /// Decides what is heard for the next 20 ms from `now_us` on. `quiet`: the last frame that was heard had so little
    /// energy that a change of its length goes unnoticed.
    pub fn pop(&mut self, now_us: i64, quiet: bool) -> Playout {
        let stalled = self.last_pop.replace(now_us).is_some_and(|last| now_us - last > STALL_US);
        if self.newest.is_none() {
            return Playout::Silence;
        }
        let playout = now_us - self.next as i64 * FRAME_US;
        if !self.playing {
            if playout - self.delays.base_us() < self.delays.target_us() {
                return Playout::Silence;
            }
            self.playing = true;
            self.catch_up(now_us);
        } else if stalled {
            self.backlog_until = now_us + FRAME_US;
            self.catch_up(now_us);
        }
        let smoothed = self.smooth(now_us);
        let excess = smoothed - self.delays.base_us() - self.delays.target_us();
        self.since_merge = self.since_merge.saturating_add(1);

        if quiet && excess < -SMALL_US {
            return self.wait(-excess);
        }
        if excess < -LOW_US && self.peek(self.next).is_none() {
            return self.conceal();
        }
        let Some(packet) = self.take_next() else { return self.miss() };
        self.concealed_in_row = 0;
        let merge = excess > VERY_HIGH_US
            || excess > HIGH_US && self.since_merge > MERGE_PAUSE
            || excess > SMALL_US && quiet;
        if merge && let Some(second) = self.take_next() {
            self.since_merge = 0;
            self.counters.merged += 1;
            self.shift(-FRAME_US as f64);
            return Playout::Merge(packet, second, samples(excess));
        }
        Playout::Packet(packet)
    }

    /// The two frames of a [`Playout::Merge`] were made `samples` (of 48 kHz) shorter.
    pub fn shortened(&mut self, samples: usize) {
        // The merge was booked as one whole frame less; what was kept of it is heard after all.
        self.shift(FRAME_US as f64 - samples as f64 * 1000.0 / 48.0);
    }

    /// Counters since the start.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Interarrival jitter in ms (RFC 3550).
    pub fn jitter_ms(&self) -> f64 {
        self.delays.jitter_us() / 1000.0
    }

    /// How long the fastest packets are held, in ms.
    pub fn delay_ms(&self) -> f64 {
        self.playout_us.map_or(0.0, |playout| (playout - self.delays.base_us() as f64) / 1000.0)
    }

    /// What the delay should be, in ms.
    pub fn target_ms(&self) -> f64 {
        self.delays.target_us() as f64 / 1000.0
    }

    fn extend(&self, sequence: u16) -> u64 {
        // The first one gets a full round below it, so that earlier packets have numbers too.
        let reference = self.newest.unwrap_or(1 << 16 | u64::from(sequence));
        let difference = sequence.wrapping_sub(reference as u16) as i16;
        reference.saturating_add_signed(i64::from(difference))
    }

    fn restart(&mut self) {
        self.slots.fill(None);
        self.newest = None;
        self.playing = false;
        self.playout_us = None;
        self.delays = DelayEstimator::new();
        self.concealed_in_row = 0;
    }

    fn peek(&self, sequence: u64) -> Option<&Packet> {
        self.slots[(sequence % CAPACITY) as usize].as_ref().filter(|packet| packet.sequence == sequence)
    }

    fn take(&mut self, sequence: u64) -> Option<Packet> {
        self.slots[(sequence % CAPACITY) as usize].take_if(|packet| packet.sequence == sequence)
    }

    /// Takes the next frame to be heard, if it is there.
    fn take_next(&mut self) -> Option<Packet> {
        let packet = self.take(self.next)?;
        self.next += 1;
        if packet.is_copy {
            self.delays.record_loss(packet.sequence);
            self.counters.missing += 1;
            self.counters.recovered += 1;
        }
        Some(packet)
    }

    /// Gives up everything before `sequence`.
    fn advance_to(&mut self, sequence: u64) {
        for passed in self.next..sequence.min(self.next + CAPACITY) {
            if self.take(passed).is_some() {
                self.counters.skipped += 1;
            }
        }
        self.next = sequence;
        self.playout_us = None;
    }

    /// After a stall of the host the frames that nobody heard are given up, down to the target delay.
    fn catch_up(&mut self, now_us: i64) {
        let delay = now_us - self.next as i64 * FRAME_US - self.delays.base_us();
        let frames = (delay - self.delays.target_us()) / FRAME_US;
        if frames > 0 {
            self.advance_to(self.next + frames as u64);
        }
    }

    fn smooth(&mut self, now_us: i64) -> i64 {
        let playout = (now_us - self.next as i64 * FRAME_US) as f64;
        let smoothed = self.playout_us.map_or(playout, |old| old + (playout - old) / 16.0);
        self.playout_us = Some(smoothed);
        smoothed as i64
    }

    fn shift(&mut self, microseconds: f64) {
        if let Some(playout) = &mut self.playout_us {
            *playout += microseconds;
        }
    }

    /// A frame that does not move the sequence on: the delay grows by 20 ms.
    fn wait(&mut self, microseconds: i64) -> Playout {
        let microseconds = microseconds.min(FRAME_US);
        self.shift(microseconds as f64);
        Playout::Wait(samples(microseconds))
    }

    fn conceal(&mut self) -> Playout {
        self.shift(FRAME_US as f64);
        self.invent()
    }

    fn invent(&mut self) -> Playout {
        self.counters.concealed += 1;
        self.concealed_in_row = self.concealed_in_row.saturating_add(1);
        if self.concealed_in_row > MAX_CONCEALED { Playout::Silence } else { Playout::Conceal }
    }

    fn miss(&mut self) -> Playout {
        self.delays.record_loss(self.next);
        self.next += 1;
        self.counters.missing += 1;
        match self.peek(self.next) {
            Some(&packet) if has_fec(packet.payload()) => {
                self.counters.recovered += 1;
                self.concealed_in_row = 0;
                Playout::Recover(packet)
            }
            _ => self.invent(),
        }
    }
}

/// Samples in so much time, at most a frame of them.
fn samples(microseconds: i64) -> usize {
    (microseconds.clamp(0, FRAME_US) * i64::from(SAMPLE_RATE) / 1_000_000) as usize
}

#[cfg(test)]
#[path = "jitter_tests.rs"]
mod tests;
