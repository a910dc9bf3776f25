//! Credentials in use: renewed early, by one at a time, and kept when the new ones are bad.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::future::BoxFuture;
use jiff::Timestamp;
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

use super::{Credentials, Source, SourceError};

/// Temporary credentials are renewed when less than this is left of them, or half of what they had if that is less.
const MARGIN: Duration = Duration::from_mins(40);
/// Credentials this close to their end are not used: the call is on its way for a while.
const TOO_CLOSE: Duration = Duration::from_secs(10);
/// The longest time a source may take.
const FETCH: Duration = Duration::from_secs(30);
/// The pause after a source failed or gave nothing better; it doubles.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest such pause while there is nothing to use.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// The pause after new credentials were refused; it triples: a new key may take a while to be known everywhere, and a wrong one
/// tried often gets locked.
const REFUSED_PAUSE: Duration = Duration::from_secs(10);
/// The longest such pause.
const LONGEST_REFUSED_PAUSE: Duration = Duration::from_mins(5);

/// What the cloud says to new credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It knows them.
    Good,
    /// It does not, in these words.
    Bad(String),
    /// It could not be asked.
    Unclear(String),
}

/// Tries credentials out with a harmless call.
pub(crate) type Probe = Box<dyn Fn(Arc<Credentials>) -> BoxFuture<'static, Verdict> + Send + Sync>;

/// Credentials with a number that changes when they do.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub version: u64,
    pub credentials: Arc<Credentials>,
}

/// What is in use, for health and people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CredentialStatus {
    /// Where they come from.
    pub source: String,
    /// The access key's id. Empty: there are none yet.
    pub id: String,
    /// When they end.
    pub expires_at: Option<Timestamp>,
    /// How often they were replaced, the first time included.
    pub replaced: u64,
    /// Why the newest at the source are not the ones in use. `None`: they are.
    pub fault: Option<String>,
}

/// The cache.
pub(crate) struct Cache {
    source: Arc<dyn Source>,
    probe: Probe,
    clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    state: Mutex<State>,
    flight: tokio::sync::Mutex<()>,
    in_background: AtomicBool,
    status: watch::Sender<CredentialStatus>,
}

#[derive(Default)]
struct State {
    held: Option<Held>,
    /// When those in use should be renewed. `None`: they last.
    renew_at: Option<Timestamp>,
    /// The source is not asked before this.
    not_before: Option<Instant>,
    pause: Duration,
    /// Why the source gave nothing when it was asked last.
    failed: Option<SourceError>,
    /// Credentials the cloud refused, not to be tried again before `not_before`.
    refused: Option<(Arc<Credentials>, Duration)>,
    /// The cloud no longer takes those in use: anything is better.
    suspect: bool,
}

impl Cache {
    pub(crate) fn new(source: Arc<dyn Source>, clock: Arc<dyn Fn() -> Timestamp + Send + Sync>, probe: Probe) -> Self {
        let (status, _) = watch::channel(CredentialStatus { source: source.describe(), ..CredentialStatus::default() });
        let (state, flight) = (Mutex::default(), tokio::sync::Mutex::default());
        Self { source, probe, clock, state, flight, in_background: AtomicBool::new(false), status }
    }

    pub(crate) fn status(&self) -> watch::Receiver<CredentialStatus> {
        self.status.subscribe()
    }

    /// Credentials to sign with. Waits only if there are none that can be used.
    pub(crate) async fn get(self: &Arc<Self>) -> Result<Held, SourceError> {
        if let Some(held) = self.usable() {
            if self.is_due() {
                self.renew_in_background();
            }
            return Ok(held);
        }
        let _flight = self.flight.lock().await;
        if let Some(held) = self.usable() {
            return Ok(held);
        }
        if let Some(error) = self.lately_failed() {
            return Err(error);
        }
        self.renew().await;
        let failed = self.lock().failed.clone();
        self.usable().ok_or_else(|| failed.unwrap_or_else(|| SourceError::Unavailable("they have ended".to_owned())))
    }

    /// Asks the source now: something has changed there.
    pub(crate) async fn reload(&self) {
        {
            let mut state = self.lock();
            (state.not_before, state.refused) = (None, None);
        }
        let _flight = self.flight.lock().await;
        self.renew().await;
    }

    /// The cloud refused credentials of this version. Answers whether there are others by now.
    pub(crate) async fn refused(&self, version: u64) -> bool {
        let _flight = self.flight.lock().await;
        {
            let mut state = self.lock();
            match &state.held {
                Some(held) if held.version != version => return true,
                _ => state.suspect = true,
            }
            // One look for each time they are found bad, and no more: there may be nothing better for long.
            if state.not_before.is_some_and(|at| Instant::now() < at) {
                return false;
            }
        }
        self.renew().await;
        self.lock().held.as_ref().is_some_and(|held| held.version != version)
    }

    /// The cloud took credentials of this version.
    pub(crate) fn accepted(&self, version: u64) {
        let mut state = self.lock();
        if state.suspect && state.held.as_ref().is_some_and(|held| held.version == version) {
            state.suspect = false;
        }
    }

    fn usable(&self) -> Option<Held> {
        let now = (self.clock)();
        let held = self.lock().held.clone()?;
        let ends = held.credentials.expires_at;
        ends.is_none_or(|ends| ends > now + TOO_CLOSE).then_some(held)
    }

