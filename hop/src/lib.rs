//! The hop between the controller and a provider daemon: what both ends share.
//!
//! * [`Endpoint`]: where a daemon listens, as gRPC writes it.
//! * [`listen`] and [`connect`]: the two ends of a connection. Over a Unix socket the kernel says who the peer is, over
//!   TCP mutual TLS 1.3 does; neither side talks to a peer it cannot name.
//! * [`tls`]: certificates that reload from disk without dropping a call, and exact pinning of names.
//! * [`propagate`]: W3C trace context and request ids in gRPC metadata.
//! * [`telemetry`]: logs and OTLP traces, the same for every binary.
//!
//! This crate says who the peer *is*. What the peer may do is decided above it.

pub mod connect;
mod deadline;
mod endpoint;
mod files;
mod harden;
pub mod listen;
mod peer;
pub mod propagate;
mod stream;
pub mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;
pub mod tls;

pub use deadline::{GRPC_TIMEOUT, InvalidTimeout, grpc_timeout};
pub use endpoint::{Endpoint, EndpointError};
pub use files::ReloadTask;
pub use harden::harden_process;
pub use peer::PeerIdentity;
pub use stream::Stream;
