//! One stream, for capture or for playback: 48 kHz, one channel, floats.
//!
//! PipeWire's own thread moves the buffers between its graph and two queues of the stream, without a lock; when one waits
//! for us, the loop of the thread that owns the connection wakes. So our samples are one period away from the graph, and
//! nothing of ours runs in PipeWire's thread. Not in it: which device is meant.

use std::cell::Cell;
use std::ptr::NonNull;
use std::rc::Rc;

use pipewire as pw;
use pw::core::CoreRc;
use pw::properties::properties;
use pw::spa::param::ParamType;
use pw::spa::param::audio::{AudioFormat, AudioInfoRaw};
use pw::spa::pod::serialize::PodSerializer;
use pw::spa::pod::{Object, Pod, Value};
use pw::spa::utils::{Direction, SpaTypes};
use pw::stream::{StreamFlags, StreamListener, StreamRc, StreamState};

use crate::nodes::Target;

const RATE: u32 = 48_000;
/// The period that is asked for, in samples: 2.7 ms. From writing to reading takes two of them.
const PERIOD: usize = 128;
const SAMPLE_BYTES: usize = size_of::<f32>();

pub(crate) struct Stream {
    // Before the stream, whose hooks it is in.
    _listener: StreamListener<()>,
    stream: StreamRc,
    /// Whether PipeWire has asked since we gave.
    due: Rc<Cell<bool>>,
    target: Option<Target>,
    /// A buffer in our hands, and how many of its samples are taken. Never kept while the loop runs.
    held: Option<(NonNull<pw::sys::pw_buffer>, usize)>,
}

impl Stream {
    /// Asks for a stream on a device, or on the default one.
    pub(crate) fn open(core: &CoreRc, output: bool, target: Option<Target>) -> Result<Self, pw::Error> {
        let (category, name) = if output { ("Playback", "loudspeaker") } else { ("Capture", "microphone") };
        let mut properties = properties! {
            *pw::keys::MEDIA_TYPE => "Audio",
            *pw::keys::MEDIA_CATEGORY => category,
            *pw::keys::MEDIA_ROLE => "Communication",
            *pw::keys::NODE_NAME => "voice",
            *pw::keys::NODE_LATENCY => format!("{PERIOD}/{RATE}"),
            *pw::keys::NODE_RATE => format!("1/{RATE}"),
        };
        if let Some(target) = &target {
            properties.insert(*pw::keys::TARGET_OBJECT, target.name.as_str());
            // Whoever has named a device wants to hear of its loss, and not another one.
            properties.insert(*pw::keys::NODE_DONT_RECONNECT, "true");
            if target.monitor {
                properties.insert(*pw::keys::STREAM_CAPTURE_SINK, "true");
            }
        }
        let stream = StreamRc::new(core.clone(), name, properties)?;
        let due = Rc::new(Cell::new(false));
        let asked = Rc::clone(&due);
        let listener = stream.add_local_listener::<()>().process(move |_, ()| asked.set(true)).register()?;
        let format = format();
        let pod = Pod::from_bytes(&format).ok_or(pw::Error::CreationFailed)?;
        let direction = if output { Direction::Output } else { Direction::Input };
        let flags = StreamFlags::AUTOCONNECT | StreamFlags::MAP_BUFFERS;
        stream.connect(direction, None, flags, &mut [pod])?;
        Ok(Self { _listener: listener, stream, due, target, held: None })
    }

    pub(crate) fn target(&self) -> Option<&Target> {
        self.target.as_ref()
    }

    /// Whether samples flow.
    ///
    /// # Errors
    /// What PipeWire says of a stream that failed.
    pub(crate) fn is_running(&self) -> Result<bool, String> {
        match self.stream.state() {
            StreamState::Streaming => Ok(true),
            StreamState::Error(reason) => Err(reason),
            _ => Ok(false),
        }
    }

    /// To be called before the loop runs, which may take buffers away.
    pub(crate) fn let_go(&mut self) {
        if let Some((buffer, _)) = self.held.take() {
            // SAFETY: of this stream, and dequeued.
            unsafe { self.stream.queue_raw_buffer(buffer.as_ptr()) };
        }
    }

    fn dequeue(&self) -> Option<NonNull<pw::sys::pw_buffer>> {
        // SAFETY: it is queued again by whoever gets it, or goes with the stream.
        NonNull::new(unsafe { self.stream.dequeue_raw_buffer() })
    }

