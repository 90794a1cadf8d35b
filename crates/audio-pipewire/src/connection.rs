//! A connection to PipeWire with a capture and a playback stream, driven by the thread that made it.
//!
//! Invariants: nothing waits but [`Connection::step`]; a daemon that dies is what the next step reports. A named device
//! is one that is there: a stream on it ends when it goes. Not in it: retrying.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use audio_backend::Device;
use pipewire as pw;
use pw::context::ContextRc;
use pw::core::CoreRc;
use pw::main_loop::MainLoopRc;
use pw::metadata::Metadata;
use pw::properties::{PropertiesBox, properties};
use pw::registry::RegistryRc;
use pw::types::ObjectType;

use crate::nodes::Nodes;
use crate::stream::Stream;

/// Round trips after which devices and defaults are known: the globals, then what the metadata among them say.
const ROUNDS: u32 = 2;

/// What the daemon tells us.
#[derive(Default)]
struct Heard {
    nodes: RefCell<Nodes>,
    rounds: Cell<u32>,
    /// Why the connection has ended.
    ended: RefCell<Option<String>>,
    /// Proxies of metadata and their listeners, which must live.
    kept: RefCell<Vec<Box<dyn Any>>>,
}

/// The order of the fields is the order in which they go.
pub(crate) struct Connection {
    streams: [Option<Stream>; 2],
    heard: Rc<Heard>,
    asked: u32,
    _listeners: (pw::core::Listener, pw::registry::Listener),
    _registry: RegistryRc,
    core: CoreRc,
    main_loop: MainLoopRc,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.streams = [None, None];
        self.heard.kept.borrow_mut().clear();
    }
}

impl Connection {
    /// Begins to connect.
    ///
    /// # Errors
    /// There is no PipeWire for this user.
    pub(crate) fn new() -> Result<Self, String> {
        let failed = |error: pw::Error| format!("no PipeWire: {error}");
        let main_loop = MainLoopRc::new(None).map_err(failed)?;
        // The first has PipeWire's own thread in real time; it was folded into the usual one later.
        let context = ContextRc::new(&main_loop, Some(client(Some("client-rt.conf"))))
            .or_else(|_| ContextRc::new(&main_loop, Some(client(None))))
            .map_err(failed)?;
        let core = context.connect_rc(None).map_err(failed)?;
        let registry = core.get_registry_rc().map_err(failed)?;
        let heard = Rc::new(Heard::default());
        let listeners = (listen(&core, &heard), watch(&registry, &heard));
        core.sync(0).map_err(failed)?;
        Ok(Self {
            streams: [None, None],
            heard,
            asked: 1,
            _listeners: listeners,
            _registry: registry,
            core,
            main_loop,
        })
    }

