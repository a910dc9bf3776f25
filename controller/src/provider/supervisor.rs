//! Keeps a provider connected: dials, shakes hands, watches over the session, and starts again when it ends.
//!
//! A connection that ends is replaced at once and nobody is told, so that a daemon which closes connections now and then (to
//! have certificates looked at anew) fails no call. Only when that does not succeed is the provider away. Nothing here ever
//! gives up, and nothing here ends the process: an idle close must not cost the lease.

use std::{sync::Arc, time::Duration};

use cloud_provider_api::v1::identity_client::IdentityClient;
use controller_core::fault::{Code, Fault, Origin, reason};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{
    Inner,
    convert::{distrust, identity},
    exchange::{Kind, Method},
    health, hints,
    link::{self, Link},
    session::Session,
    status,
    wire::HANDOVER,
};

/// How long a connection may take to be opened.
const DIAL: Duration = Duration::from_secs(5);
/// First and longest wait between two attempts, before full jitter.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(15));
/// Wait after a handshake that was refused for a reason that heals from outside.
const REFUSED: Duration = Duration::from_secs(30);
/// Wait after a handshake that found no common API minor: one side has to be updated.
const INCOMPATIBLE: Duration = Duration::from_secs(60);
/// A session shorter than this was none: its end is a failed attempt.
const LASTING: Duration = Duration::from_secs(1);

const HANDSHAKE: Method = Method { name: "Handshake", kind: Kind::Status, needs: None };

/// Keeps the provider connected until `stop`. The last session stays usable, for work that is being finished.
pub(super) async fn run(provider: Arc<Inner>, stop: CancellationToken) {
    // Boxed: it holds the state of every stream it follows.
    stop.run_until_cancelled(Box::pin(keep(&provider))).await;
}

async fn keep(provider: &Inner) {
    let mut failures = 0;
    let mut handover = false;
    loop {
        let attempt = if handover { reconnect(provider).await } else { connect(provider).await };
        handover = false;
        let refused = match attempt {
            Ok(session) => {
                let session = Arc::new(session);
                let began = Instant::now();
                provider.publish_ready(&session);
                match watch_over(provider, &session).await {
                    End::Hung(fault) => Refused::new(fault),
                    End::Over if began.elapsed() < LASTING => {
                        Refused::new(provider.lost("the connection ended as soon as it was made"))
                    }
                    End::Over => {
                        failures = 0;
                        handover = true;
                        provider.publish_handover();
                        continue;
                    }
                }
            }
            Err(refused) => refused,
        };
        provider.publish_away(&refused.fault);
        failures += 1;
        refused.wait(failures).await;
    }
}

/// Opens the connection that replaces one that has just ended, as long as calls wait for it.
async fn reconnect(provider: &Inner) -> Result<Session, Refused> {
    match timeout(HANDOVER, connect(provider)).await {
        Ok(attempt) => attempt,
        Err(_) => Err(Refused::new(provider.lost("the connection was lost and the daemon does not answer"))),
    }
}

/// Why there is no session.
#[derive(Debug)]
struct Refused {
    fault: Fault,
    /// The connection over which a handshake was refused. Its end may mean that the daemon was replaced.
    link: Option<Link>,
}

impl Refused {
    fn new(fault: Fault) -> Self {
        Self { fault, link: None }
    }

    /// Waits until another attempt makes sense.
    async fn wait(self, failures: u32) {
        let jitter = jitter(failures, rand::random());
        let Some(link) = self.link else { return sleep(jitter).await };
        let patience = refusal_pause(&self.fault).mul_f64(0.8 + rand::random::<f64>() * 0.4);
        if timeout(patience, link.closed()).await.is_ok() {
            sleep(jitter).await;
        }
    }
}

/// How long a refused handshake is let rest while the daemon that refused it is still there.
fn refusal_pause(fault: &Fault) -> Duration {
    if fault.reason == reason::API_VERSION { INCOMPATIBLE } else { REFUSED }
}

/// Full jitter: anything up to a limit that doubles, so that controllers which lost a daemon together return one by one.
fn jitter(failures: u32, unit: f64) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    BACKOFF.0.saturating_mul(1 << doublings).min(BACKOFF.1).mul_f64(unit)
}

/// Opens a connection and shakes hands.
async fn connect(provider: &Inner) -> Result<Session, Refused> {
    let name = provider.name();
    let link = open(provider, &name).await.map_err(Refused::new)?;
    let request = identity::request(&provider.settings.cluster);
    let shaken = provider.asking(&name).ask(&link, HANDSHAKE, request, |link, request| async move {
        IdentityClient::with_origin(link.clone(), link.origin()).handshake(request).await
    });
    let response = match shaken.await {
        Ok(response) => response.into_inner(),
        // No daemon to wait for: it was lost or is silent.
        Err(failure) if failure.silent || failure.fault.reason == reason::UNREACHABLE => {
            return Err(Refused::new(failure.fault));
        }
        Err(failure) => return Err(Refused { fault: failure.fault, link: Some(link) }),
    };
    match identity::info(response, &provider.settings.accounts) {
        Ok(info) => Ok(Session::new(link, Arc::new(info))),
        Err(refusal) => {
            let fault = distrust(&name, &refusal);
            provider.heed(&fault);
            Err(Refused { fault, link: Some(link) })
        }
    }
}

async fn open(provider: &Inner, name: &str) -> Result<Link, Fault> {
    let fault = |message: String| {
        Fault::new(Code::Unavailable, Origin::Provider, name, message).with_reason(reason::UNREACHABLE)
    };
    let attempt = async {
        let stream = provider
            .remote
            .dialer
            .dial()
            .await
            .map_err(|error| fault(format!("cannot connect to {}: {error}", provider.remote.endpoint)))?;
        Link::open(stream, link::options(provider.remote.origin()))
            .await
            .map_err(|error| fault(format!("{} does not speak HTTP/2: {error}", provider.remote.endpoint)))
    };
    timeout(DIAL, attempt)
        .await
        .unwrap_or_else(|_| Err(fault(format!("cannot connect to {} within {DIAL:?}", provider.remote.endpoint))))
}

/// How a session ended.
#[derive(Debug)]
enum End {
    /// Its connection, or the daemon behind it.
    Over,
    /// The daemon does not answer.
    Hung(Fault),
}

/// Watches over a session until it ends.
async fn watch_over(provider: &Inner, session: &Arc<Session>) -> End {
    tokio::select! {
        () = session.over() => End::Over,
        fault = status::poll(provider, session) => End::Hung(fault),
        never = health::watch(provider, session) => match never {},
        never = hints::watch(provider, session) => match never {},
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_from_half_a_second_to_fifteen() {
        let full = |failures| jitter(failures, 1.0).as_millis();
        assert_eq!([1, 2, 3, 5, 6, 7, 1000].map(full), [500, 1000, 2000, 8000, 15_000, 15_000, 15_000]);
        assert_eq!(jitter(9, 0.0), Duration::ZERO, "full jitter");
    }
}
