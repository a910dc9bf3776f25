//! One HTTP/2 connection, and for every call that fails on it the answer to one question: can the server have begun with
//! it?

use std::{
    error::Error,
    fmt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures::future::BoxFuture;
use http::{HeaderValue, Request, Response, Uri, header::USER_AGENT, uri};
use hyper::{
    body::{Bytes, Frame, Incoming, SizeHint},
    client::conn::http2::{Builder, SendRequest},
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tonic::{Status, body::Body};
use tower::Service;

use super::connector::causes;
use crate::{Endpoint, propagate};

const MIB: u32 = 1 << 20;
/// How long a connection may be silent before the peer is asked whether it lives, also while nothing is under way: a
/// stopped machine says no good-bye.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// How long the peer may take to answer that.
const KEEP_ALIVE_ANSWER: Duration = Duration::from_secs(10);

/// How a connection is used.
#[derive(Clone, Debug)]
pub struct LinkOptions {
    /// Scheme and authority of calls that name none. `http://localhost` for a Unix socket: servers of other languages
    /// refuse a path.
    pub origin: Uri,
    /// Sent as `user-agent`.
    pub user_agent: HeaderValue,
    /// Whether a silent peer is asked if it lives. Not needed on a Unix socket, where the kernel tells.
    pub keep_alive: bool,
}

impl LinkOptions {
    /// Suited to an endpoint. `None` when its host makes no URI.
    pub fn of(endpoint: &Endpoint, user_agent: HeaderValue) -> Option<Self> {
        let (origin, keep_alive) = match endpoint {
            Endpoint::Unix(_) => ("http://localhost".to_owned(), false),
            Endpoint::Tls(_) | Endpoint::Plain(_) => (endpoint.to_string(), true),
        };
        Some(Self { origin: origin.parse().ok()?, user_agent, keep_alive })
    }
}

/// Why a call got no answer over its connection.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The connection took no more calls: this one was not begun with, and can be sent over another.
    #[error("the connection was closed before the call was sent")]
    NotSent,
    /// The connection was lost after the call was sent.
    #[error("the connection was lost: {}", causes(.0))]
    Lost(#[source] hyper::Error),
}

/// One connection. Clones share it; it stays the same one, and is not replaced when it ends. [`Channel`](super::Channel)
/// does that.
#[derive(Clone)]
pub struct Link {
    requests: SendRequest<Outgoing>,
    options: Arc<LinkOptions>,
    /// It takes no more calls.
    closed: CancellationToken,
    /// It is over: nothing queued will be sent any more. `closed` too, then.
    over: CancellationToken,
}

impl Link {
    /// Speaks HTTP/2 over `io`, whose peer has been verified.
    pub async fn open<I>(io: I, options: LinkOptions) -> Result<Self, hyper::Error>
    where
        I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (requests, connection) = http2(&options).handshake(TokioIo::new(io)).await?;
        let over = CancellationToken::new();
        let guard = over.clone().drop_guard();
        // Ends with the connection, at the latest when the last clone of the link and the last answer are gone.
        tokio::spawn(async move {
            let outcome = connection.await;
            if let Err(error) = outcome {
                tracing::debug!(error = %causes(&error), "connection ended");
            }
            drop(guard);
        });
        Ok(Self { requests, options: Arc::new(options), closed: over.child_token(), over })
    }

    /// What calls name as their target when they name none.
    pub fn origin(&self) -> Uri {
        self.options.origin.clone()
    }

    /// Whether the connection takes no more calls. Those under way may still be answered.
    pub fn is_closed(&self) -> bool {
        self.requests.is_closed() || self.closed.is_cancelled()
    }

    /// Waits until the connection takes no more calls.
    pub async fn closed(&self) {
        self.closed.cancelled().await;
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("origin", &self.options.origin)
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

fn http2(options: &LinkOptions) -> Builder<TokioExecutor> {
    let mut http2 = Builder::new(TokioExecutor::new());
    http2
        .timer(TokioTimer::new())
        // Answers about 5,000 machines have some MiB: let them flow without a round trip per 64 KiB.
        .initial_stream_window_size(MIB)
        .initial_connection_window_size(4 * MIB);
    if options.keep_alive {
        http2.keep_alive_interval(KEEP_ALIVE).keep_alive_timeout(KEEP_ALIVE_ANSWER).keep_alive_while_idle(true);
    }
    http2
}

impl Service<Request<Body>> for Link {
    type Response = Response<Incoming>;
    type Error = LinkError;
    type Future = BoxFuture<'static, Result<Self::Response, LinkError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), LinkError>> {
        self.requests.poll_ready(cx).map_err(|_| LinkError::NotSent)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        request.headers_mut().insert(USER_AGENT, self.options.user_agent.clone());
        propagate::inject(request.headers_mut());
        aim(request.uri_mut(), &self.options.origin);
        let begun = Arc::new(AtomicBool::new(false));
        let outgoing = |body| Outgoing { body, begun: begun.clone() };
        let answer = self.requests.try_send_request(request.map(outgoing));
        let (closed, over) = (self.closed.clone(), self.over.clone());
        Box::pin(async move {
            let answer = tokio::select! {
                biased;
                answer = answer => answer.map_err(|mut failed| {
                    let unsent = failed.take_message().is_some();
                    let error = failed.into_error();
                    if unsent || not_begun(&error) { LinkError::NotSent } else { LinkError::Lost(error) }
                }),
                () = overlooked(over, begun) => Err(LinkError::NotSent),
            };
            if matches!(answer, Err(LinkError::NotSent)) {
                // A good-bye was heard; the next call must not meet it again.
                closed.cancel();
            }
            answer
        })
    }
}

/// Fills in where a call goes, if it does not say.
fn aim(target: &mut Uri, origin: &Uri) {
    if target.authority().is_some() {
        return;
    }
    let mut parts = std::mem::take(target).into_parts();
    let origin = uri::Parts::from(origin.clone());
    (parts.scheme, parts.authority) = (origin.scheme, origin.authority);
    // Cannot fail: a path comes from a call, scheme and authority from a valid URI.
    *target = Uri::from_parts(parts).unwrap_or_default();
}

/// The server has said that it did not look at the request: it refused the stream, or it came after a graceful good-bye.
fn not_begun(error: &hyper::Error) -> bool {
    let Some(h2) = error.source().and_then(|source| source.downcast_ref::<h2::Error>()) else { return false };
    h2.is_remote()
        && match h2.reason() {
            Some(h2::Reason::REFUSED_STREAM) => true,
            Some(h2::Reason::NO_ERROR) => h2.is_go_away(),
            _ => false,
        }
}

/// Ends when the connection is over and has never looked at the request.
///
/// A request queued at the very moment the connection ends can stay in the queue, which lives as long as a handle on the
/// connection does, and the call that waits has one: without this it would wait for its deadline.
async fn overlooked(over: CancellationToken, begun: Arc<AtomicBool>) {
    over.cancelled().await;
    if begun.load(Ordering::Acquire) {
        std::future::pending::<()>().await;
    }
}

/// A request's body that notes when the connection takes it up: it is looked at first thing then, and never before.
struct Outgoing {
    body: Body,
    begun: Arc<AtomicBool>,
}

impl Outgoing {
    fn note(&self) {
        self.begun.store(true, Ordering::Release);
    }
}

impl hyper::body::Body for Outgoing {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        self.note();
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.note();
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
