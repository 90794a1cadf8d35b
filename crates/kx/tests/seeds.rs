//! Every committed seed of the fuzz targets, replayed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../../fuzz/src/inputs.rs"]
#[allow(unreachable_pub)]
mod inputs;
mod support;

use std::fs;
use std::path::Path;

#[test]
fn every_seed_of_every_fuzz_target_passes() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds");
    for (name, run) in inputs::TARGETS {
        let files: Vec<_> =
            fs::read_dir(seeds.join(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(files.len() >= 3, "seeds of {name}");
        for file in files {
            run(&fs::read(&file).unwrap());
        }
    }
}
