//! One HTTP/2 connection to a daemon.
//!
//! Not tonic's `Channel`: that one replaces a lost connection silently, and calls would reach a daemon that nobody has
//! shaken hands with. A [`Link`] is one connection and stays one; when it ends, the supervisor opens the next, and a call
//! that was not sent yet is told so and can move there.

use std::{
    error::Error,
    task::{Context, Poll},
    time::Duration,
};

use futures::future::BoxFuture;
use http::{HeaderValue, Request, Response, Uri, header::USER_AGENT};
use hyper::{
    body::Incoming,
    client::conn::http2::{Builder, SendRequest},
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use provider_hop::propagate;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;

use super::dial::Stream;

const AGENT: HeaderValue = HeaderValue::from_static(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")));

/// How long the connection may be silent before the peer is asked whether it lives, also while nothing is under way: a
/// stopped machine says no goodbye.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// How long the peer may take to answer that.
const KEEP_ALIVE_ANSWER: Duration = Duration::from_secs(10);

/// Why a call got no answer over its connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    /// The connection took no more calls: this one was not sent, and can be sent over another.
    #[error("the connection was closed before the call was sent")]
    NotSent,
    /// The connection was lost after the call was sent.
    #[error("the connection was lost: {0}")]
    Lost(#[source] hyper::Error),
}

/// One connection. Cheap to clone; clones share the connection.
#[derive(Clone, Debug)]
pub(super) struct Link {
    sender: SendRequest<Body>,
    origin: Uri,
    closed: CancellationToken,
}

impl Link {
    /// Speaks HTTP/2 over `stream`. `origin` is what the calls name as their target.
    pub(super) async fn open(stream: Box<dyn Stream>, origin: Uri) -> Result<Self, hyper::Error> {
        let (sender, connection) = Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE_ANSWER)
            .keep_alive_while_idle(true)
            .handshake(TokioIo::new(stream))
            .await?;
        let closed = CancellationToken::new();
        let guard = closed.clone().drop_guard();
        // Ends with the connection, at the latest when the last clone of the link and the last answer are gone.
        tokio::spawn(async move {
            let _guard = guard;
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection to a provider ended");
            }
        });
        Ok(Self { sender, origin, closed })
    }

    /// What the calls name as their target.
    pub(super) fn origin(&self) -> Uri {
        self.origin.clone()
    }

    /// Whether the connection takes no more calls.
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed() || self.closed.is_cancelled()
    }

    /// Waits until the connection takes no more calls.
    pub(super) async fn closed(&self) {
        self.closed.cancelled().await;
    }
}

impl tower::Service<Request<Body>> for Link {
    type Response = Response<Incoming>;
    type Error = LinkError;
    type Future = BoxFuture<'static, Result<Self::Response, LinkError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), LinkError>> {
        self.sender.poll_ready(cx).map_err(|_| LinkError::NotSent)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        request.headers_mut().insert(USER_AGENT, AGENT);
        propagate::inject(request.headers_mut());
        let answer = self.sender.try_send_request(request);
        Box::pin(async move {
            answer.await.map_err(|mut error| {
                let unsent = error.take_message().is_some();
                let error = error.into_error();
                if unsent || not_begun(&error) { LinkError::NotSent } else { LinkError::Lost(error) }
            })
        })
    }
}

/// The daemon has said that it did not look at the request: it refused the stream, or it came after a graceful good-bye.
fn not_begun(error: &hyper::Error) -> bool {
    let Some(error) = error.source().and_then(|source| source.downcast_ref::<h2::Error>()) else { return false };
    error.is_remote()
        && match error.reason() {
            Some(h2::Reason::REFUSED_STREAM) => true,
            Some(h2::Reason::NO_ERROR) => error.is_go_away(),
            _ => false,
        }
}
