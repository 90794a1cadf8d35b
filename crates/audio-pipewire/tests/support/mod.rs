//! PipeWire and WirePlumber of the test's own, with null sinks that are plugged in and pulled out.

#![allow(clippy::unwrap_used, clippy::panic, unreachable_pub, dead_code)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const WAIT: Duration = Duration::from_secs(20);

/// Devices of the machine are none of the test's, and there is no D-Bus.
const SESSION: &str = r#"
alsa_monitor.enabled = false
v4l2_monitor.enabled = false
libcamera_monitor.enabled = false
default_access.properties["enable-flatpak-portal"] = false
"#;
const SERVER: &str = r#"
context.properties = { core.daemon = true core.name = pipewire-0 }
context.spa-libs = { audio.convert.* = audioconvert/libspa-audioconvert support.* = support/libspa-support }
context.modules = [
  { name = libpipewire-module-rt flags = [ ifexists nofail ] }
  { name = libpipewire-module-protocol-native }
  { name = libpipewire-module-metadata }
  { name = libpipewire-module-spa-node-factory }
  { name = libpipewire-module-client-node }
  { name = libpipewire-module-client-device }
  { name = libpipewire-module-access }
  { name = libpipewire-module-adapter }
  { name = libpipewire-module-link-factory }
  { name = libpipewire-module-session-manager }
]
context.objects = [
  { factory = spa-node-factory
    args = { factory.name = support.node.driver node.name = driver node.group = pipewire.dummy priority.driver = 20000 } }
]
"#;

/// Both daemons; gone, with their directory, when dropped.
pub struct Daemons {
    children: Vec<Child>,
    directory: PathBuf,
}

impl Daemons {
    /// Starts them, and makes this process find them. To be called before there are other threads.
    pub fn start(sinks: &[&str]) -> Self {
        let directory = std::env::temp_dir().join(format!("pipewire-test-{}", std::process::id()));
        for (file, text) in [
            ("wireplumber/main.lua.d/60-test.lua", SESSION),
            ("wireplumber/bluetooth.lua.d/60-test.lua", "bluez_monitor.enabled = false"),
            ("pipewire/test.conf", SERVER),
        ] {
            let file = directory.join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
        // SAFETY: no other thread runs yet in this process that reads the environment.
        unsafe {
            for variable in ["HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_STATE_HOME"] {
                std::env::set_var(variable, &directory);
            }
            for variable in ["DBUS_SESSION_BUS_ADDRESS", "PULSE_SERVER", "PIPEWIRE_REMOTE", "DISPLAY"] {
                std::env::remove_var(variable);
            }
        }
        let mut daemons = Self { children: Vec::new(), directory };
        daemons.restart(sinks);
        daemons
    }

    /// Starts them again after [`Self::kill`].
    pub fn restart(&mut self, sinks: &[&str]) {
        self.spawn(Command::new("pipewire").args(["-c", "test.conf"]), "pipewire");
        wait_until("pipewire answers", || tool("pw-cli", &["info", "0"]).is_some());
        self.spawn(&mut Command::new("wireplumber"), "wireplumber");
        for sink in sinks {
            self.plug(sink);
        }
        wait_until("wireplumber has chosen a default", || {
            tool("pw-metadata", &["0", "default.audio.sink"]).is_some_and(|it| it.contains("value:'{"))
        });
    }

    fn spawn(&mut self, command: &mut Command, name: &str) {
        let log = std::fs::File::create(self.directory.join(format!("{name}.log"))).unwrap();
        let child = command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn();
        match child {
            Ok(child) => self.children.push(child),
            Err(error) => panic!("this test needs {name} (scripts/setup --test installs it): {error}"),
        }
    }

    /// A null sink appears.
    pub fn plug(&self, name: &str) {
        let properties = format!(
            "{{ factory.name=support.null-audio-sink node.name={name} media.class=Audio/Sink audio.position=[MONO] object.linger=true }}"
        );
        tool("pw-cli", &["create-node", "adapter", &properties]).unwrap();
        wait_until(name, || number_of(name).is_some());
    }

    /// It goes.
    pub fn unplug(&self, name: &str) {
        tool("pw-cli", &["destroy", &number_of(name).unwrap()]).unwrap();
        wait_until(name, || number_of(name).is_none());
    }

    /// Ends the daemons at once, as a crash does.
    pub fn kill(&mut self) {
        for mut child in self.children.drain(..) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

impl Drop for Daemons {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for name in ["pipewire", "wireplumber"] {
                let log = std::fs::read_to_string(self.directory.join(format!("{name}.log")));
                println!("{name}: {}", log.unwrap_or_default());
            }
        }
        self.kill();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + WAIT;
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What a tool of PipeWire prints; `None` where it fails.
fn tool(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// PipeWire's number of a node.
fn number_of(name: &str) -> Option<String> {
    let listed = tool("pw-cli", &["ls", "Node"])?;
    let mut id = "";
    for line in listed.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix("id ") {
            id = rest.split(',').next()?;
        } else if line == format!("node.name = \"{name}\"") {
            return Some(id.to_owned());
        }
    }
    None
}
