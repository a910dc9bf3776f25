//! Making one connection and making sure who is at its other end.

use std::{collections::BTreeSet, error::Error, fmt::Write as _, io, path::Path, sync::Arc, time::Duration};

use rustls::CertificateError;
use rustls_pki_types::ServerName;
use tokio::{
    io::AsyncBufReadExt as _,
    net::{TcpStream, UnixStream},
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    Endpoint, EndpointError, PeerIdentity, Stream,
    endpoint::HostPort,
    tls::{San, SanError, Tls, names_of},
};

/// How long a server may take to say its first word before calls are sent to it all the same.
const VERDICT: Duration = Duration::from_secs(1);

/// How to reach a daemon, and who it has to be.
#[derive(Clone)]
pub struct ConnectOptions {
    /// Most time a connection may take to be made, handshake included.
    pub connect_timeout: Duration,
    /// Uids the process behind a Unix socket may have. Empty: only this process's own.
    pub allowed_server_uids: BTreeSet<u32>,
    /// This side's certificate and the CAs of the server's. Required of `https://`.
    pub tls: Option<Arc<Tls>>,
    /// The name the server's certificate must have. `None`: the endpoint's host.
    pub server_san: Option<San>,
    /// Lets `http://` on loopback pass, without any protection.
    pub allow_insecure_loopback: bool,
    /// Sent as `user-agent`.
    pub user_agent: String,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            allowed_server_uids: BTreeSet::new(),
            tls: None,
            server_san: None,
            allow_insecure_loopback: false,
            user_agent: concat!("provider-hop/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// Why a client cannot be set up: a fault in its configuration.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says it")]
pub enum ConnectConfigError {
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    #[error("{0} needs a certificate, a private key and a CA file: both sides of the connection are verified")]
    TlsMissing(Endpoint),
    #[error("the host of the endpoint cannot be pinned, name the server's SAN instead: {0}")]
    Pin(#[from] SanError),
    #[error("{0} makes no URI")]
    Uri(Endpoint),
    #[error("user agent {0:?} is no header value")]
    UserAgent(String),
}

/// Makes verified connections to one daemon. [`Channel`](super::Channel) is the usual way to use it.
#[derive(Clone)]
pub struct Connector(Arc<Target>);

struct Target {
    endpoint: Endpoint,
    way: Way,
    timeout: Duration,
}

enum Way {
    Unix { path: Box<Path>, allowed: BTreeSet<u32> },
    Tls { tls: Arc<Tls>, pin: San, at: HostPort },
    Plain { at: HostPort },
}

/// Why no connection could be made. The message has the endpoint and every cause.
#[derive(Clone, Debug, thiserror::Error)]
#[error("connecting to {endpoint}: {problem}")]
pub struct ConnectError {
    endpoint: Endpoint,
    problem: String,
}

impl Connector {
    /// Checks the options against the endpoint; connects to nothing yet.
    pub fn new(endpoint: &Endpoint, options: &ConnectOptions) -> Result<Self, ConnectConfigError> {
        endpoint.require_secure(options.allow_insecure_loopback)?;
        let way = match endpoint {
            Endpoint::Unix(path) => {
                Way::Unix { path: path.as_path().into(), allowed: allowed_uids(&options.allowed_server_uids) }
            }
            Endpoint::Tls(at) => Way::Tls {
                tls: options.tls.clone().ok_or_else(|| ConnectConfigError::TlsMissing(endpoint.clone()))?,
                pin: options.server_san.clone().map_or_else(|| at.host.parse(), Ok)?,
                at: at.clone(),
            },
            Endpoint::Plain(at) => Way::Plain { at: at.clone() },
        };
        Ok(Self(Arc::new(Target { endpoint: endpoint.clone(), way, timeout: options.connect_timeout })))
    }

    /// Connects and verifies the server.
    pub async fn connect(&self) -> Result<Stream, ConnectError> {
        let target = &*self.0;
        match timeout(target.timeout, target.way.connect()).await {
            Ok(outcome) => outcome.map_err(|problem| self.error(problem)),
            Err(_) => Err(self.error(format!("no answer within {:?}", target.timeout))),
        }
    }

    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.0.endpoint
    }

