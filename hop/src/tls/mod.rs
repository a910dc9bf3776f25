//! Mutual TLS: TLS 1.3 only, private CAs only, both sides verified, names pinned exactly, files reloaded while running.

mod material;
mod reload;
mod san;
mod verify;

pub use material::{TlsError, TlsFiles};
pub use reload::{Tls, TlsStatus};
pub use san::{San, SanError};

pub(crate) use san::names_of;
