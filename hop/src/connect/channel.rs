//! The channel generated clients are built on.
//!
//! It stands in for tonic's own for three reasons. A deadline that passes is `DEADLINE_EXCEEDED`, not `CANCELLED`. A fault
//! of the transport is always `UNAVAILABLE` and says everything that is known about it, not `UNKNOWN` "transport error".
//! And a call that met a connection just being closed (a daemon ends old connections so that identities are verified
//! again) is sent once more on a new one, provided the server cannot have begun with it.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use futures::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use http::{HeaderValue, Request, Response};
use hyper::body::{Bytes, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};
use tonic::{Status, body::Body};
use tower::Service;

use super::{
    ConnectConfigError, ConnectError, ConnectOptions, Connector, Link, LinkError, LinkOptions, connector::causes,
    replay::Replay,
};
use crate::{Endpoint, deadline::grpc_timeout, propagate};

/// How often a call is sent in all while the server cannot have begun with it. Each attempt takes a new connection.
const ATTEMPTS: usize = 10;

/// Calls a daemon. It connects when first used, and again whenever the connection was lost; clones share the connection.
///
/// A server that is not there or not the right one makes calls fail with `UNAVAILABLE` and a message that says why. Every
/// call carries W3C trace context and a request id. A call's deadline (`Request::set_timeout`) also ends a stream it has
/// opened.
#[derive(Clone)]
pub struct Channel(Arc<Inner>);

struct Inner {
    connector: Connector,
    options: LinkOptions,
    state: Mutex<State>,
}

type Connecting = Shared<BoxFuture<'static, Result<Link, ConnectError>>>;

enum State {
    Idle,
    Connecting(Connecting),
    Connected(Link),
}

impl Channel {
    /// Checks the options; connects to nothing yet.
    pub fn new(endpoint: &Endpoint, options: &ConnectOptions) -> Result<Self, ConnectConfigError> {
        let connector = Connector::new(endpoint, options)?;
        let user_agent = HeaderValue::from_str(&options.user_agent)
            .map_err(|_| ConnectConfigError::UserAgent(options.user_agent.clone()))?;
        let options = LinkOptions::of(endpoint, user_agent).ok_or_else(|| ConnectConfigError::Uri(endpoint.clone()))?;
        Ok(Self(Arc::new(Inner { connector, options, state: Mutex::new(State::Idle) })))
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
        let mut attempt = 1;
        loop {
            let mut link = self.link().await.map_err(|error| Status::unavailable(error.to_string()))?;
            let (request, again) = replay.take();
            match link.call(request).await {
                Ok(response) => return Ok(response),
                Err(LinkError::NotSent) if again && attempt < ATTEMPTS => {
                    tracing::debug!("connection closed under a call, sending it again");
                    attempt += 1;
                }
                Err(error) => {
                    return Err(Status::unavailable(self.0.connector.error(error.to_string()).to_string()));
                }
            }
        }
    }

    /// The open connection, or the one everybody is waiting for.
    async fn link(&self) -> Result<Link, ConnectError> {
        let connecting = {
            let mut state = self.0.state();
            match &*state {
                State::Connected(link) if !link.is_closed() => return Ok(link.clone()),
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
            let outcome = this.open().await;
            *this.0.state() = outcome.as_ref().map_or(State::Idle, |link| State::Connected(link.clone()));
            outcome
        });
        let connector = self.0.connector.clone();
        async move { task.await.unwrap_or_else(|error| Err(connector.error(error.to_string()))) }.boxed().shared()
    }

    async fn open(&self) -> Result<Link, ConnectError> {
        let connector = &self.0.connector;
        let stream = connector.connect().await?;
        Link::open(stream, self.0.options.clone()).await.map_err(|error| connector.error(causes(&error)))
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Channel").field(self.0.connector.endpoint()).finish()
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
        // Here already, so that a call that is sent again keeps its request id.
        propagate::inject(request.headers_mut());
        let timeout = match grpc_timeout(request.headers()) {
            Ok(timeout) => timeout,
            Err(error) => return Box::pin(async move { Err(Status::invalid_argument(error.to_string())) }),
        };
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
    Status::unavailable(format!("the answer was cut off: {}", causes(error)))
}
