//! WAV files as mono samples of -1.0 to 1.0 at their own rate.

use std::path::{Path, PathBuf};

/// A mono recording.
#[derive(Clone, Debug)]
pub struct Recording {
    /// Samples per second.
    pub rate: u32,
    /// -1.0 to 1.0.
    pub samples: Vec<f32>,
}

/// The file cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}")]
pub struct WavError {
    path: PathBuf,
    source: hound::Error,
}

/// Reads a WAV file of 16, 24 or 32-bit integers or floats; of several channels the mean is taken.
///
/// # Errors
/// Not a readable WAV file.
pub fn read(path: &Path) -> Result<Recording, WavError> {
    read_samples(path).map_err(|source| WavError { path: path.to_owned(), source })
}

fn read_samples(path: &Path) -> Result<Recording, hound::Error> {
    let mut reader = hound::WavReader::open(path)?;
    let spec = reader.spec();
    let interleaved: Vec<f32> = match spec.sample_format {
        hound::SampleFormat::Float => reader.samples::<f32>().collect::<Result<_, _>>()?,
        hound::SampleFormat::Int => {
            let scale = 1.0 / (1u64 << (spec.bits_per_sample - 1)) as f32;
            reader.samples::<i32>().map(|it| it.map(|it| it as f32 * scale)).collect::<Result<_, _>>()?
        }
    };
    let channels = usize::from(spec.channels.max(1));
    let samples =
        interleaved.chunks_exact(channels).map(|frame| frame.iter().sum::<f32>() / channels as f32).collect();
    Ok(Recording { rate: spec.sample_rate, samples })
}

/// Writes 16-bit mono.
///
/// # Errors
/// The file cannot be written.
pub fn write(path: &Path, recording: &Recording) -> Result<(), WavError> {
    write_samples(path, recording).map_err(|source| WavError { path: path.to_owned(), source })
}

fn write_samples(path: &Path, recording: &Recording) -> Result<(), hound::Error> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: recording.rate,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec)?;
    for sample in to_i16(&recording.samples) {
        writer.write_sample(sample)?;
    }
    writer.finalize()
}

/// Samples as 16-bit integers.
pub fn to_i16(samples: &[f32]) -> Vec<i16> {
    samples.iter().map(|sample| (sample * 32_768.0).round().clamp(-32_768.0, 32_767.0) as i16).collect()
}
