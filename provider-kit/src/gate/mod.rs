//! The gate every call passes: who it is, whether it may, by when it has to be answered; and what every answer carries.

mod body;
mod flight;
#[cfg(test)]
mod tests;

pub use flight::code_name;
use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use cloud_provider_api::error::{Reason, metadata::PROVIDER_EPOCH};
use http::{HeaderValue, Request, Response};
use provider_hop::{PeerIdentity, grpc_timeout, propagate::RequestId};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tonic::{Status, body::Body, service::Routes};
use tower::Service;

use self::{
    body::Guarded,
    flight::{Flight, method_name},
};
use crate::{
    access::LiveAccess,
    audit::Entry,
    caller::{Call, Caller, Deadline},
    class::Method,
    error::{Error, Result},
    kit::Kit,
    rate::{Bucket, Rate},
};

/// Refusals that are written to log and audit, a second: a stranger must not fill the disk.
const NOTED_REFUSALS: u32 = 10;

/// Of the connection a call came by: cancelled when it is about to be closed.
#[derive(Clone)]
pub(crate) struct Closing(pub(crate) CancellationToken);

/// Settings of the gate.
pub(crate) struct Rules {
    pub(crate) kit: Kit,
    pub(crate) access: Arc<LiveAccess>,
    /// Calls that leave less time than this are refused.
    pub(crate) min_deadline: Duration,
}

/// Stands before all services of a daemon.
#[derive(Clone)]
pub(crate) struct Gate {
    routes: Routes,
    shared: Arc<Shared>,
}

struct Shared {
    rules: Rules,
    notes: Option<Bucket>,
}

impl Gate {
    pub(crate) fn new(routes: Routes, rules: Rules) -> Self {
        let notes = Rate::per_second(NOTED_REFUSALS).map(Bucket::new);
        let shared = Shared { rules, notes };
        Self { routes: routes.prepare(), shared: Arc::new(shared) }
    }

    async fn answer(mut self, mut request: Request<Body>) -> Response<Body> {
        let method = Method::of(request.uri().path());
        let shared = self.shared.clone();
        let mut flight = Flight::begin(&shared.rules.kit, method_name(request.uri().path()), method.class);
        let call = match shared.check(method, &request) {
            Ok(call) => call,
            Err(error) => {
                shared.note_refusal(&request, &error);
                return shared.finish(Status::from(error).into_http(), flight, None, None);
            }
        };
        flight.made_by(&call);
        let deadline = call.deadline.map(Deadline::at);
        let closing = request.extensions().get::<Closing>().filter(|_| method.watch).cloned();
        request.extensions_mut().insert(call);
        let answer = self.routes.call(request);
        let response = match deadline {
            None => answer.await,
            Some(at) => timeout_at(at, answer).await.unwrap_or_else(|_| Ok(timed_out().into_http())),
        };
        let Ok(response) = response;
        shared.finish(response, flight, deadline, closing)
    }
}

impl Shared {
    /// Whether a call may go on. The order matters: a stranger learns nothing but that it is one.
    fn check(&self, method: Method, request: &Request<Body>) -> Result<Call> {
        let request_id = request.extensions().get::<RequestId>().cloned().unwrap_or_else(RequestId::random);
        let caller = self.admit(request.extensions().get())?;
        if !caller.rule.classes.contains(&method.class) {
            return Err(Error::new(
                Reason::MethodNotAllowed,
                format!("{caller} may not call {} methods", method.class.as_str()),
            ));
        }
        if method.plumbing {
            return Ok(Call { caller, request_id, deadline: None });
        }
        throttle(&caller)?;
        let deadline = Some(self.deadline(request)?);
        if method.class != crate::class::Class::Read && self.rules.kit.draining().is_cancelled() {
            return Err(Error::new(Reason::Draining, "the daemon is shutting down and begins no new work"));
        }
        Ok(Call { caller, request_id, deadline })
    }

    fn admit(&self, peer: Option<&PeerIdentity>) -> Result<Caller> {
        let peer = peer.ok_or_else(|| Error::new(Reason::PeerUnidentified, "the connection has no identity"))?;
        self.rules.access.admit(peer).ok_or_else(|| {
            let cure = match peer {
                PeerIdentity::Uid { .. } => "--allowed-peer-uid",
                PeerIdentity::San(_) => "--allowed-peer-san",
                PeerIdentity::InsecureLoopback => "--allow-insecure-loopback",
            };
            Error::new(Reason::PeerNotAllowed, format!("{peer} is not on the daemon's allow-list ({cure})"))
        })
    }

    fn deadline(&self, request: &Request<Body>) -> Result<Deadline> {
        let timeout = grpc_timeout(request.headers())
            .map_err(|error| Error::new(Reason::DeadlineMissing, error.to_string()))?
            .ok_or_else(|| Error::new(Reason::DeadlineMissing, "the call has no deadline; set one (grpc-timeout)"))?;
        if timeout < self.rules.min_deadline {
            let message = format!(
                "the call's deadline of {timeout:?} is below the {:?} this daemon needs to answer anything",
                self.rules.min_deadline
            );
            return Err(Error::new(Reason::DeadlineTooShort, message));
        }
        Ok(Deadline::after(timeout))
    }

    fn note_refusal(&self, request: &Request<Body>, error: &Error) {
        self.rules.kit.metrics().refused(error.reason().as_str());
        if self.notes.as_ref().is_some_and(|bucket| bucket.take(Instant::now()).is_err()) {
            return;
        }
        tracing::warn!(path = request.uri().path(), %error, "call refused");
        let peer = request.extensions().get::<PeerIdentity>().map_or_else(String::new, ToString::to_string);
        self.rules.kit.audit().record(&Entry {
            caller: &peer,
            request_id: request.extensions().get::<RequestId>().map_or("", RequestId::as_str),
            action: method_name(request.uri().path()),
            result: error.reason().as_str(),
            ..Entry::default()
        });
    }

    fn finish(
        &self,
        mut response: Response<Body>,
        mut flight: Flight,
        deadline: Option<Instant>,
        closing: Option<Closing>,
    ) -> Response<Body> {
        let epoch = HeaderValue::from_str(&self.rules.kit.epoch()).expect("hex digits are a header value");
        response.headers_mut().insert(PROVIDER_EPOCH, epoch);
        // A failure without any answer has its status here, everything else at the end of the body.
        if let Some(status) = response.headers().get("grpc-status") {
            flight.code(status);
        }
        response.map(|body| Body::new(Guarded::new(body, flight, deadline, closing)))
    }
}

fn throttle(caller: &Caller) -> Result<()> {
    let Some(bucket) = &caller.rule.bucket else { return Ok(()) };
    bucket.take(Instant::now()).map_err(|wait| {
        let message = format!("{caller} makes more calls than the daemon allows it (--caller-requests-per-second)");
        Error::new(Reason::Throttled, message).retry_after(wait)
    })
}

fn timed_out() -> Status {
    Error::new(Reason::TimedOut, "the call's deadline passed before the daemon had an answer").into()
}

/// A stream of ours that ends before its time.
fn going_away() -> Status {
    Error::new(Reason::Draining, "the daemon ends this stream: it shuts down or renews the connection; open it again")
        .into()
}

impl Service<Request<Body>> for Gate {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = std::result::Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<std::result::Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move { Ok(this.answer(request).await) })
    }
}
