//! Calls to a provider: when one may be made, over which connection, and what its failure means for the others.

use std::sync::{Arc, PoisonError};

use controller_core::{
    fault::{Code, Fault, Origin, reason},
    provider::Capability,
};
use prost::Message;
use tokio::sync::SemaphorePermit;
use tonic::{Request, Response, Status, Streaming};

use super::{
    Info, Inner,
    convert::{
        Refusal, distrust,
        list::{InvalidList, Listing, Page},
    },
    exchange::{Asking, Failure, Kind, Method, epoch},
    fault::{self, Attempt},
    link::Link,
    session::Session,
};
use crate::clock;

/// Largest message there may be; what tonic takes on receipt.
const MESSAGE: usize = 4 << 20;
/// How often a call that was not sent is moved to the next connection.
const MOVES: u32 = 3;

/// An answer, and the session it came over: it is held against that session's handshake.
#[derive(Debug)]
pub(super) struct Answered<A> {
    pub(super) answer: A,
    pub(super) session: Arc<Session>,
}

impl Inner {
    /// What all questions to this provider share.
    pub(super) fn asking<'a>(&'a self, provider: &'a str) -> Asking<'a> {
        Asking { provider, deadlines: &self.settings.deadlines, metrics: &self.metrics }
    }

    /// Makes a call. `build` makes the request from what the provider said of itself.
    pub(super) async fn call<Q, A, F, Fut>(
        &self,
        method: Method,
        build: impl Fn(&Info) -> Result<Q, Fault>,
        send: F,
    ) -> Result<Answered<A>, Fault>
    where
        Q: Message,
        F: Fn(Link, Request<Q>) -> Fut,
        Fut: Future<Output = Result<Response<A>, Status>>,
    {
        let mut moves = 0;
        loop {
            let session = self.session(method).await?;
            let request = within_limits(&session.info, build(&session.info)?)?;
            let permit = turn(&session, method).await;
            self.fence(method)?;
            let outcome = self.asking(&session.info.name).ask(&session.link, method, request, &send).await;
            drop(permit);
            match outcome {
                Ok(response) if session.recognises(epoch(response.metadata()).as_deref()) => {
                    return Ok(Answered { answer: response.into_inner(), session });
                }
                Ok(_) => return Err(stranger(&session.info)),
                Err(failure) if failure.not_sent && moves < MOVES => moves += 1,
                Err(failure) => return Err(self.failed(&session, failure)),
            }
        }
    }

    /// Reads a streamed listing to its end.
    pub(super) async fn list<Q, M, T, F, Fut>(
        &self,
        method: Method,
        build: impl Fn(&Info) -> Result<Q, Fault>,
        send: F,
        page: fn(M) -> Page<T>,
    ) -> Result<Answered<Vec<T>>, Fault>
    where
        Q: Message,
        F: Fn(Link, Request<Q>) -> Fut,
        Fut: Future<Output = Result<Response<Streaming<M>>, Status>>,
    {
        let Answered { answer: mut pages, session } = self.call(method, build, send).await?;
        let mut listing = Listing::new();
        while let Some(message) = self.page(&session, &mut pages).await? {
            listing.add(page(message), clock::now()).map_err(|refusal| self.refuse(&session, &refusal))?;
        }
        let items = listing.finish().map_err(|refusal: InvalidList| self.refuse(&session, &refusal))?;
        Ok(Answered { answer: items, session })
    }

    /// The next page, within its own deadline.
    async fn page<M>(&self, session: &Session, pages: &mut Streaming<M>) -> Result<Option<M>, Fault> {
        let deadline = self.settings.deadlines.page;
        let Ok(next) = tokio::time::timeout(deadline, pages.message()).await else {
            self.probe.notify_one();
            return Err(fault::timed_out(&session.info.name, deadline));
        };
        next.map_err(|status| {
            let attempt = Attempt { provider: &session.info.name, overdue: false };
            let fault = fault::from_status(attempt, &status);
            self.heed(&fault);
            fault
        })
    }

