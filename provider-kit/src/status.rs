//! The daemon's state as `GetStatus` answers it: kept in memory, so that a probe never costs a call to the cloud.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use cloud_provider_api::v1::{Condition, GetStatusResponse};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{family::Family, gauge::Gauge},
    registry::Registry,
};

use crate::epoch::Epoch;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ConditionLabels {
    condition: String,
}

/// Conditions and times. Clones share them.
#[derive(Clone, Debug)]
pub struct StatusBoard(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    epoch: Epoch,
    state: Mutex<State>,
    shown: Family<ConditionLabels, Gauge>,
}

#[derive(Debug, Default)]
struct State {
    conditions: BTreeMap<String, Condition>,
    last_cloud_success: Option<SystemTime>,
    credentials_valid_until: Option<SystemTime>,
    throttled_for: Option<Duration>,
}

impl StatusBoard {
    pub(crate) fn new(epoch: Epoch) -> Self {
        Self(Arc::new(Inner { epoch, state: Mutex::default(), shown: Family::default() }))
    }

    /// Shows the conditions as metrics, too, for whoever watches the daemon and not its callers.
    pub(crate) fn register(&self, registry: &mut Registry) {
        let help = "Conditions of the daemon: 1 true, 0 false, -1 unknown";
        registry.register("provider_condition", help, self.0.shown.clone());
    }

    /// Sets a condition, for instance `CredentialsValid`. Its transition time moves when its status does. Holds no secret.
    pub fn set_condition(&self, r#type: &str, status: Option<bool>, reason: &str, message: &str) {
        let shown = ConditionLabels { condition: r#type.to_owned() };
        self.0.shown.get_or_create(&shown).set(status.map_or(-1, i64::from));
        let mut state = self.state();
        let now = Some(SystemTime::now().into());
        let before = state.conditions.get(r#type);
        let last_transition =
            before.filter(|before| before.status == status).map_or(now, |before| before.last_transition);
        let condition = Condition {
            r#type: r#type.to_owned(),
            status,
            reason: reason.to_owned(),
            message: message.to_owned(),
            last_transition,
        };
        state.conditions.insert(r#type.to_owned(), condition);
    }

    /// The cloud has just answered a call well.
    pub fn cloud_success(&self) {
        self.state().last_cloud_success = Some(SystemTime::now());
    }

    /// Until when the present credentials are valid, if that is known.
    pub fn set_credentials_valid_until(&self, until: Option<SystemTime>) {
        self.state().credentials_valid_until = until;
    }

    /// The pause the cloud's throttling asks for. `None`: it does not throttle.
    pub fn set_throttled_for(&self, pause: Option<Duration>) {
        self.state().throttled_for = pause;
    }

    /// As the API answers it.
    pub fn response(&self) -> GetStatusResponse {
        let state = self.state();
        GetStatusResponse {
            epoch: self.0.epoch.get().to_string(),
            conditions: state.conditions.values().cloned().collect(),
            last_cloud_success: state.last_cloud_success.map(Into::into),
            credentials_valid_until: state.credentials_valid_until.map(Into::into),
            throttled_for: state.throttled_for.and_then(|pause| pause.try_into().ok()),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transition_is_a_change_of_status_not_of_words() {
        let board = StatusBoard::new(Epoch::new());
        let transition = || board.response().conditions[0].last_transition.unwrap();
        board.set_condition("CloudReachable", Some(true), "Ok", "fine");
        let first = transition();
        board.set_condition("CloudReachable", Some(true), "Ok", "still fine");
        assert_eq!(transition(), first);
        board.set_condition("CloudReachable", Some(false), "Timeout", "no answer");
        assert!(SystemTime::try_from(transition()).unwrap() > SystemTime::try_from(first).unwrap());
        assert_eq!(board.response().conditions.len(), 1);
    }

    #[test]
    fn what_was_never_said_is_absent() {
        let epoch = Epoch::new();
        let board = StatusBoard::new(epoch.clone());
        let told = |epoch: String| GetStatusResponse { epoch, ..GetStatusResponse::default() };
        let first = epoch.get().to_string();
        assert_eq!(board.response(), told(first.clone()));
        epoch.renew();
        assert_ne!(*epoch.get(), *first);
        assert_eq!(board.response(), told(epoch.get().to_string()));
    }
}
