//! KX: links, circuits, splicing and tunnels as one sans-IO state machine.
//!
//! [`engine::Engine`] is the whole of a KX peer. It takes datagrams, IP packets, commands and the time, and fills an
//! [`outbox::Outbox`]. Sockets, threads and the TUN device are in the crate `pump`; which peers a path takes is decided
//! in TypeScript (`src/kx`).

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

#[cfg(feature = "attacks")]
pub mod attacks;
pub mod certificate;
pub mod config;
pub mod control;
pub mod cookie;
pub mod counters;
pub mod dialing;
pub mod endpoint;
pub mod engine;
pub mod event;
pub mod exchange;
pub mod flows;
pub mod fragments;
pub mod hop;
pub mod ip;
pub mod links;
pub mod loss;
pub mod noise;
pub mod numbers;
pub mod outbox;
pub mod own;
pub mod parcel;
pub mod peer;
pub mod pieces;
pub mod registration;
pub mod relay;
pub mod shard;
pub mod tcp;
pub mod tunnels;
pub mod wire;