    pub(super) fn error(&self, problem: String) -> ConnectError {
        ConnectError { endpoint: self.0.endpoint.clone(), problem }
    }
}

fn allowed_uids(configured: &BTreeSet<u32>) -> BTreeSet<u32> {
    if configured.is_empty() { BTreeSet::from([rustix::process::geteuid().as_raw()]) } else { configured.clone() }
}

impl Way {
    async fn connect(&self) -> Result<Stream, String> {
        match self {
            Self::Unix { path, allowed } => connect_unix(path, allowed).await,
            Self::Tls { tls, pin, at } => connect_tls(at, tls, pin).await,
            Self::Plain { at } => Ok(Stream::new(connect_tcp(at).await?, PeerIdentity::InsecureLoopback)),
        }
    }
}

async fn connect_unix(path: &Path, allowed: &BTreeSet<u32>) -> Result<Stream, String> {
    let stream = UnixStream::connect(path).await.map_err(|error| causes(&error))?;
    let peer = crate::listen::peer_of(&stream).map_err(|error| causes(&error))?;
    match peer {
        PeerIdentity::Uid { uid, .. } if allowed.contains(&uid) => Ok(Stream::new(stream, peer)),
        peer => Err(format!("the server runs as {peer}, allowed are the uids {allowed:?}")),
    }
}

async fn connect_tcp(at: &HostPort) -> Result<TcpStream, String> {
    let stream = TcpStream::connect((at.host.as_str(), at.port)).await.map_err(|error| causes(&error))?;
    stream.set_nodelay(true).map_err(|error| causes(&error))?;
    Ok(stream)
}

async fn connect_tls(at: &HostPort, tls: &Tls, pin: &San) -> Result<Stream, String> {
    let tcp = connect_tcp(at).await?;
    // Sent as SNI where it is a DNS name; what is verified is the pin.
    let name = ServerName::try_from(at.host.clone()).map_err(|error| causes(&error))?;
    let connector = TlsConnector::from(tls.client_config(pin));
    let mut stream = connector.connect(name, tcp).await.map_err(|error| handshake_problem(&error))?;
    hear_verdict(&mut stream).await?;
    let (_, session) = stream.get_ref();
    if session.alpn_protocol() != Some(b"h2") {
        return Err("the server does not speak HTTP/2 (ALPN h2)".to_owned());
    }
    let names = session.peer_certificates().and_then(|chain| chain.first()).map(names_of).unwrap_or_default();
    Ok(Stream::new(stream, PeerIdentity::San(names)))
}

/// In TLS 1.3 a client is done before the server has looked at its certificate: a refusal comes as the first thing read,
/// or gets lost if the client has written meanwhile. HTTP/2 servers speak first, so a moment's patience makes the
/// refusal an error of the connection, with its reason.
async fn hear_verdict(stream: &mut TlsStream<TcpStream>) -> Result<(), String> {
    match timeout(VERDICT, stream.fill_buf()).await {
        Ok(Ok([])) => Err("the server closed the connection after the handshake".to_owned()),
        Ok(Err(error)) => Err(format!("refused after the handshake: {}", causes(&error))),
        // A server that waits for the client's first word is allowed, if unusual.
        Ok(Ok(_)) | Err(_) => Ok(()),
    }
}

/// Our own verifier's words, which rustls would print as a debugging structure.
fn handshake_problem(error: &io::Error) -> String {
    match error.get_ref().and_then(|inner| inner.downcast_ref()) {
        Some(rustls::Error::InvalidCertificate(CertificateError::Other(refusal))) => refusal.0.to_string(),
        _ => causes(error),
    }
}

/// An error with all its causes: gRPC passes on only one text.
pub(super) fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            let _ = write!(text, ": {cause_text}");
        }
        source = cause.source();
    }
    text
}
