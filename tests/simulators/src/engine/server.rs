//! Listens on loopback: HTTP/1.1 and HTTP/2, over TLS or plain on the same port.

use std::{io, net::SocketAddr, os::fd::OwnedFd, path::PathBuf, pin::Pin, sync::Arc, time::Duration};

use anyhow::Context as _;
use bytes::Bytes;
use http::{HeaderValue, Response, header::CONTENT_LENGTH};
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::BoxBody};
use hyper::{
    body::{Frame, Incoming},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    Answer, Cloud, Request, Simulator, control,
    simulator::Outcome,
    tls,
    traffic::{Stage, Traffic},
};

/// Where and how a cloud is served.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Where the control endpoint listens, if there is to be one.
    pub control: Option<SocketAddr>,
    /// Where the certificate of the authority that TLS clients have to trust is written, if anywhere.
    pub ca_file: Option<PathBuf>,
    /// Lets load balancers carry TCP; the number is the N of 127.N.0.0/16, whose addresses play the cloud's.
    pub traffic: Option<u8>,
}

impl Default for Settings {
    /// A free port of 127.0.0.1 and nothing else.
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 0)), control: None, ca_file: None, traffic: None }
    }
}

/// A cloud that is being served, for as long as a clone of this lives.
#[derive(Debug)]
pub struct Running<C: Cloud> {
    simulator: Arc<Simulator<C>>,
    address: SocketAddr,
    control: Option<SocketAddr>,
    ca: Arc<str>,
    /// Ends the serving when the last is dropped.
    stop: Arc<DropGuard>,
}

impl<C: Cloud> Clone for Running<C> {
    fn clone(&self) -> Self {
        Self {
            simulator: Arc::clone(&self.simulator),
            address: self.address,
            control: self.control,
            ca: Arc::clone(&self.ca),
            stop: Arc::clone(&self.stop),
        }
    }
}

impl<C: Cloud> std::ops::Deref for Running<C> {
    type Target = Simulator<C>;

    fn deref(&self) -> &Self::Target {
        &self.simulator
    }
}

impl<C: Cloud> Running<C> {
    /// Starts to serve a cloud on the runtime of the caller.
    ///
    /// # Errors
    /// When an address is taken or the CA's file cannot be written.
    pub async fn start(cloud: C, state: C::State, settings: Settings) -> anyhow::Result<Self> {
        let tls::Material { ca, config } = tls::issue(&cloud.names())?;
        if let Some(path) = &settings.ca_file {
            std::fs::write(path, &ca).with_context(|| format!("cannot write {}", path.display()))?;
        }
        let traffic = settings.traffic.map(Stage).map(Traffic::on_this_runtime);
        let simulator = Arc::new(Simulator::new(cloud, state, traffic));
        let stop = CancellationToken::new();
        let listener = bind(settings.listen).await?;
        let address = listener.local_addr()?;
        tokio::spawn(stop.clone().run_until_cancelled_owned(serve(listener, Arc::clone(&simulator), config)));
        let mut control = None;
        if let Some(at) = settings.control {
            let listener = bind(at).await?;
            control = Some(listener.local_addr()?);
            let serving = control::serve(listener, Arc::clone(&simulator));
            tokio::spawn(stop.clone().run_until_cancelled_owned(serving));
        }
        Ok(Self { simulator, address, control, ca: ca.into(), stop: Arc::new(stop.drop_guard()) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the control endpoint listens.
    pub fn control_address(&self) -> Option<SocketAddr> {
        self.control
    }

    /// Its base URL in plain HTTP.
    pub fn http(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its base URL over TLS.
    pub fn https(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The certificate of the authority that TLS clients have to trust, as PEM.
    pub fn ca(&self) -> &str {
        &self.ca
    }
}

async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))
}

async fn serve<C: Cloud>(listener: TcpListener, simulator: Arc<Simulator<C>>, config: Arc<ServerConfig>) {
    let mut connections = JoinSet::new();
    let acceptor = TlsAcceptor::from(config);
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, Arc::clone(&simulator), acceptor.clone()));
                }
                Err(error) => {
                    // Out of file descriptors, mostly: give the connections there are time to end.
                    tracing::warn!(%error, "cannot accept");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Serves a connection until either side ends it.
async fn connection<C: Cloud>(stream: TcpStream, simulator: Arc<Simulator<C>>, acceptor: TlsAcceptor) {
    let _counted = Counted::new(&simulator);
    if let Err(error) = speak(stream, &simulator, &acceptor).await {
        tracing::debug!(%error, "a connection failed");
    }
}

struct Counted<'a, C: Cloud>(&'a Simulator<C>);

