//! What the daemon says of its own state, asked from time to time, and at once when calls get no answer.

use std::{collections::HashMap, time::Duration};

use cloud_provider_api::v1::{self, identity_client::IdentityClient};
use controller_core::fault::Fault;
use tokio::time::sleep;

use super::{
    Inner,
    convert::common::text,
    exchange::{Kind, Method},
    session::Session,
};
use crate::metrics::FloatGaugeVec;

/// Between two questions while all is well.
const PERIOD: Duration = Duration::from_secs(60);
/// Between two questions while something is wrong.
const PERIOD_BAD: Duration = Duration::from_secs(10);
/// Most conditions shown of one provider: each is a metric.
const CONDITIONS: usize = 32;

const GET_STATUS: Method = Method { name: "GetStatus", kind: Kind::Status, needs: None };

/// Asks until the daemon turns out to be hung: it answers from memory, so two silences in a row are no slow cloud.
pub(super) async fn poll(provider: &Inner, session: &Session) -> Fault {
    let mut shown = Shown::new(provider, session);
    loop {
        let asking = provider.asking(&session.info.name);
        let answer = asking.ask(&session.link, GET_STATUS, v1::GetStatusRequest {}, |link, request| async move {
            IdentityClient::with_origin(link.clone(), link.origin()).get_status(request).await
        });
        let bad = match answer.await {
            Ok(response) => {
                let status = response.into_inner();
                session.recognises(Some(&status.epoch).filter(|epoch| !epoch.is_empty()).map(String::as_str));
                shown.silences = 0;
                shown.show(status)
            }
            Err(failure) if failure.silent => {
                shown.silences += 1;
                if shown.silences > 1 {
                    return failure.fault;
                }
                continue;
            }
            Err(failure) => {
                session.recognises(failure.epoch.as_deref());
                tracing::debug!(provider = session.info.name, fault = %failure.fault, "provider did not say how it is");
                shown.silences = 0;
                true
            }
        };
        tokio::select! {
            () = sleep(if bad { PERIOD_BAD } else { PERIOD }) => {}
            () = provider.probe.notified() => {}
        }
    }
}

/// What was last shown of a daemon's state.
struct Shown<'a> {
    provider: &'a Inner,
    name: &'a str,
    conditions: HashMap<String, Option<bool>>,
    silences: u32,
}

impl<'a> Shown<'a> {
    fn new(provider: &'a Inner, session: &'a Session) -> Self {
        Self { provider, name: &session.info.name, conditions: HashMap::new(), silences: 0 }
    }

    /// Shows a state; logs what changed. Answers whether something is wrong.
    fn show(&mut self, status: v1::GetStatusResponse) -> bool {
        let mut bad = status.throttled_for.is_some();
        let metrics = &self.provider.metrics;
        let throttled = status.throttled_for.and_then(|time| Duration::try_from(time).ok()).unwrap_or_default();
        metrics.throttled.with([self.name]).set(throttled.as_secs_f64());
        self.moment(&metrics.credentials_expiry, status.credentials_valid_until);
        self.moment(&metrics.cloud_success, status.last_cloud_success);
        for condition in status.conditions.into_iter().take(CONDITIONS) {
            bad |= condition.status == Some(false);
            self.condition(&condition);
        }
        bad
    }

    /// Shows a moment, or that there is none.
    fn moment(&self, metric: &FloatGaugeVec<1>, at: Option<prost_types::Timestamp>) {
        match at {
            #[allow(clippy::cast_precision_loss)] // Seconds of a date.
            Some(at) => drop(metric.with([self.name]).set(at.seconds as f64)),
            None => metric.remove([self.name]),
        }
    }

    /// Shows one condition.
    fn condition(&mut self, condition: &v1::Condition) {
        let kind = text(&condition.r#type);
        let value = condition.status.map_or(-1, i64::from);
        self.provider.metrics.condition.with([self.name, &kind]).set(value);
        let before = self.conditions.insert(kind.clone(), condition.status);
        if before == Some(condition.status) {
            return;
        }
        let (reason, message) = (text(&condition.reason), text(&condition.message));
        match condition.status {
            Some(false) => {
                tracing::warn!(provider = self.name, condition = kind, reason, message, "provider condition is false");
            }
            status => {
                let status = status.map_or("unknown", |_| "true");
                tracing::info!(provider = self.name, condition = kind, status, reason, message, "provider condition");
            }
        }
    }
}

impl Drop for Shown<'_> {
    /// Of a daemon that is away, or was replaced, nothing is known.
    fn drop(&mut self) {
        let metrics = &self.provider.metrics;
        for kind in self.conditions.keys() {
            metrics.condition.remove([self.name, kind]);
        }
        for of_provider in [&metrics.throttled, &metrics.credentials_expiry, &metrics.cloud_success] {
            of_provider.remove([self.name]);
        }
    }
}
