//! How a connection to a daemon is opened. Everything about sockets, certificates and peer identities is behind this.

use std::{fmt, io, sync::Arc};

use futures::future::BoxFuture;
use http::Uri;
use provider_hop::{
    Endpoint,
    connect::{ConnectConfigError, ConnectOptions, Connector},
};
use tokio::io::{AsyncRead, AsyncWrite};

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

    /// Opens connections as the hop does: peer uids over a Unix socket, mutual TLS and a pinned name over TCP.
    pub fn hop(connector: Connector) -> Self {
        Self::new(move || {
            let connector = connector.clone();
            Box::pin(async move {
                let stream = connector.connect().await.map_err(io::Error::other)?;
                Ok(Box::new(stream) as Box<dyn Stream>)
            })
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

impl Remote {
    /// The daemon at `endpoint`. Checks the options; connects to nothing yet.
    pub fn new(endpoint: &Endpoint, options: &ConnectOptions) -> Result<Self, ConnectConfigError> {
        let dialer = Dialer::hop(Connector::new(endpoint, options)?);
        Ok(Self { endpoint: endpoint.to_string(), dialer })
    }

    /// What calls name as their target. Servers of other languages refuse a path, so a socket is called `localhost`.
    pub(super) fn origin(&self) -> Uri {
        let remote = self.endpoint.parse().ok().filter(|uri: &Uri| uri.scheme().is_some() && uri.authority().is_some());
        remote.unwrap_or_else(|| Uri::from_static("http://localhost"))
    }
}
