//! What makes an engine a cloud.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::{Answer, Caller, Knobs, Problem, Request, Service, Target, traffic::Frontend};

/// Where a request's host leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// To the services on the host label, with this much of the path (a gateway's prefix) left out.
    Host {
        /// The label that services are [`on`](Service::on).
        label: String,
        /// Bytes of the path that come before a route's.
        prefix: usize,
    },
    /// An address that stands for the whole cloud: the path tells the services apart.
    Anywhere,
    /// Nowhere: the cloud has no such host.
    Nowhere,
}

/// A cloud: services over a state, how it knows its callers, and how it puts what goes wrong.
pub trait Cloud: std::fmt::Debug + Send + Sync + 'static {
    /// Everything the cloud holds. Calls have it one at a time.
    type State: std::fmt::Debug + Send + Serialize;

    /// Its services.
    fn services(&self) -> Vec<Service<Self::State>>;

    /// Where a request's host and path lead; `has` tells whether there is a service on a host label.
    fn locate(&self, request: &Request, has: &dyn Fn(&str) -> bool) -> Place;

    /// The DNS names its TLS certificate is for, besides loopback's.
    fn names(&self) -> Vec<String>;

    /// The delays and quotas there are, as they are at first.
    fn knobs(&self) -> Knobs;

    /// Who signed a request, if that is right, and whether what the path names is theirs.
    fn authenticate(
        &self,
        state: &mut Self::State,
        request: &Request,
        target: Target<'_>,
        now: Timestamp,
    ) -> Result<Caller, Problem>;

    /// The answer to a call that says by itself (a client token) that it was made before. Asked before a changing call is executed;
    /// what is answered here is not executed again.
    ///
    /// # Errors
    /// When the call cannot be the one it says it is.
    fn recall(
        &self,
        _state: &mut Self::State,
        _caller: &Caller,
        _request: &Request,
        _target: Target<'_>,
        _now: Timestamp,
    ) -> Result<Option<Answer>, Problem> {
        Ok(None)
    }

    /// Keeps the answer to a changing call that was executed, for [`recall`](Self::recall).
    fn remember(
        &self,
        _state: &mut Self::State,
        _caller: &Caller,
        _request: &Request,
        _target: Target<'_>,
        _answer: &Answer,
        _now: Timestamp,
    ) {
    }

    /// Puts a problem of a request that met no service.
    fn refuse(&self, problem: &Problem, request_id: &str) -> Answer;

    /// Puts on an answer what every answer has.
    fn finish(&self, answer: Answer, request_id: &str) -> Answer;

    /// Brings about what is due: called before each call and each look from outside.
    fn settle(&self, state: &mut Self::State, now: Timestamp);

    /// What should be listened on, for load balancers that carry traffic.
    fn frontends(&self, state: &Self::State) -> Vec<Frontend>;

    /// Adds objects from outside, as JSON.
    ///
    /// # Errors
    /// Says for people what cannot be added and why; nothing was added then.
    fn seed(&self, state: &mut Self::State, objects: Value) -> Result<Value, String>;

    /// Does what its users do by other ways than the API: `what` names it.
    ///
    /// # Errors
    /// Says for people why not.
    fn operate(&self, state: &mut Self::State, what: &str, with: Value, now: Timestamp) -> Result<Value, String>;
}
