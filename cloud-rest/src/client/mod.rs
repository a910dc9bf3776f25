//! The client: one for each account profile.

mod attempt;
mod lockout;
mod retry;

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};
use tracing::Instrument;

use self::lockout::Lockout;
pub use self::retry::Patience;
use crate::{
    actor::Actor,
    audit::Audit,
    call::{Answer, Call},
    credentials::{Cache, CredentialStatus, Credentials, Held, Source, SourceError, Verdict},
    dialect::Dialect,
    error::{Error, Executed, Kind},
    limit::{Limits, StartRate},
    metrics::Metrics,
    sign::Sign,
    transport::Transport,
};

/// The time now. A function, so that a test can be in another time than the machine.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What a client is made of.
#[derive(Clone)]
pub struct Settings {
    /// The account profile's name, for logs and metrics.
    pub account: String,
    /// Connections.
    pub transport: Transport,
    /// How requests are signed.
    pub sign: Arc<dyn Sign>,
    /// How answers are read.
    pub dialect: Arc<dyn Dialect>,
    /// Where credentials come from.
    pub credentials: Arc<dyn Source>,
    /// A harmless read that new credentials are tried out with before they replace others. `None`: they are taken untried.
    pub probe: Option<Call>,
    /// The rate each family of calls starts at.
    pub start_rate: StartRate,
    /// How long a failing call is repeated for.
    pub patience: Patience,
    /// Where calls are counted.
    pub metrics: Metrics,
    /// Where calls that change something are recorded.
    pub audit: Option<Arc<dyn Audit>>,
    /// The time signatures carry.
    pub clock: Clock,
}

impl Settings {
    /// Settings with the least that is needed; the rest has defaults that suit most clouds.
    pub fn new(
        account: impl Into<String>,
        transport: Transport,
        sign: Arc<dyn Sign>,
        dialect: Arc<dyn Dialect>,
        credentials: Arc<dyn Source>,
    ) -> Self {
        Self {
            account: account.into(),
            transport,
            sign,
            dialect,
            credentials,
            probe: None,
            start_rate: |_, mutates| if mutates { 3.0 } else { 10.0 },
            patience: Patience::default(),
            metrics: Metrics::default(),
            audit: None,
            clock: Arc::new(Timestamp::now),
        }
    }
}

/// Makes calls with one account's credentials. Clones share everything.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
    actor: Arc<Actor>,
}

struct Shared {
    wire: Arc<Wire>,
    credentials: Arc<Cache>,
    lockout: Lockout,
    limits: Limits,
    patience: Patience,
    metrics: Metrics,
    audit: Option<Arc<dyn Audit>>,
}

/// What one attempt needs.
struct Wire {
    account: String,
    transport: Transport,
    sign: Arc<dyn Sign>,
    dialect: Arc<dyn Dialect>,
    clock: Clock,
}

