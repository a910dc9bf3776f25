//! One question and its answer over one connection: deadline, request id, span, histogram, and the fault if it fails.

use std::time::{Duration, Instant};

use cloud_provider_api::error::metadata;
use controller_core::{
    fault::{Code, Fault},
    provider::Capability,
};
use provider_hop::propagate::RequestId;
use tonic::{Request, Response, Status, metadata::MetadataMap};
use tracing::{Instrument, field::Empty};

use super::{
    Deadlines, Metrics,
    fault::{self, Attempt},
    link::Link,
};

/// How much longer than its deadline a call is waited for, so that the daemon's own word about it still arrives.
const GRACE: Duration = Duration::from_millis(250);
/// How many pages a whole listing may take as long as.
const PAGES: u32 = 10;
/// How long a stream of hints or health lives before it is opened again.
pub(super) const STREAM: Duration = Duration::from_secs(3600);

/// A method of the API.
#[derive(Clone, Copy, Debug)]
pub(super) struct Method {
    /// As the proto names it: the label in metrics and spans.
    pub(super) name: &'static str,
    /// What kind of answer is waited for.
    pub(super) kind: Kind,
    /// The capability without which it is not called.
    pub(super) needs: Option<Capability>,
}

/// What kind of answer is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// From the daemon's memory.
    Status,
    /// A look at the cloud.
    Read,
    /// A listing in pages.
    List,
    /// A stream without end.
    Stream,
    /// A change of the cloud.
    Write,
}

impl Method {
    /// What the daemon is told.
    pub(super) fn deadline(&self, deadlines: &Deadlines) -> Duration {
        match self.kind {
            Kind::Status => deadlines.status,
            Kind::Read => deadlines.read,
            Kind::List => deadlines.page * PAGES,
            Kind::Stream => STREAM,
            Kind::Write => deadlines.write,
        }
    }

    /// How long the answer, or the beginning of a stream, is waited for.
    fn patience(&self, deadlines: &Deadlines) -> Duration {
        match self.kind {
            Kind::Status | Kind::Stream => deadlines.status,
            Kind::Read => deadlines.read,
            Kind::List => deadlines.page,
            Kind::Write => deadlines.write,
        }
    }
}

/// A question without an answer.
#[derive(Debug)]
pub(super) struct Failure {
    /// Why.
    pub(super) fault: Fault,
    /// It never left: another connection may take it.
    pub(super) not_sent: bool,
    /// The deadline passed without the daemon's word: it may hang.
    pub(super) silent: bool,
    /// The epoch of whoever answered.
    pub(super) epoch: Option<String>,
}

/// What all questions to one provider share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asking<'a> {
    /// Name of the provider.
    pub(super) provider: &'a str,
    pub(super) deadlines: &'a Deadlines,
    pub(super) metrics: &'a Metrics,
}

impl Asking<'_> {
    /// Sends `message` over `link` and waits for the answer.
    pub(super) async fn ask<Q, A, F, Fut>(
        self,
        link: &Link,
        method: Method,
        message: Q,
        send: F,
    ) -> Result<Response<A>, Failure>
    where
        F: FnOnce(Link, Request<Q>) -> Fut,
        Fut: Future<Output = Result<Response<A>, Status>>,
    {
        let id = RequestId::random();
        let span = tracing::info_span!(
            "provider_call",
            otel.kind = "client",
            otel.name = method.name,
            rpc.system = "grpc",
            rpc.method = method.name,
            rpc.grpc.status_code = Empty,
            provider = self.provider,
            request_id = id.as_str(),
        );
        let request = self.request(method, message, &id);
        let start = Instant::now();
        let outcome = self.wait(method, send(link.clone(), request)).instrument(span.clone()).await;
        let code = outcome.as_ref().err().map_or(0, |failure| failure.fault.code as u32);
        span.record("rpc.grpc.status_code", code);
        self.count(method, &outcome, start.elapsed());
        outcome
    }

    /// The link adds the trace context of the span it is used in.
    fn request<Q>(self, method: Method, message: Q, id: &RequestId) -> Request<Q> {
        let mut request = Request::new(message);
        request.set_timeout(method.deadline(self.deadlines));
        if let Ok(id) = id.as_str().parse() {
            request.metadata_mut().insert(metadata::REQUEST_ID, id);
        }
        request
    }

    async fn wait<A>(
        self,
        method: Method,
        answer: impl Future<Output = Result<Response<A>, Status>>,
    ) -> Result<Response<A>, Failure> {
        let deadline = method.patience(self.deadlines);
        let start = tokio::time::Instant::now();
        match tokio::time::timeout(deadline + GRACE, answer).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(status)) => {
                let attempt = Attempt { provider: self.provider, overdue: start.elapsed() >= deadline };
                let fault = fault::from_status(attempt, &status);
                Err(Failure {
                    not_sent: fault::not_sent(&status),
                    // Not the daemon's word but that of the server it is built on.
                    silent: attempt.overdue && fault.code == Code::DeadlineExceeded,
                    fault,
                    epoch: epoch(status.metadata()),
                })
            }
            Err(_) => Err(Failure {
                fault: fault::timed_out(self.provider, deadline),
                not_sent: false,
                silent: true,
                epoch: None,
            }),
        }
    }

    fn count<A>(self, method: Method, outcome: &Result<A, Failure>, took: Duration) {
        let code = match outcome {
            Ok(_) => "OK",
            Err(failure) if failure.not_sent => return,
            Err(failure) => failure.fault.code.as_str(),
        };
        self.metrics.request_duration.with([self.provider, method.name, code]).observe(took.as_secs_f64());
    }
}

/// The epoch of whoever answered; `None` when it did not say.
pub(super) fn epoch(metadata: &MetadataMap) -> Option<String> {
    Some(metadata.get(metadata::PROVIDER_EPOCH)?.to_str().ok()?.to_owned())
}
