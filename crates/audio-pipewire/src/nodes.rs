//! The sound devices that PipeWire knows, and which of them are the defaults.
//!
//! Names are those of PipeWire's PulseAudio server, so that a configuration fits both: what a sink plays can be recorded
//! as `SINK.monitor`. Not in it: the connection that tells of them.

use pipewire::spa::utils::dict::DictRef;

/// A device: a node of one of the classes for sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    /// PipeWire's number, never given twice while anybody is connected.
    pub(crate) id: u32,
    pub(crate) name: String,
    pub(crate) description: String,
    plays: bool,
    records: bool,
}

/// What a stream is to be linked with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) id: u32,
    /// Name of the node.
    pub(crate) name: String,
    /// A sink, of which is recorded what it plays.
    pub(crate) monitor: bool,
}

/// A device as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) output: bool,
    pub(crate) default: bool,
    pub(crate) monitor: bool,
    pub(crate) name: String,
    pub(crate) description: String,
}

const MONITOR: &str = ".monitor";

#[derive(Debug, Default)]
pub(crate) struct Nodes {
    nodes: Vec<Node>,
    default_input: Option<String>,
    default_output: Option<String>,
}

impl Nodes {
    /// A node has come; others than sound devices are none of ours.
    pub(crate) fn add(&mut self, id: u32, properties: &DictRef) {
        self.insert(id, &|key| properties.get(key));
    }

    fn insert<'a>(&mut self, id: u32, property: &dyn Fn(&str) -> Option<&'a str>) {
        let (plays, records) = match property("media.class") {
            Some("Audio/Sink") => (true, false),
            Some("Audio/Source" | "Audio/Source/Virtual") => (false, true),
            Some("Audio/Duplex") => (true, true),
            _ => return,
        };
        let Some(name) = property("node.name") else { return };
        let description = property("node.description").unwrap_or(name);
        let (name, description) = (name.to_owned(), description.to_owned());
        self.nodes.push(Node { id, name, description, plays, records });
    }

    pub(crate) fn remove(&mut self, id: u32) {
        self.nodes.retain(|node| node.id != id);
    }

    pub(crate) fn has(&self, id: u32) -> bool {
        self.nodes.iter().any(|node| node.id == id)
    }

    /// The metadata object `default` says something: `value` is JSON with a name.
    pub(crate) fn set_default(&mut self, key: Option<&str>, value: Option<&str>) {
        let name = || {
            let json: serde_json::Value = serde_json::from_str(value?).ok()?;
            Some(json.get("name")?.as_str()?.to_owned())
        };
        match key {
            Some("default.audio.sink") => self.default_output = name(),
            Some("default.audio.source") => self.default_input = name(),
            _ => {}
        }
    }

    /// The device of a configured name.
    pub(crate) fn find(&self, output: bool, name: &str) -> Option<Target> {
        let node = |name: &str, fits: &dyn Fn(&Node) -> bool| {
            self.nodes.iter().find(|node| node.name == name && fits(node)).map(|node| node.id)
        };
        let target = |id, name: &str, monitor| Target { id, name: name.to_owned(), monitor };
        if output {
            return node(name, &|it| it.plays).map(|id| target(id, name, false));
        }
        let sink = name.strip_suffix(MONITOR);
        node(name, &|it| it.records)
            .map(|id| target(id, name, false))
            .or_else(|| sink.and_then(|sink| node(sink, &|it| it.plays).map(|id| target(id, sink, true))))
    }

    /// Name of the default device, empty where there is none.
    pub(crate) fn default_name(&self, output: bool) -> String {
        let listed = self.list();
        listed.into_iter().find(|it| it.output == output && it.default).map(|it| it.name).unwrap_or_default()
    }

    /// All devices, each direction and each monitor on its own.
    pub(crate) fn list(&self) -> Vec<Listed> {
        let mut listed = Vec::new();
        for Node { name, description, plays, records, .. } in &self.nodes {
            let mut add = |output, monitor| {
                let (suffix, prefix) = if monitor { (MONITOR, "Monitor of ") } else { ("", "") };
                let default = if output { &self.default_output } else { &self.default_input };
                let name = format!("{name}{suffix}");
                listed.push(Listed {
                    output,
                    monitor,
                    default: default.as_ref() == Some(&name),
                    name,
                    description: format!("{prefix}{description}"),
                });
            };
            if *records {
                add(false, false);
            }
            if *plays {
                add(true, false);
                add(false, true);
            }
        }
        // A sink as default source: what it plays.
        if let Some(sink) = &self.default_input
            && !listed.iter().any(|it| !it.output && it.default)
        {
            let monitor = format!("{sink}{MONITOR}");
            listed.iter_mut().filter(|it| it.monitor && it.name == monitor).for_each(|it| it.default = true);
        }
        listed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes() -> Nodes {
        let mut nodes = Nodes::default();
        for (id, class, name) in
            [(30, "Audio/Sink", "out"), (31, "Audio/Source", "in"), (32, "Stream/Output/Audio", "music")]
        {
            nodes.insert(id, &|key| match key {
                "media.class" => Some(class),
                "node.name" => Some(name),
                _ => None,
            });
        }
        nodes
    }

    #[test]
    fn a_sink_is_a_loudspeaker_and_its_monitor_a_microphone() {
        let nodes = nodes();
        let found = |output, name| nodes.find(output, name).map(|it| (it.id, it.monitor));
        assert_eq!(found(true, "out"), Some((30, false)));
        assert_eq!(found(false, "out.monitor"), Some((30, true)));
        assert_eq!(found(false, "in"), Some((31, false)));
        for (output, name) in
            [(false, "out"), (true, "in"), (true, "out.monitor"), (false, "in.monitor"), (true, "music")]
        {
            assert_eq!(found(output, name), None, "{name}");
        }
        let listed = nodes.list();
        let names: Vec<_> = listed.iter().map(|it| (it.output, it.name.as_str())).collect();
        assert_eq!(names, [(true, "out"), (false, "out.monitor"), (false, "in")]);
    }

    #[test]
    fn a_device_that_is_gone_is_not_found() {
        let mut nodes = nodes();
        nodes.remove(30);
        assert!(!nodes.has(30) && nodes.has(31));
        assert_eq!(nodes.find(true, "out"), None);
    }

    #[test]
    fn defaults_come_and_go() {
        let mut nodes = nodes();
        assert_eq!(nodes.default_name(true), "");
        nodes.set_default(Some("default.audio.sink"), Some(r#"{"name":"out"}"#));
        nodes.set_default(Some("default.audio.source"), Some(r#"{"name":"in"}"#));
        assert_eq!((nodes.default_name(true), nodes.default_name(false)), ("out".into(), "in".into()));
        nodes.set_default(Some("default.audio.source"), Some(r#"{"name":"out"}"#));
        assert_eq!(nodes.default_name(false), "out.monitor");
        nodes.set_default(Some("default.audio.sink"), None);
        nodes.set_default(Some("default.audio.source"), Some("no JSON"));
        nodes.set_default(None, None);
        assert_eq!((nodes.default_name(true), nodes.default_name(false)), (String::new(), String::new()));
    }
}
