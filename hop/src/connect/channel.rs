//! The channel generated clients are built on.
//!
//! It stands in for tonic's own for three reasons. A deadline that passes is `DEADLINE_EXCEEDED`, not `CANCELLED`. A fault
//! of the transport is always `UNAVAILABLE` and says everything that is known about it, not `UNKNOWN` "transport error".
//! And a call that met a connection just being closed (a daemon ends old connections so that identities are verified
//! again) is sent once more on a new one, provided the server cannot have begun with it.

use std::{
    error::Error,
    fmt,
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use http::{HeaderValue, Request, Response, Uri, header::USER_AGENT};
use hyper::{
    body::{Bytes, Frame, Incoming, SizeHint},
    client::conn::http2::{Builder, SendRequest},
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};
use tonic::{Code, Status, body::Body};
use tower::Service;

use super::{ConnectConfigError, ConnectError, ConnectOptions, Connector, connector::causes, replay::Replay};
use crate::{Endpoint, deadline::grpc_timeout, propagate};

const MIB: u32 = 1 << 20;
/// How often a call is sent in all while the server cannot have begun with it.
const ATTEMPTS: usize = 4;

/// Calls a daemon. It connects when first used, and again whenever the connection was lost; clones share the connection.
///
/// A server that is not there or not the right one makes calls fail with `UNAVAILABLE` and a message that says why. Every
/// call carries W3C trace context and a request id. A call's deadline (`Request::set_timeout`) also ends a stream it has
/// opened.
#[derive(Clone)]
pub struct Channel(Arc<Inner>);

struct Inner {
    connector: Connector,
    http2: Builder<TokioExecutor>,
    origin: http::uri::Parts,
    user_agent: HeaderValue,
    state: Mutex<State>,
    next_id: AtomicU64,
}

type Connecting = Shared<BoxFuture<'static, Result<Connection, ConnectError>>>;

enum State {
    Idle,
    Connecting(Connecting),
    Connected(Connection),
}

/// A handle on an open connection.
#[derive(Clone)]
struct Connection {
    id: u64,
    requests: SendRequest<Body>,
}

impl Channel {
    /// Checks the options; connects to nothing yet.
    pub fn new(endpoint: &Endpoint, options: &ConnectOptions) -> Result<Self, ConnectConfigError> {
        let connector = Connector::new(endpoint, options)?;
        let origin = origin(endpoint).ok_or_else(|| ConnectConfigError::Uri(endpoint.clone()))?;
        let user_agent = HeaderValue::from_str(&options.user_agent)
            .map_err(|_| ConnectConfigError::UserAgent(options.user_agent.clone()))?;
        let (state, next_id) = (Mutex::new(State::Idle), AtomicU64::new(0));
        Ok(Self(Arc::new(Inner { connector, http2: http2(endpoint), origin, user_agent, state, next_id })))
    }

    async fn send(self, request: Request<Body>, deadline: Option<Instant>) -> Result<Response<Body>, Status> {
        let response = match deadline {
            None => self.dispatch(request).await?,
            Some(at) => timeout_at(at, self.dispatch(request)).await.map_err(|_| deadline_exceeded())??,
        };
        Ok(response.map(|body| Body::new(Answer { body, deadline: deadline.map(|at| Box::pin(sleep_until(at))) })))
    }

    async fn dispatch(&self, request: Request<Body>) -> Result<Response<Incoming>, Status> {
        let mut replay = Replay::new(request);
        for attempt in 1.. {
            let mut connection = self.connection().await.map_err(|error| Status::unavailable(error.to_string()))?;
            let (request, again) = replay.take();
            let (id, sending) = (connection.id, connection.requests.try_send_request(request));
            // A request that is queued just as the connection ends comes back when the last handle on it is dropped, and
            // not before: nobody may hold one while waiting.
            drop(connection);
            let error = match sending.await {
                Ok(response) => return Ok(response),
                Err(mut failed) => {
                    let unsent = failed.take_message().is_some();
                    let error = failed.into_error();
                    if again && attempt < ATTEMPTS && (unsent || not_begun(&error)) {
                        tracing::debug!(error = %causes(&error), "connection closed under a call, sending it again");
                        self.0.forget(id);
                        continue;
                    }
                    error
                }
            };
            return Err(self.unavailable(&error));
        }
        unreachable!("the last attempt returns")
    }

    /// The open connection, or the one everybody is waiting for.
    async fn connection(&self) -> Result<Connection, ConnectError> {
        let connecting = {
            let mut state = self.0.state();
            match &*state {
                State::Connected(connection) if !connection.requests.is_closed() => return Ok(connection.clone()),
                State::Connecting(connecting) => connecting.clone(),
                State::Idle | State::Connected(_) => {
                    let connecting = self.connect();
                    *state = State::Connecting(connecting.clone());
                    connecting
                }
            }
        };
        connecting.await
    }

    /// In a task of its own: a caller that goes away takes nobody else's connection with it.
    fn connect(&self) -> Connecting {
        let this = self.clone();
        let task = tokio::spawn(async move {
            let outcome = this.handshake().await;
            let mut state = this.0.state();
            *state = outcome.as_ref().map_or(State::Idle, |connection| State::Connected(connection.clone()));
            outcome
        });
        let connector = self.0.connector.clone();
        async move { task.await.unwrap_or_else(|error| Err(connector.error(error.to_string()))) }.boxed().shared()
    }

    async fn handshake(&self) -> Result<Connection, ConnectError> {
        let connector = &self.0.connector;
        let stream = connector.connect().await?;
        let (requests, driver) =
            self.0.http2.handshake(TokioIo::new(stream)).await.map_err(|error| connector.error(causes(&error)))?;
        let id = self.0.next_id.fetch_add(1, Ordering::Relaxed);
        let this = Arc::downgrade(&self.0);
        tokio::spawn(async move {
            let outcome = driver.await;
            if let Err(error) = outcome {
                tracing::debug!(error = %causes(&error), "connection ended");
            }
            if let Some(this) = this.upgrade() {
                this.forget(id);
            }
        });
        Ok(Connection { id, requests })
    }

    fn unavailable(&self, error: &hyper::Error) -> Status {
        Status::unavailable(format!("connection to {} lost: {}", self.0.connector.endpoint(), causes(error)))
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// No new call goes there; those under way are not touched.
    fn forget(&self, id: u64) {
        let mut state = self.state();
        if matches!(&*state, State::Connected(connection) if connection.id == id) {
            *state = State::Idle;
        }
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Channel").field(self.0.connector.endpoint()).finish()
    }
}

/// Scheme and authority of every call.
fn origin(endpoint: &Endpoint) -> Option<http::uri::Parts> {
    let text = match endpoint {
        // Servers of other languages refuse a path as authority.
        Endpoint::Unix(_) => "http://localhost".to_owned(),
        Endpoint::Tls(_) | Endpoint::Plain(_) => endpoint.to_string(),
    };
    text.parse::<Uri>().ok().map(Uri::into_parts)
}

fn http2(endpoint: &Endpoint) -> Builder<TokioExecutor> {
    let mut http2 = Builder::new(TokioExecutor::new());
    http2
        .timer(TokioTimer::new())
        // Answers about 5,000 machines have some MiB: let them flow without a round trip per 64 KiB.
        .initial_stream_window_size(MIB)
        .initial_connection_window_size(4 * MIB);
    if !matches!(endpoint, Endpoint::Unix(_)) {
        // A peer that vanished without a word is noticed, also while nothing is asked of it.
        http2
            .keep_alive_interval(Duration::from_secs(20))
            .keep_alive_timeout(Duration::from_secs(10))
            .keep_alive_while_idle(true);
    }
    http2
}

/// The server has said that it did not look at the request: it was refused, or came after a graceful good-bye.
fn not_begun(error: &hyper::Error) -> bool {
    let Some(h2) = error.source().and_then(|source| source.downcast_ref::<h2::Error>()) else { return false };
    match h2.reason() {
        Some(h2::Reason::REFUSED_STREAM) => h2.is_remote(),
        Some(h2::Reason::NO_ERROR) => h2.is_go_away() && h2.is_remote(),
        _ => false,
    }
}

fn deadline_exceeded() -> Status {
    Status::deadline_exceeded("the call's deadline passed before the answer was complete")
}

impl Service<Request<Body>> for Channel {
    type Response = Response<Body>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Status>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        propagate::inject(request.headers_mut());
        request.headers_mut().insert(USER_AGENT, self.0.user_agent.clone());
        let timeout = match grpc_timeout(request.headers()) {
            Ok(timeout) => timeout,
            Err(error) => return Box::pin(async move { Err(Status::invalid_argument(error.to_string())) }),
        };
        let mut uri = std::mem::take(request.uri_mut()).into_parts();
        uri.scheme.clone_from(&self.0.origin.scheme);
        uri.authority.clone_from(&self.0.origin.authority);
        match Uri::from_parts(uri) {
            Ok(uri) => *request.uri_mut() = uri,
            Err(error) => return Box::pin(async move { Err(Status::internal(error.to_string())) }),
        }
        Box::pin(self.clone().send(request, timeout.map(|timeout| Instant::now() + timeout)))
    }
}

/// The body of a response, under the call's deadline.
struct Answer {
    body: Incoming,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl hyper::body::Body for Answer {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(frame) => Poll::Ready(frame.map(|frame| frame.map_err(|error| cut_off(&error)))),
            Poll::Pending => match self.deadline.as_mut().map(|deadline| deadline.as_mut().poll(cx)) {
                Some(Poll::Ready(())) => Poll::Ready(Some(Err(deadline_exceeded()))),
                Some(Poll::Pending) | None => Poll::Pending,
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn cut_off(error: &hyper::Error) -> Status {
    Status::new(Code::Unavailable, format!("the answer was cut off: {}", causes(error)))
}
