//! The client's end: a gRPC channel to a daemon whose identity is checked on every connection.

mod channel;
mod connector;
mod link;
mod replay;

pub use channel::Channel;
pub use connector::{ConnectConfigError, ConnectError, ConnectOptions, Connector};
pub use link::{Link, LinkError, LinkOptions};
