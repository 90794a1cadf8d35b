//! Placeholder root; see ARCHITECTURE.md.

pub mod layer;
