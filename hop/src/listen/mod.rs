//! The daemon's end: listeners whose connections come with a verified identity.

mod unix;

use std::{future::Future, io, sync::Arc, time::Duration};

use futures::stream;
use tokio::{
    net::{TcpListener, TcpStream, UnixListener},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

pub(crate) use unix::peer_of;
pub use unix::{SocketError, SocketOptions};

use self::unix::BoundSocket;
use crate::{
    Endpoint, EndpointError, PeerIdentity, Stream,
    endpoint::HostPort,
    tls::{Tls, names_of},
};

/// Handshakes under way at once; further connections wait in the kernel's queue.
const MAX_HANDSHAKES: usize = 256;
/// Pause after a failed accept. Out of file descriptors, say, it would fail again at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How to listen.
#[derive(Clone)]
pub struct ListenOptions {
    /// Mode, group and so on of a Unix socket.
    pub socket: SocketOptions,
    /// This side's certificate and the CAs of the clients'. Required of `https://`.
    pub tls: Option<Arc<Tls>>,
    /// Most time a TLS handshake may take.
    pub handshake_timeout: Duration,
    /// Lets `http://` on loopback pass, without any protection.
    pub allow_insecure_loopback: bool,
}

impl Default for ListenOptions {
    fn default() -> Self {
        Self {
            socket: SocketOptions::default(),
            tls: None,
            handshake_timeout: Duration::from_secs(10),
            allow_insecure_loopback: false,
        }
    }
}

/// Why nothing listens.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says it")]
pub enum ListenError {
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    #[error(transparent)]
    Socket(#[from] SocketError),
    #[error("listening on {0} needs a certificate, a private key and a CA file for the clients' certificates")]
    TlsMissing(Endpoint),
    #[error("cannot listen on {endpoint}: {source}")]
    Bind { endpoint: Endpoint, source: io::Error },
}

/// A bound listener. Dropping it closes it; of a Unix socket the file goes too.
pub struct Listener {
    endpoint: Endpoint,
    source: Source,
    handshakes: JoinSet<Option<Stream>>,
}

enum Source {
    Unix(UnixListener, #[expect(dead_code, reason = "held for its Drop")] BoundSocket),
    Tls { listener: TcpListener, tls: Arc<Tls>, handshake_timeout: Duration },
    Plain(TcpListener),
}

impl Listener {
    /// Binds. A Unix socket left behind by a dead process is replaced, one of a living process is not.
    pub async fn bind(endpoint: &Endpoint, options: &ListenOptions) -> Result<Self, ListenError> {
        endpoint.require_secure(options.allow_insecure_loopback)?;
        let (endpoint, source) = match endpoint {
            Endpoint::Unix(path) => {
                let (listener, bound) = unix::bind(path, &options.socket)?;
                (endpoint.clone(), Source::Unix(listener, bound))
            }
            Endpoint::Tls(at) => {
                let tls = options.tls.clone().ok_or_else(|| ListenError::TlsMissing(endpoint.clone()))?;
                let (listener, at) = bind_tcp(endpoint, at).await?;
                (Endpoint::Tls(at), Source::Tls { listener, tls, handshake_timeout: options.handshake_timeout })
            }
            Endpoint::Plain(at) => {
                let (listener, at) = bind_tcp(endpoint, at).await?;
                (Endpoint::Plain(at), Source::Plain(listener))
            }
        };
        Ok(Self { endpoint, source, handshakes: JoinSet::new() })
    }

    /// Where it listens; a port of zero has become the real one.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The next verified connection. Faults of single connections and of the system are logged and outlived: this never
    /// fails. Cancel-safe.
    pub async fn accept(&mut self) -> Stream {
        loop {
            tokio::select! {
                Some(done) = self.handshakes.join_next() => {
                    if let Ok(Some(stream)) = done {
                        return stream;
                    }
                }
                accepted = self.source.accept(), if self.handshakes.len() < MAX_HANDSHAKES => match accepted {
                    Accepted::Ready(stream) => return stream,
                    Accepted::Refused(error) => tracing::warn!(endpoint = %self.endpoint, %error, "connection dropped"),
                    Accepted::Handshake(tcp, tls, limit) => {
                        self.handshakes.spawn(handshake(tcp, tls, limit));
                    }
                }
            }
        }
    }

    /// The connections as tonic's `serve_with_incoming` takes them; it has no end.
    pub fn into_incoming(self) -> impl futures::Stream<Item = io::Result<Stream>> + Send {
        stream::unfold(self, |mut this| async move {
            let stream = this.accept().await;
            Some((Ok(stream), this))
        })
    }
}

async fn bind_tcp(endpoint: &Endpoint, at: &HostPort) -> Result<(TcpListener, HostPort), ListenError> {
    let failed = |source| ListenError::Bind { endpoint: endpoint.clone(), source };
    let listener = TcpListener::bind((at.host.as_str(), at.port)).await.map_err(failed)?;
    let port = listener.local_addr().map_err(failed)?.port();
    Ok((listener, HostPort { host: at.host.clone(), port }))
}

enum Accepted {
    Ready(Stream),
    Handshake(TcpStream, TlsAcceptor, Duration),
    Refused(io::Error),
}

impl Source {
    async fn accept(&self) -> Accepted {
        match self {
            Self::Unix(listener, _) => {
                let (stream, _) = outlive(|| listener.accept()).await;
                match peer_of(&stream) {
                    Ok(peer) => Accepted::Ready(Stream::new(stream, peer)),
                    Err(error) => Accepted::Refused(error),
                }
            }
            Self::Tls { listener, tls, handshake_timeout } => {
                let (tcp, _) = outlive(|| listener.accept()).await;
                // The configuration of this moment: certificates may have changed since the last connection.
                Accepted::Handshake(tcp, TlsAcceptor::from(tls.server_config()), *handshake_timeout)
            }
            Self::Plain(listener) => {
                let (tcp, _) = outlive(|| listener.accept()).await;
                match tcp.set_nodelay(true) {
                    Ok(()) => Accepted::Ready(Stream::new(tcp, PeerIdentity::InsecureLoopback)),
                    Err(error) => Accepted::Refused(error),
                }
            }
        }
    }
}

/// Tries until it succeeds: an accept loop that ends with an error takes the whole daemon off the network.
async fn outlive<T, F: Future<Output = io::Result<T>>>(accept: impl Fn() -> F) -> T {
    loop {
        match accept().await {
            Ok(accepted) => return accepted,
            Err(error) => {
                tracing::warn!(%error, "accepting a connection failed");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn handshake(tcp: TcpStream, tls: TlsAcceptor, limit: Duration) -> Option<Stream> {
    let from = tcp.peer_addr().map_or_else(|_| "unknown".to_owned(), |address| address.to_string());
    match timeout(limit, verify(tcp, tls)).await {
        Ok(Ok(stream)) => return Some(stream),
        Ok(Err(error)) => tracing::warn!(peer = from, %error, "TLS handshake refused"),
        Err(_) => tracing::warn!(peer = from, ?limit, "TLS handshake took too long"),
    }
    None
}

async fn verify(tcp: TcpStream, tls: TlsAcceptor) -> io::Result<Stream> {
    tcp.set_nodelay(true)?;
    let stream = tls.accept(tcp).await?;
    let (_, session) = stream.get_ref();
    if session.alpn_protocol() != Some(b"h2") {
        return Err(io::Error::other("the client does not offer HTTP/2 (ALPN h2)"));
    }
    let names = session.peer_certificates().and_then(|chain| chain.first()).map(names_of).unwrap_or_default();
    Ok(Stream::new(stream, PeerIdentity::San(names)))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn accept_errors_do_not_end_the_loop() {
        let attempts = Cell::new(0);
        let accepted = outlive(|| {
            attempts.set(attempts.get() + 1);
            let attempt = attempts.get();
            async move { if attempt < 4 { Err(io::Error::other("too many open files")) } else { Ok(attempt) } }
        });
        assert_eq!(accepted.await, 4);
    }
}