impl Client {
    /// Makes one; nothing is called yet.
    pub fn new(settings: Settings) -> Self {
        let Settings { account, transport, sign, dialect, credentials, clock, .. } = settings;
        let wire = Arc::new(Wire { account, transport, sign, dialect, clock: clock.clone() });
        let (prober, probe) = (wire.clone(), settings.probe);
        let probe = Box::new(move |candidate: Arc<Credentials>| -> BoxFuture<'static, Verdict> {
            let (wire, probe) = (prober.clone(), probe.clone());
            Box::pin(async move {
                match probe {
                    None => Verdict::Good,
                    Some(call) => wire.try_out(&call, &candidate).await,
                }
            })
        });
        let shared = Shared {
            wire,
            credentials: Arc::new(Cache::new(credentials, clock, probe)),
            lockout: Lockout::default(),
            limits: Limits::new(settings.start_rate),
            patience: settings.patience,
            metrics: settings.metrics,
            audit: settings.audit,
        };
        Self { shared: Arc::new(shared), actor: Arc::new(Actor::daemon()) }
    }

    /// The same client, working for someone.
    #[must_use]
    pub fn on_behalf_of(&self, actor: Actor) -> Self {
        Self { shared: self.shared.clone(), actor: Arc::new(actor) }
    }

    /// For whom it works.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// The account profile's name.
    pub fn account(&self) -> &str {
        &self.shared.wire.account
    }

    /// The credentials in use, now and at each later change.
    pub fn credentials(&self) -> watch::Receiver<CredentialStatus> {
        self.shared.credentials.status()
    }

    /// Reads the credentials' source again: something has changed there. New ones are tried out; bad ones are refused.
    pub async fn reload_credentials(&self) {
        self.shared.credentials.reload().await;
        self.count_credentials();
    }

    /// Makes a call whose answer is JSON. An empty body reads as `null`.
    pub async fn send<T: DeserializeOwned>(&self, call: Call) -> Result<Answer<T>, Error> {
        let name = call.name;
        self.persist(call, move |answer| decode(name, answer)).await
    }

    /// Makes a call and answers with the body as it is.
    pub async fn run(&self, call: Call) -> Result<Answer<Bytes>, Error> {
        self.persist(call, Ok).await
    }

    async fn persist<T>(
        &self,
        call: Call,
        read: impl Fn(Answer<Bytes>) -> Result<Answer<T>, Error>,
    ) -> Result<Answer<T>, Error> {
        let span = tracing::info_span!(
            "cloud_call",
            call = call.name,
            family = call.family,
            account = %self.account(),
            key = %self.actor.key,
        );
        self.attempts(&call, read).instrument(span).await
    }

    /// Attempt after attempt, until one succeeds or no other would be right.
    async fn attempts<T>(
        &self,
        call: &Call,
        read: impl Fn(Answer<Bytes>) -> Result<Answer<T>, Error>,
    ) -> Result<Answer<T>, Error> {
        let begun = Instant::now();
        let (mut sent, mut executed, mut other_key) = (0, Executed::No, false);
        loop {
            let held = self.key(call).await?;
            let mut error = match self.once(call, &held).await.and_then(&read) {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            // Not sent at all: what stood in the way will not go by being asked again.
            let stopped = error.attempts == 0;
            sent += error.attempts;
            executed = worse(executed, error.executed);
            let refused = error.kind == Kind::Unauthenticated && !stopped;
            if refused && !other_key && self.shared.credentials.refused(held.version).await {
                other_key = true;
                continue;
            }
            (error.attempts, error.executed) = (sent, executed);
            match self.pause(call, &error, begun) {
                Some(pause) if !stopped => sleep(pause).await,
                _ => return Err(error),
            }
        }
    }

    async fn key(&self, call: &Call) -> Result<Held, Error> {
        let held = self.shared.credentials.get().await.map_err(|error| no_credentials(call.name, &error));
        self.count_credentials();
        held
    }

    /// One attempt, with everything that surrounds it.
    async fn once(&self, call: &Call, held: &Held) -> Result<Answer<Bytes>, Error> {
        let Shared { lockout, limits, .. } = &*self.shared;
        lockout.check(call.name, held.version)?;
        let permit = limits.acquire(call, &self.actor.share, self.actor.deadline).await.map_err(|late| {
            let message =
                format!("the rate limit would let it pass only in {:.1} s, after the deadline", late.0.as_secs_f64());
            Error { retry_after: Some(late.0), ..Error::unsent(call.name, Kind::Throttled, message) }
        })?;
        let waited = permit.waited;
        let leave = lockout.enter(call.name, held.version).await?;
        let begun = Instant::now();
        let within = self.actor.deadline.map(|deadline| deadline.saturating_duration_since(begun));
        let outcome = self.shared.wire.attempt(call, &held.credentials, within).await;
        let failed = outcome.as_ref().err();
        permit.report(failed.map(|error| error.kind), failed.and_then(|error| error.retry_after));
        lockout.ended(&leave, failed);
        if failed.is_none() {
            self.shared.credentials.accepted(held.version);
        }
        self.note(call, &outcome, waited, begun.elapsed());
        outcome
    }

    /// The pause before another attempt. `None`: none would be right, or it would come too late.
    fn pause(&self, call: &Call, error: &Error, begun: Instant) -> Option<std::time::Duration> {
        let patience = &self.shared.patience;
        let pause = retry::pause(patience, call.effect, error, error.attempts, begun.elapsed(), rand::random::<f64>())?;
        let in_time = self.actor.deadline.is_none_or(|deadline| Instant::now() + pause < deadline);
        in_time.then_some(pause)
    }
}

fn decode<T: DeserializeOwned>(call: &'static str, answer: Answer<Bytes>) -> Result<Answer<T>, Error> {
    let body: &[u8] = if answer.value.is_empty() { b"null" } else { &answer.value };
    match serde_json::from_slice(body) {
        Ok(value) => Ok(answer.map(|_| value)),
        // serde's message may quote the answer, which may hold anything: only the place is told.
        Err(error) => Err(Error {
            executed: Executed::Yes,
            attempts: 1,
            request_id: answer.request_id,
            ..Error::unsent(
                call,
                Kind::Garbled,
                format!("the answer is not what it should be, at line {} column {}", error.line(), error.column()),
            )
        }),
    }
}

fn worse(one: Executed, other: Executed) -> Executed {
    match (one, other) {
        (Executed::Yes, _) | (_, Executed::Yes) => Executed::Yes,
        (Executed::Unknown, _) | (_, Executed::Unknown) => Executed::Unknown,
        _ => Executed::No,
    }
}

fn no_credentials(call: &'static str, error: &SourceError) -> Error {
    let kind = match error {
        SourceError::Unavailable(_) => Kind::Connect,
        SourceError::Refused(_) => Kind::Unauthenticated,
    };
    Error::unsent(call, kind, format!("no credentials: {error}"))
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("account", &self.account()).finish_non_exhaustive()
    }
}