    /// Lets a write pass only while this process leads: another may have taken over while this one was frozen.
    fn fence(&self, method: Method) -> Result<(), Fault> {
        let lost = self.settings.standing.as_ref().is_some_and(|standing| !standing.is_leader());
        if method.kind == Kind::Write && lost {
            let message = "not sent: this process does not hold the leader lease any more";
            return Err(Fault::new(Code::Unavailable, Origin::Provider, self.name(), message).with_reason(reason::AWAY));
        }
        Ok(())
    }

    /// A session over which this method may be called now.
    async fn session(&self, method: Method) -> Result<Arc<Session>, Fault> {
        self.throttle.admit().await.map_err(|left| Fault {
            retry_after: Some(left),
            ..Fault::new(Code::ResourceExhausted, Origin::Provider, self.name(), "the provider asked for a pause")
                .with_reason(reason::THROTTLED)
        })?;
        let session = self.wire.session().await.map_err(|why| self.away(why.as_ref()))?;
        match method.needs {
            Some(capability) if !session.info.can(capability) => {
                let message = format!("{} is not among its capabilities", method.name);
                Err(Fault::new(Code::Unimplemented, Origin::Provider, &session.info.name, message)
                    .with_reason(reason::CAPABILITY_ABSENT))
            }
            _ => Ok(session),
        }
    }

    /// What a failed call means for the calls after it.
    fn failed(&self, session: &Session, failure: Failure) -> Fault {
        if !session.recognises(failure.epoch.as_deref()) {
            return stranger(&session.info);
        }
        if failure.silent {
            self.probe.notify_one();
        }
        self.heed(&failure.fault);
        failure.fault
    }

    /// Draws the consequences of a fault that reach beyond its call or item.
    pub(super) fn heed(&self, fault: &Fault) {
        if fault.origin == Origin::Distrust {
            self.metrics.distrusted.with([&fault.provider, &fault.reason]).inc();
            tracing::warn!(provider = fault.provider, %fault, "refused an answer");
        }
        if fault.code == Code::Unauthenticated {
            self.note_auth_fault();
        }
        let Some(pause) = fault.retry_after.filter(|_| fault.is_throttle()) else { return };
        if self.throttle.pause(pause) {
            self.metrics.throttles.with([&fault.provider]).inc();
            tracing::info!(provider = fault.provider, ?pause, %fault, "provider asked for a pause");
        }
    }

    /// Somebody's identity was refused just now.
    pub(super) fn note_auth_fault(&self) {
        *self.auth_fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(clock::now());
    }

    /// Refuses an answer.
    pub(super) fn refuse(&self, session: &Session, refusal: &impl Refusal) -> Fault {
        let fault = distrust(&session.info.name, refusal);
        self.heed(&fault);
        fault
    }

    /// No call can be made now.
    pub(super) fn away(&self, why: Option<&Fault>) -> Fault {
        let message = match why {
            Some(why) => format!("not available: {}", why.message),
            None => "not connected yet".to_owned(),
        };
        Fault::new(Code::Unavailable, Origin::Provider, self.name(), message).with_reason(reason::AWAY)
    }
}

/// Waits until one more change of a load balancer is useful to the daemon. The deadline does not run meanwhile.
async fn turn(session: &Session, method: Method) -> Option<SemaphorePermit<'_>> {
    if method.kind != Kind::Write || method.needs != Some(Capability::LoadBalancers) {
        return None;
    }
    // Never closed; without a permit there would only be one call more.
    session.load_balancers.acquire().await.ok()
}

/// The daemon was replaced while the call was under way. Its answer was made without a handshake, so nothing is believed of
/// it; what it did, it did.
fn stranger(info: &Info) -> Fault {
    let message = "the daemon was restarted while the call was under way";
    Fault::new(Code::Unavailable, Origin::Provider, &info.name, message).with_reason(reason::UNREACHABLE)
}

fn within_limits<Q: Message>(info: &Info, request: Q) -> Result<Q, Fault> {
    let size = request.encoded_len();
    if size <= MESSAGE {
        return Ok(request);
    }
    Err(over_limit(info, format!("the request has {size} bytes, the most a message may have is {MESSAGE}")))
}

/// The request is more than the provider takes.
pub(super) fn over_limit(info: &Info, message: String) -> Fault {
    Fault::new(Code::OutOfRange, Origin::Provider, &info.name, message).with_reason(reason::OVER_LIMIT)
}
