//! What the parts that run in the audio threads ask of the allocator once they are under way. The allocator is a property of
//! the process, so this is one test in a file of its own.

#![allow(clippy::unwrap_used)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use audio::codec::{DEFAULT_BITRATE, Encoder, FRAME_SAMPLES, Frame, MAX_PACKET_BYTES};
use audio::jitter::JitterBuffer;
use audio::listener::Listener;
use audio::processing::Processor;
use audio::redundancy::Frames;

struct Counting;

static LIVE: AtomicI64 = AtomicI64::new(0);
static COUNT: AtomicUsize = AtomicUsize::new(0);
static LARGEST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is the system's allocator; only numbers are kept.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size() as i64, Ordering::Relaxed);
        COUNT.fetch_add(1, Ordering::Relaxed);
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() as i64, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Growth, number and largest size of what `action` allocates.
fn allocations(action: impl FnOnce()) -> (i64, usize, usize) {
    let live = LIVE.load(Ordering::Relaxed);
    COUNT.store(0, Ordering::Relaxed);
    LARGEST.store(0, Ordering::Relaxed);
    action();
    let grown = LIVE.load(Ordering::Relaxed) - live;
    (grown, COUNT.load(Ordering::Relaxed), LARGEST.load(Ordering::Relaxed))
}

fn frame(number: usize) -> Frame {
    core::array::from_fn(|i| ((number * FRAME_SAMPLES + i) as f32 * 0.03).sin() * 0.3)
}

#[test]
fn under_way_nothing_is_kept_and_nothing_large_is_asked_for() {
    let mut processor = Processor::new();
    let mut sent = Vec::with_capacity(4 * FRAME_SAMPLES);
    let mut process = |seconds: usize| {
        for number in 0..seconds * 50 {
            processor.played(&frame(number));
            sent.clear();
            processor.recorded(&frame(number + 3), &mut sent);
        }
    };
    process(2);
    let (grown, count, largest) = allocations(|| process(4));
    println!("processing: {grown} bytes kept, {} allocations a frame, largest {largest} bytes", count / 200);
    assert!(grown <= 0, "{grown}");
    assert!(largest <= 4096, "{largest}");

    let mut encoder = Encoder::new(DEFAULT_BITRATE).unwrap();
    let buffer = Mutex::new(JitterBuffer::new());
    let mut listener = Listener::new().unwrap();
    let (mut now_us, mut number) = (0, 0);
    let mut heard = [0.0; FRAME_SAMPLES];
    let mut talk = |frames: usize| {
        for _ in 0..frames {
            let mut packet = [0; MAX_PACKET_BYTES];
            encoder.encode(&frame(number), &mut packet).unwrap();
            if number % 10 < 8 {
                let frames = Frames { frame: &packet[..encoder.packet_bytes()], copy: None };
                buffer.lock().unwrap().push(now_us, number as u16, frames);
            }
            listener.fill(now_us, &buffer, &mut heard);
            number += 1;
            now_us += 20_000;
        }
    };
    talk(100);
    assert_eq!(allocations(|| talk(500)).1, 0, "coding, buffering and concealing allocate nothing");
}
