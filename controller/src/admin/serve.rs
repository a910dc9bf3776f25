//! Connections and requests: TLS, who calls, what they may do, the page.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use rustls::pki_types::CertificateDer;
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::Semaphore,
};
use tokio_rustls::TlsAcceptor;

use super::{
    authenticate::Authenticator,
    authorize::Authorizer,
    endpoints::{Answer, Asked, Endpoints, label, status},
};
use crate::{config::AdminConfig, metrics::Metrics};

/// Longest handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Longest time for the head of a request, and for its body.
const READ: Duration = Duration::from_secs(32);
/// Longest body: only the log level is ever sent.
const BODY: usize = 4096;
/// Most connections at once.
const CONNECTIONS: usize = 512;
/// Wait after a failed accept, which mostly means too many open files.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Answers requests.
pub(super) struct Site {
    pub(super) authenticator: Authenticator,
    pub(super) authorizer: Authorizer,
    pub(super) endpoints: Endpoints,
    pub(super) metrics: Arc<Metrics>,
}

/// Opens the port.
pub(super) fn bind(settings: &AdminConfig) -> anyhow::Result<TcpListener> {
    let address = SocketAddr::new(settings.address, settings.port);
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Connections of a process that ran before linger in the kernel; they do not keep this one from listening.
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(settings.share_port)?;
    socket.bind(address).with_context(|| {
        format!("--bind-address={} --secure-port={} cannot be listened on", settings.address, settings.port)
    })?;
    Ok(socket.listen(1024)?)
}

/// Serves until the process ends.
pub(super) async fn serve(listener: TcpListener, tls: TlsAcceptor, http2_max_streams: Option<u32>, site: Arc<Site>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(READ);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(Duration::from_secs(30));
    if let Some(most) = http2_max_streams {
        builder.http2().max_concurrent_streams(most);
    }
    loop {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let (tls, builder, site) = (tls.clone(), builder.clone(), Arc::clone(&site));
                tokio::spawn(async move {
                    connection(stream, &tls, &builder, site).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection to the HTTPS server could not be taken");
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, tls: &TlsAcceptor, builder: &auto::Builder<TokioExecutor>, site: Arc<Site>) {
    // Probes and scrapes are a packet each way.
    let _ = stream.set_nodelay(true);
    let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await else { return };
    let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let chain: Arc<[CertificateDer<'static>]> = chain.iter().cloned().collect();
    let service = service_fn(move |request| {
        let (site, chain) = (Arc::clone(&site), Arc::clone(&chain));
        async move { Ok::<_, std::convert::Infallible>(site.answer(&chain, request).await) }
    });
    if let Err(error) = builder.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "a connection to the HTTPS server ended");
    }
}

impl Site {
    async fn answer(&self, chain: &[CertificateDer<'static>], request: Request<Incoming>) -> Answer {
        let (head, body) = request.into_parts();
        let path = head.uri.path();
        let mut answer = match self.admit(chain, &head).await {
            Ok(()) => self.page(&head, body).await,
            Err(refusal) => refusal,
        };
        let headers = answer.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        self.metrics.app.admin_requests.with([label(path), answer.status().as_str()]).inc();
        answer
    }

    async fn admit(&self, chain: &[CertificateDer<'static>], head: &http::request::Parts) -> Result<(), Answer> {
        let Ok(user) = self.authenticator.user(chain, &head.headers).await else {
            return Err(status(StatusCode::UNAUTHORIZED, "Unauthorized", "Unauthorized"));
        };
        let (verb, path) = (head.method.as_str().to_ascii_lowercase(), head.uri.path());
        if self.authorizer.allows(&user, &verb, path).await {
            return Ok(());
        }
        let message = format!("forbidden: User {:?} cannot {verb} path {path:?}", user.name);
        Err(status(StatusCode::FORBIDDEN, "Forbidden", &message))
    }

    async fn page(&self, head: &http::request::Parts, body: Incoming) -> Answer {
        let body = match tokio::time::timeout(READ, Limited::new(body, BODY).collect()).await {
            Ok(Ok(body)) => body.to_bytes(),
            _ => return status(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", "the body is too long"),
        };
        let body: Bytes = body;
        self.endpoints.answer(&Asked {
            method: &head.method,
            path: head.uri.path(),
            query: head.uri.query().unwrap_or_default(),
            headers: &head.headers,
            body: &body,
        })
    }
}
