//! Connections: one pool, whatever the number of calls.

use std::{
    collections::HashMap,
    error::Error as _,
    fmt::Write as _,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode};
use reqwest::{Proxy, Url, redirect::Policy};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{Executed, Kind};

mod roots;

/// An answer longer than this is not read to its end.
const LONGEST_BODY: usize = 64 << 20;

/// How the cloud is reached.
#[derive(Clone, Debug)]
pub struct TransportSettings {
    /// Longest wait for a connection, TLS included.
    pub connect_timeout: Duration,
    /// Longest time of one attempt, from its begin to the last byte of the answer.
    pub timeout: Duration,
    /// Files of PEM certificates trusted beside the system's and those of `SSL_CERT_FILE`.
    pub ca_files: Vec<PathBuf>,
    /// A proxy for all calls: `http://proxy.example.com:3128`.
    pub proxy: Option<String>,
    /// Whether `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` apply when no proxy is named.
    pub proxy_from_environment: bool,
    /// The `User-Agent` header.
    pub user_agent: String,
    /// The most calls under way to one host, and so the most connections.
    pub calls_per_host: usize,
}

impl Default for TransportSettings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            timeout: Duration::from_mins(1),
            ca_files: Vec::new(),
            proxy: None,
            proxy_from_environment: false,
            user_agent: concat!("cloud-rest/", env!("CARGO_PKG_VERSION")).to_owned(),
            calls_per_host: 8,
        }
    }
}

/// Why there is no transport.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// A file of certificates cannot be used.
    #[error("CA file {}: {cause}", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// The proxy's address is none.
    #[error("proxy: {0}")]
    Proxy(String),
    /// TLS or HTTP cannot be set up.
    #[error("HTTP client: {0}")]
    Setup(String),
}

/// A pool of connections. Clones share it.
#[derive(Clone, Debug)]
pub struct Transport {
    http: reqwest::Client,
    calls_per_host: usize,
    slots: Arc<Mutex<HashMap<String, Arc<Semaphore>>>>,
}

/// A whole answer, of whatever status.
#[derive(Debug)]
pub(crate) struct Response {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Broken {
    pub kind: Kind,
    pub executed: Executed,
    pub message: String,
}

impl Transport {
    /// Sets it up; connections are made when they are needed. Reads the CA files.
    pub fn new(settings: &TransportSettings) -> Result<Self, TransportError> {
        let tls = roots::client_config(&settings.ca_files)?;
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            // A redirect would be followed with a signature made for another address.
            .redirect(Policy::none())
            // Repeats are decided where the call's effect is known.
            .retry(reqwest::retry::never())
            .referer(false)
            .user_agent(&settings.user_agent)
            .connect_timeout(settings.connect_timeout)
            .timeout(settings.timeout)
            .pool_max_idle_per_host(settings.calls_per_host)
            // Below what gateways keep an idle connection for, so that it is we who close it.
            .pool_idle_timeout(Duration::from_secs(50))
            .tcp_keepalive(Duration::from_secs(30));
        match &settings.proxy {
            Some(proxy) => {
                let proxy = Proxy::all(proxy).map_err(|_| TransportError::Proxy("not a URL".to_owned()))?;
                builder = builder.no_proxy().proxy(proxy);
            }
            None if !settings.proxy_from_environment => builder = builder.no_proxy(),
            None => {}
        }
        let http = builder.build().map_err(|error| TransportError::Setup(chain(&error)))?;
        Ok(Self { http, calls_per_host: settings.calls_per_host.max(1), slots: Arc::default() })
    }

    /// Sends one request and reads the answer to its end. Waits while too many calls to that host are under way.
    pub(crate) async fn send(
        &self,
        request: http::Request<Bytes>,
        within: Option<Duration>,
    ) -> Result<Response, Broken> {
        let exchange = async {
            let mut request = reqwest::Request::try_from(request).map_err(|error| unsent(&error))?;
            *request.version_mut() = http::Version::default();
            let _slot = self.slot(request.url()).await;
            self.exchange(request).await
        };
        match within {
            None => exchange.await,
            Some(within) => tokio::time::timeout(within, exchange).await.unwrap_or_else(|_| {
                Err(Broken {
                    kind: Kind::Timeout,
                    executed: Executed::Unknown,
                    message: "no answer before the caller's deadline".to_owned(),
                })
            }),
        }
    }

    /// Sends a request as it is, unsigned: to a machine's metadata service. The error says why there is no answer.
    pub async fn plain(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, String> {
        let Response { status, headers, body } = self.send(request, None).await.map_err(|broken| broken.message)?;
        let mut response = http::Response::new(body);
        (*response.status_mut(), *response.headers_mut()) = (status, headers);
        Ok(response)
    }

    async fn exchange(&self, request: reqwest::Request) -> Result<Response, Broken> {
        let mut response = self.http.execute(request).await.map_err(|error| broken(&error))?;
        let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| broken(&error))? {
            if body.len() + chunk.len() > LONGEST_BODY {
                return Err(Broken {
                    kind: Kind::Garbled,
                    executed: Executed::Unknown,
                    message: format!("the answer is longer than {LONGEST_BODY} bytes"),
                });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Response { status, headers, body: body.freeze() })
    }

    async fn slot(&self, url: &Url) -> OwnedSemaphorePermit {
        let host = url.origin().ascii_serialization();
        let slots = {
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            slots.entry(host).or_insert_with(|| Arc::new(Semaphore::new(self.calls_per_host))).clone()
        };
        slots.acquire_owned().await.expect("never closed")
    }
}

fn unsent(error: &reqwest::Error) -> Broken {
    Broken { kind: Kind::Invalid, executed: Executed::No, message: chain(error) }
}

fn broken(error: &reqwest::Error) -> Broken {
    let kind = if error.is_timeout() { Kind::Timeout } else { Kind::Connect };
    let executed = if error.is_connect() { Executed::No } else { Executed::Unknown };
    Broken { kind, executed, message: chain(error) }
}

/// The innermost reasons count ("certificate has expired"), and the URL, which may hold ids, is left out.
fn chain(error: &reqwest::Error) -> String {
    let mut text = String::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, "{}{error}", if text.is_empty() { "" } else { ": " });
        cause = error.source();
    }
    if text.is_empty() { "the HTTP exchange failed".to_owned() } else { text }
}