    /// Waits at most so long for something to happen, and handles it.
    ///
    /// # Errors
    /// The connection has ended.
    pub(crate) fn step(&mut self, ms: u32) -> Result<(), String> {
        self.streams.iter_mut().flatten().for_each(Stream::let_go);
        let limit = Duration::from_millis(u64::from(ms.min(1_000)));
        self.main_loop.loop_().iterate(pw::loop_::Timeout::Finite(limit));
        if let Some(reason) = self.heard.ended.borrow().as_ref() {
            return Err(reason.clone());
        }
        if self.asked < ROUNDS && self.heard.rounds.get() == self.asked {
            self.asked += 1;
            self.core.sync(0).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.heard.rounds.get() >= ROUNDS
    }

    /// Opens a stream on the named device or the default one.
    ///
    /// # Errors
    /// There is no such device, or PipeWire refuses.
    pub(crate) fn open(&mut self, output: bool, name: Option<&str>) -> Result<(), String> {
        self.streams[usize::from(output)] = None;
        let target = match name {
            Some(name) => {
                Some(self.heard.nodes.borrow().find(output, name).ok_or("there is no such device")?)
            }
            None => None,
        };
        let stream = Stream::open(&self.core, output, target).map_err(|error| error.to_string())?;
        self.streams[usize::from(output)] = Some(stream);
        Ok(())
    }

    /// Whether there is such a device.
    pub(crate) fn is_there(&self, output: bool, name: &str) -> bool {
        self.heard.nodes.borrow().find(output, name).is_some()
    }

    /// Whether the stream runs.
    ///
    /// # Errors
    /// It has failed, or its device is gone; so is the stream then.
    pub(crate) fn check(&mut self, output: bool) -> Result<bool, String> {
        let slot = &mut self.streams[usize::from(output)];
        let Some(stream) = slot else { return Ok(false) };
        let gone = stream.target().is_some_and(|target| !self.heard.nodes.borrow().has(target.id));
        let checked = if gone { Err("the device was removed".to_owned()) } else { stream.is_running() };
        if checked.is_err() {
            *slot = None;
        }
        checked
    }

    /// Name of the stream's device, empty where it has none.
    pub(crate) fn device_name(&self, output: bool) -> String {
        match self.streams[usize::from(output)].as_ref().map(Stream::target) {
            Some(Some(target)) if target.monitor => format!("{}.monitor", target.name),
            Some(Some(target)) => target.name.clone(),
            Some(None) => self.heard.nodes.borrow().default_name(output),
            None => String::new(),
        }
    }

    pub(crate) fn capture(&mut self, samples: &mut [f32]) -> usize {
        self.streams[0].as_mut().map_or(0, |stream| stream.capture(samples))
    }

    pub(crate) fn wanted(&mut self) -> usize {
        self.streams[1].as_mut().map_or(0, Stream::wanted)
    }

    pub(crate) fn play(&mut self, samples: &[f32]) {
        if let Some(stream) = &mut self.streams[1] {
            stream.play(samples);
        }
    }

    /// Describes the device of this number.
    pub(crate) fn device(&self, number: usize, device: &mut Device) -> bool {
        let listed = self.heard.nodes.borrow().list();
        let Some(listed) = listed.get(number) else { return false };
        (device.output, device.default, device.monitor) = (listed.output, listed.default, listed.monitor);
        device.name.set(&listed.name);
        device.description.set(&listed.description);
        true
    }
}

fn client(configuration: Option<&str>) -> PropertiesBox {
    let mut properties = properties! { *pw::keys::APP_NAME => "voice" };
    if let Some(name) = configuration {
        properties.insert(*pw::keys::CONFIG_NAME, name);
    }
    properties
}

fn listen(core: &CoreRc, heard: &Rc<Heard>) -> pw::core::Listener {
    let (round, end) = (Rc::clone(heard), Rc::clone(heard));
    core.add_listener_local()
        .done(move |_, _| round.rounds.set(round.rounds.get() + 1))
        .error(move |id, _, result, message| {
            // All others are of objects, whose own states tell.
            if id == pw::core::PW_ID_CORE && result == -libc::EPIPE {
                *end.ended.borrow_mut() = Some(message.to_owned());
            }
        })
        .register()
}

fn watch(registry: &RegistryRc, heard: &Rc<Heard>) -> pw::registry::Listener {
    let (came, went) = (Rc::clone(heard), Rc::clone(heard));
    let binder = registry.downgrade();
    registry
        .add_listener_local()
        .global(move |global| match (&global.type_, global.props) {
            (ObjectType::Node, Some(properties)) => came.nodes.borrow_mut().add(global.id, properties),
            (ObjectType::Metadata, Some(properties))
                if properties.get("metadata.name") == Some("default") =>
            {
                let bound = binder.upgrade().and_then(|registry| registry.bind::<Metadata, _>(global).ok());
                let Some(metadata) = bound else { return };
                let told = Rc::downgrade(&came);
                let listener = metadata
                    .add_listener_local()
                    .property(move |_, key, _, value| {
                        if let Some(heard) = told.upgrade() {
                            heard.nodes.borrow_mut().set_default(key, value);
                        }
                        0
                    })
                    .register();
                came.kept.borrow_mut().push(Box::new((listener, metadata)));
            }
            _ => {}
        })
        .global_remove(move |id| went.nodes.borrow_mut().remove(id))
        .register()
}