    /// Takes what was recorded; how many samples.
    pub(crate) fn capture(&mut self, samples: &mut [f32]) -> usize {
        let mut count = 0;
        while count < samples.len() {
            let Some((buffer, taken)) = self.held.take().or_else(|| self.dequeue().map(|it| (it, 0))) else {
                break;
            };
            // SAFETY: the buffer is in our hands.
            let recorded = unsafe { recorded(buffer) }.get(taken..).unwrap_or_default();
            let length = recorded.len().min(samples.len() - count);
            for (sample, recorded) in samples[count..].iter_mut().zip(&recorded[..length]) {
                *sample = if recorded.is_finite() { *recorded } else { 0.0 };
            }
            count += length;
            self.held = Some((buffer, taken + length));
            if length == recorded.len() {
                self.let_go();
            }
        }
        count
    }

    /// How many samples the graph asks for, 0 where it has not asked.
    pub(crate) fn wanted(&mut self) -> usize {
        if self.held.is_none() && self.due.replace(false) {
            self.held = self.dequeue().map(|buffer| (buffer, 0));
        }
        let Some((buffer, _)) = self.held else { return 0 };
        // SAFETY: the buffer is in our hands.
        let (requested, room) = unsafe { (buffer.as_ref().requested, room(buffer).1) };
        let requested = if requested == 0 { PERIOD } else { requested as usize };
        requested.min(room)
    }

    /// Gives the samples for the buffer that [`Self::wanted`] has taken.
    pub(crate) fn play(&mut self, samples: &[f32]) {
        let Some((buffer, _)) = self.held else { return };
        // SAFETY: the buffer is in our hands, and has this much room.
        unsafe {
            let (start, room) = room(buffer);
            let count = samples.len().min(room);
            if count > 0 {
                std::ptr::copy_nonoverlapping(samples.as_ptr(), start, count);
                let chunk = &mut *(*(*buffer.as_ref().buffer).datas).chunk;
                (chunk.offset, chunk.stride) = (0, SAMPLE_BYTES as i32);
                chunk.size = (count * SAMPLE_BYTES) as u32;
            }
        }
        self.let_go();
    }
}

/// Start of a buffer's samples, and how many there is room for.
///
/// # Safety
/// The buffer is dequeued.
unsafe fn room(buffer: NonNull<pw::sys::pw_buffer>) -> (*mut f32, usize) {
    // SAFETY: a dequeued buffer has its descriptions; data are mapped, or null.
    unsafe {
        let buffer = buffer.as_ref().buffer;
        if (*buffer).n_datas == 0 || (*(*buffer).datas).data.is_null() {
            return (std::ptr::null_mut(), 0);
        }
        let data = &*(*buffer).datas;
        (data.data.cast(), data.maxsize as usize / SAMPLE_BYTES)
    }
}

/// The samples that a buffer of a capture stream has.
///
/// # Safety
/// The buffer is dequeued, and not queued again while the samples are used.
unsafe fn recorded<'a>(buffer: NonNull<pw::sys::pw_buffer>) -> &'a [f32] {
    // SAFETY: as above; offset and size are brought into the room that there is.
    unsafe {
        let (start, room) = room(buffer);
        if room == 0 {
            return &[];
        }
        let chunk = &*(*(*buffer.as_ref().buffer).datas).chunk;
        let offset = (chunk.offset as usize / SAMPLE_BYTES).min(room);
        let count = (chunk.size as usize / SAMPLE_BYTES).min(room - offset);
        std::slice::from_raw_parts(start.add(offset), count)
    }
}

/// The one format that we take, as PipeWire's parameter.
fn format() -> Vec<u8> {
    let mut info = AudioInfoRaw::new();
    info.set_format(AudioFormat::F32LE);
    info.set_rate(RATE);
    info.set_channels(1);
    let mut position = info.position();
    position[0] = pw::spa::sys::SPA_AUDIO_CHANNEL_MONO;
    info.set_position(position);
    let object = Object {
        type_: SpaTypes::ObjectParamFormat.as_raw(),
        id: ParamType::EnumFormat.as_raw(),
        properties: info.into(),
    };
    PodSerializer::serialize(std::io::Cursor::new(Vec::new()), &Value::Object(object))
        .map_or_else(|_| Vec::new(), |(cursor, _)| cursor.into_inner())
}
