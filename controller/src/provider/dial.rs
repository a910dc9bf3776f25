//! How a connection to a daemon is opened. Everything about sockets, certificates and peer identities is behind this.

use std::{fmt, io, path::PathBuf, sync::Arc};

use futures::future::BoxFuture;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::UnixStream,
};

/// A byte stream to a daemon whose identity has been checked.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

type Open = dyn Fn() -> BoxFuture<'static, io::Result<Box<dyn Stream>>> + Send + Sync;

/// Opens connections to one daemon. Cheap to clone.
#[derive(Clone)]
pub struct Dialer(Arc<Open>);

impl Dialer {
    /// Opens connections with this function. It must have checked who the peer is before it answers.
    pub fn new<F>(open: F) -> Self
    where
        F: Fn() -> BoxFuture<'static, io::Result<Box<dyn Stream>>> + Send + Sync + 'static,
    {
        Self(Arc::new(open))
    }

    /// Opens connections to a Unix socket whose peer is not checked.
    pub fn unix(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self::new(move || {
            let path = path.clone();
            Box::pin(async move { Ok(Box::new(UnixStream::connect(path).await?) as Box<dyn Stream>) })
        })
    }

    /// A new connection.
    pub(super) async fn dial(&self) -> io::Result<Box<dyn Stream>> {
        (self.0)().await
    }
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dialer")
    }
}

/// A `--provider` endpoint.
#[derive(Clone, Debug)]
pub struct Remote {
    /// As written on the command line.
    pub endpoint: String,
    /// Opens connections to it.
    pub dialer: Dialer,
}
