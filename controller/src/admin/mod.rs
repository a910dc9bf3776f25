//! The HTTPS server on 10258.

mod health;
pub(crate) mod tls;

pub use self::health::{Health, Scope};
