//! What is said. Not in it: what becomes of it.

use std::path::Path;
use std::process::Command;

use lab::resample::resample;
use lab::wav;

const RATE: u32 = 48_000;
/// Where Debian's alsa-utils has a person's recorded prompts.
const PROMPTS: &str = "/usr/share/sounds/alsa";
const TEXT: &str = "The birch canoe slid on the smooth planks. Glue the sheet to the dark blue background. \
                    It is easy to tell the depth of a well. Four hours of steady work faced us.";
/// Before anybody speaks, so that the codec and the buffer are under way.
const LEAD: usize = 2 * RATE as usize;
const TAIL: usize = RATE as usize;

/// A person's words at 48 kHz, with silence before and after them.
pub(crate) struct Voice {
    pub(crate) name: &'static str,
    pub(crate) samples: Vec<f32>,
}

impl Voice {
    fn new(name: &'static str, words: Vec<f32>) -> Self {
        let peak = words.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
        let mut samples = vec![0.0; LEAD];
        samples.extend(words.iter().map(|sample| sample * 0.5 / peak.max(1e-6)));
        samples.extend([0.0; TAIL]);
        Self { name, samples }
    }

    /// Recorded from a person.
    pub(crate) fn human() -> Result<Self, Box<dyn std::error::Error>> {
        let mut names: Vec<_> = std::fs::read_dir(PROMPTS)
            .map_err(|error| format!("{PROMPTS} (install alsa-utils): {error}"))?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|it| it == "wav") && !path.ends_with("Noise.wav"))
            .collect();
        names.sort();
        let mut words = vec![];
        for name in names {
            let recording = wav::read(&name)?;
            words.extend(resample(&recording.samples, recording.rate, RATE));
        }
        Ok(Self::new("human", words))
    }

    /// Spoken by espeak-ng.
    pub(crate) fn synthetic() -> Result<Self, Box<dyn std::error::Error>> {
        let file = std::env::temp_dir().join(format!("voice-bench-{}.wav", std::process::id()));
        let status =
            Command::new("espeak-ng").args(["-v", "en", "-s", "150", "-w"]).arg(&file).arg(TEXT).status()?;
        if !status.success() {
            return Err("espeak-ng failed".into());
        }
        let recording = wav::read(Path::new(&file))?;
        std::fs::remove_file(&file)?;
        Ok(Self::new("synthetic", resample(&recording.samples, recording.rate, RATE)))
    }
}
