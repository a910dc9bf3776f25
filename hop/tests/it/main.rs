//! The hop over real sockets: a tonic server behind a [`Listener`](provider_hop::listen::Listener), a tonic client before
//! it.

mod reload;
mod rig;
mod telemetry;
mod tls;
mod unix;