    fn is_due(&self) -> bool {
        let state = self.lock();
        let waits = state.not_before.is_some_and(|at| Instant::now() < at);
        let again = state.refused.is_some() || state.failed.is_some();
        !waits && (again || state.renew_at.is_some_and(|at| at <= (self.clock)()))
    }

    fn lately_failed(&self) -> Option<SourceError> {
        let state = self.lock();
        state.failed.clone().filter(|_| state.not_before.is_some_and(|at| Instant::now() < at))
    }

    fn renew_in_background(self: &Arc<Self>) {
        if self.in_background.swap(true, Ordering::AcqRel) {
            return;
        }
        let cache = self.clone();
        tokio::spawn(async move {
            {
                let _flight = cache.flight.lock().await;
                if cache.is_due() {
                    cache.renew().await;
                }
            }
            cache.in_background.store(false, Ordering::Release);
        });
    }

    /// Asks the source, and takes what it gives if that is better. Only with `flight` held.
    async fn renew(&self) {
        let fetched = timeout(FETCH, self.source.fetch()).await.unwrap_or_else(|_| {
            Err(SourceError::Unavailable(format!("{} gave no answer within {FETCH:?}", self.source.describe())))
        });
        match fetched {
            Err(error) => self.failed(error),
            Ok(credentials) => self.judge(Arc::new(credentials)).await,
        }
    }

    async fn judge(&self, new: Arc<Credentials>) {
        let (held, tried) = {
            let state = self.lock();
            let waits = state.not_before.is_some_and(|at| Instant::now() < at);
            (state.held.clone(), state.refused.as_ref().is_some_and(|(refused, _)| *refused == new && waits))
        };
        match held {
            Some(held) if *held.credentials == *new => self.unchanged(),
            Some(_) if tried => {}
            // Those in use work: what replaces them has to prove itself.
            Some(_) if self.usable().is_some() => match (self.probe)(new.clone()).await {
                Verdict::Good => self.take(&new),
                Verdict::Unclear(_) if self.lock().suspect => self.take(&new),
                Verdict::Unclear(why) => {
                    self.failed(SourceError::Unavailable(format!("the new key could not be tried: {why}")));
                }
                Verdict::Bad(why) => self.turn_down(new, &why),
            },
            _ => self.take(&new),
        }
    }

    fn take(&self, new: &Arc<Credentials>) {
        let now = (self.clock)();
        let version = {
            let mut state = self.lock();
            let version = state.held.as_ref().map_or(1, |held| held.version + 1);
            state.renew_at = new.expires_at.map(|ends| renewal(now, ends));
            state.held = Some(Held { version, credentials: new.clone() });
            (state.failed, state.refused, state.suspect) = (None, None, false);
            (state.not_before, state.pause) = (None, Duration::ZERO);
            version
        };
        tracing::info!(access_key = %new.id, source = %self.source.describe(), version, "credentials in use");
        self.status.send_modify(|status| {
            (status.id, status.expires_at, status.replaced) = (new.id.clone(), new.expires_at, version);
            status.fault = None;
        });
    }

    /// The source has what is in use: if that ends soon, it will have something new soon.
    fn unchanged(&self) {
        {
            let mut state = self.lock();
            (state.failed, state.refused) = (None, None);
            state.pause = next(state.pause, FIRST_PAUSE * 10, 2, LONGEST_REFUSED_PAUSE);
            state.not_before = Some(Instant::now() + state.pause);
        }
        self.status.send_if_modified(|status| status.fault.take().is_some());
    }

    fn failed(&self, error: SourceError) {
        let fault = error.to_string();
        {
            let mut state = self.lock();
            state.pause = next(state.pause, FIRST_PAUSE, 2, LONGEST_PAUSE);
            state.not_before = Some(Instant::now() + state.pause);
            state.failed = Some(error);
        }
        self.tell(&fault);
    }

    fn turn_down(&self, new: Arc<Credentials>, why: &str) {
        let fault = format!("the cloud refuses the new access key {}: {why}", new.id);
        {
            let mut state = self.lock();
            let last = state.refused.as_ref().map_or(Duration::ZERO, |(_, pause)| *pause);
            let pause = next(last, REFUSED_PAUSE, 3, LONGEST_REFUSED_PAUSE);
            state.not_before = Some(Instant::now() + pause);
            state.refused = Some((new, pause));
            state.failed = None;
        }
        self.tell(&fault);
    }

    fn tell(&self, fault: &str) {
        self.status.send_if_modified(|status| {
            // Said once per fault, not once per attempt.
            let news = status.fault.as_deref() != Some(fault);
            if news {
                let kept = if status.id.is_empty() { "there are none" } else { "those in use stay" };
                tracing::warn!(fault, source = %status.source, "no new credentials; {kept}");
                status.fault = Some(fault.to_owned());
            }
            news
        });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When to ask for others.
fn renewal(now: Timestamp, ends: Timestamp) -> Timestamp {
    let left = Duration::try_from(ends.duration_since(now)).unwrap_or_default();
    ends - MARGIN.min(left / 2)
}

fn next(last: Duration, first: Duration, factor: u32, longest: Duration) -> Duration {
    if last.is_zero() { first } else { (last * factor).clamp(first, longest) }
}

#[cfg(test)]
mod tests;
