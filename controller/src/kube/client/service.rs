//! What every request to the apiserver passes through: fence, limiter, deadline, another try where asked for, metrics.

use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use controller_core::api_limit::{LONGEST_PAUSE, Outcome};
use futures::future::BoxFuture;
use http::{Method, Request, Response, StatusCode, header};
use hyper::body::Body as _;
use kube::client::Body;
use tokio::time::Instant;
use tower::{BoxError, Service, ServiceExt as _};

use super::limiter::Limiter;
use crate::{kube::lease::Standing, metrics::Metrics};

/// Tries again when the apiserver asks for it, at most, as client-go does.
const RETRIES: u32 = 10;
/// Until the head of the answer is there: as long as the apiserver itself lets a request run.
const TIMEOUT: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) host: String,
    pub(super) limiter: Option<Limiter>,
    /// Writes are refused while this does not lead.
    pub(super) standing: Option<Standing>,
    pub(super) metrics: Arc<Metrics>,
}

#[derive(Clone, Debug)]
pub(super) struct ApiService<S> {
    pub(super) inner: S,
    pub(super) shared: Arc<Shared>,
}

/// Why a request was not sent, or not waited for any longer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    #[error("not written: this process does not hold the leader lease any more")]
    NotLeading,
    #[error("no answer from the apiserver within {TIMEOUT:?}")]
    TimedOut,
}

impl<S, B> Service<Request<Body>> for ApiService<S>
where
    S: Service<Request<Body>, Response = Response<B>, Error = BoxError> + Clone + Send + 'static,
    S::Future: Send,
    B: hyper::body::Body + Send + 'static,
{
    type Response = Response<B>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        // Held back in `call`: here, one request without a place would also hold back watches, which need none.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (inner, shared) = (self.inner.clone(), Arc::clone(&self.shared));
        Box::pin(async move { shared.send(inner, request).await })
    }
}

/// How much a request weighs.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Watch,
    List,
    Single,
}

impl Shared {
    async fn send<S, B>(&self, mut inner: S, request: Request<Body>) -> Result<Response<B>, BoxError>
    where
        S: Service<Request<Body>, Response = Response<B>, Error = BoxError>,
        B: hyper::body::Body,
    {
        let kind = kind(&request);
        let mut request = request;
        for attempt in 0.. {
            let again = if attempt < RETRIES { copy(&request) } else { None };
            let answer = self.send_once(&mut inner, request, kind).await?;
            let (Some(wait), Some(again)) = (asked_to_wait(&answer), again) else { return Ok(answer) };
            let verb = again.method().as_str();
            self.metrics.rest_client.retries.with([answer.status().as_str(), verb, &self.host]).inc();
            drop(answer);
            tokio::time::sleep(wait).await;
            request = again;
        }
        unreachable!("the last attempt returns, whatever its answer")
    }

    async fn send_once<S, B>(&self, inner: &mut S, request: Request<Body>, kind: Kind) -> Result<Response<B>, BoxError>
    where
        S: Service<Request<Body>, Response = Response<B>, Error = BoxError>,
        B: hyper::body::Body,
    {
        let method = request.method().clone();
        let labels = [method.as_str(), self.host.as_str()];
        let metrics = &self.metrics.rest_client;
        let waiting = Instant::now();
        let permit = match &self.limiter {
            Some(limiter) if kind != Kind::Watch => Some(limiter.admit().await),
            _ => None,
        };
        metrics.rate_limiter_duration.with(labels).observe(waiting.elapsed().as_secs_f64());
        if method != Method::GET && self.standing.as_ref().is_some_and(|standing| !standing.is_leader()) {
            return Err(Refused::NotLeading.into());
        }
        if let Some(size) = request.body().size_hint().exact() {
            metrics.request_size.with(labels).observe(float(size));
        }

        let sent = Instant::now();
        let answer = match tokio::time::timeout(TIMEOUT, inner.ready().await?.call(request)).await {
            Ok(answer) => answer,
            Err(_) => Err(Refused::TimedOut.into()),
        };
        let took = sent.elapsed();
        let code = answer.as_ref().map_or_else(|_| "<error>".to_owned(), |answer| answer.status().as_str().to_owned());
        metrics.requests.with([&code, method.as_str(), &self.host]).inc();
        metrics.duration.with(labels).observe(took.as_secs_f64());
        if let Some(size) = answer.as_ref().ok().and_then(|answer| answer.body().size_hint().exact()) {
            metrics.response_size.with(labels).observe(float(size));
        }
        if let Some(limiter) = &self.limiter {
            if let Some(outcome) = outcome(&answer, kind, took) {
                limiter.ended(outcome);
            }
            #[allow(clippy::cast_precision_loss)] // At most a few hundred.
            metrics.concurrency_limit.set(limiter.limit() as f64);
        }
        drop(permit);
        answer
    }
}

#[allow(clippy::cast_precision_loss)] // Bytes of a message.
fn float(size: u64) -> f64 {
    size as f64
}

fn kind(request: &Request<Body>) -> Kind {
    // The client names the operation in an extension.
    match request.extensions().get::<&'static str>() {
        Some(&"watch") => Kind::Watch,
        Some(&"list") => Kind::List,
        _ => Kind::Single,
    }
}

/// What an answer says about how much the apiserver bears; `None`: nothing.
fn outcome<B>(answer: &Result<Response<B>, BoxError>, kind: Kind, took: Duration) -> Option<Outcome> {
    match answer {
        Err(error) if error.is::<Refused>() => Some(Outcome::TimedOut),
        Err(_) => None,
        Ok(answer) => Some(match (answer.status(), kind) {
            (StatusCode::TOO_MANY_REQUESTS, _) => Outcome::Throttled(retry_after(answer)),
            (StatusCode::GATEWAY_TIMEOUT, _) => Outcome::TimedOut,
            (_, Kind::Watch | Kind::List) => Outcome::Bulk,
            (_, Kind::Single) => Outcome::Answered(took),
        }),
    }
}

/// How long the apiserver asks to wait before the same request is sent again; it has not acted on it.
fn asked_to_wait<B>(answer: &Response<B>) -> Option<Duration> {
    let code = answer.status();
    let wait = match (retry_after(answer), code) {
        (None, StatusCode::TOO_MANY_REQUESTS) => Duration::from_secs(1),
        (Some(wait), _) if code == StatusCode::TOO_MANY_REQUESTS || code.is_server_error() => wait,
        _ => return None,
    };
    Some(wait.min(LONGEST_PAUSE))
}

fn retry_after<B>(answer: &Response<B>) -> Option<Duration> {
    let seconds = answer.headers().get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// The request once more; `None` for a body that can be sent only once.
fn copy(request: &Request<Body>) -> Option<Request<Body>> {
    let mut again = Request::new(request.body().try_clone()?);
    *again.method_mut() = request.method().clone();
    *again.uri_mut() = request.uri().clone();
    *again.headers_mut() = request.headers().clone();
    *again.extensions_mut() = request.extensions().clone();
    Some(again)
}