impl<'a, C: Cloud> Counted<'a, C> {
    fn new(simulator: &'a Simulator<C>) -> Self {
        simulator.connected();
        Self(simulator)
    }
}

impl<C: Cloud> Drop for Counted<'_, C> {
    fn drop(&mut self) {
        self.0.disconnected();
    }
}

trait Stream: AsyncRead + AsyncWrite + Send {}

impl<T: AsyncRead + AsyncWrite + Send> Stream for T {}

async fn speak<C: Cloud>(
    stream: TcpStream,
    simulator: &Arc<Simulator<C>>,
    acceptor: &TlsAcceptor,
) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let socket = rustix::io::dup(&stream)?;
    let mut first = [0];
    // The first byte of a TLS handshake.
    let tls = stream.peek(&mut first).await? == 1 && first[0] == 0x16;
    let wire = Arc::new(Wire { socket, tls, cut: CancellationToken::new() });
    let stream: Pin<Box<dyn Stream>> = if tls { Box::pin(acceptor.accept(stream).await?) } else { Box::pin(stream) };
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new());
    let answer = service_fn(|request| respond(Arc::clone(simulator), Arc::clone(&wire), request));
    let served = builder.serve_connection(TokioIo::new(stream), answer);
    tokio::select! {
        served = served => served.map_err(|error| anyhow::anyhow!(error)),
        () = wire.cut.cancelled() => Ok(()),
    }
}

/// The connection below HTTP, for faults that end it.
struct Wire {
    /// A second hold on the socket, to set what is to happen when it closes.
    socket: OwnedFd,
    tls: bool,
    cut: CancellationToken,
}

type Body = BoxBody<Bytes, io::Error>;

async fn respond<C: Cloud>(
    simulator: Arc<Simulator<C>>,
    wire: Arc<Wire>,
    request: http::Request<Incoming>,
) -> Result<Response<Body>, hyper::Error> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    match simulator.handle(&Request::new(parts, body, wire.tls)).await {
        Outcome::Answer(answer) => {
            Ok(response(answer, |body| Full::new(body.clone()).map_err(|never| match never {}).boxed()))
        }
        Outcome::Cut(answer) => Ok(response(answer, half)),
        Outcome::Silence => std::future::pending().await,
        Outcome::Drop => wire.close(false).await,
        Outcome::Reset => wire.close(true).await,
    }
}

impl Wire {
    /// Ends the connection; the caller is not heard of again.
    async fn close<T>(&self, reset: bool) -> T {
        if reset {
            // A socket that may not linger is reset when it closes.
            let set = rustix::net::sockopt::set_socket_linger(&self.socket, Some(Duration::ZERO));
            set.expect("an open socket takes the option");
        }
        self.cut.cancel();
        std::future::pending().await
    }
}

fn response(answer: Answer, body: impl FnOnce(&Bytes) -> Body) -> Response<Body> {
    let mut response = Response::new(body(&answer.body));
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    if !answer.body.is_empty() {
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(answer.body.len()));
    }
    response
}

/// The first half of a body, and then the connection breaks.
fn half(body: &Bytes) -> Body {
    let start = body.slice(..body.len() / 2);
    let frames = [Ok(Frame::data(start)), Err(io::Error::from(io::ErrorKind::ConnectionAborted))];
    StreamBody::new(futures::stream::iter(frames)).boxed()
}
