//! The N-API border.
