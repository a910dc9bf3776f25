//! The HTTPS server on 10258.

pub(crate) mod tls;
