//! What can be turned while the cloud runs: latency, lag, times, quotas and limits.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

/// So many calls in so many seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Calls.
    pub calls: u32,
    /// Seconds.
    pub seconds: u64,
}

/// When calls are answered 429. Nothing is limited by default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Limits {
    /// Calls a second over all callers and services, in a bucket of one second's worth.
    pub calls_per_second: Option<f64>,
    /// For each key and action.
    pub per_action: Option<Rate>,
    /// The same for single actions, by their names.
    pub actions: BTreeMap<String, Rate>,
    /// Whether the answer says when to come back, in `Retry-After`.
    pub retry_after: bool,
}

/// All of it. Times are in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Knobs {
    /// What each call takes.
    pub latency_ms: u64,
    /// How far listings are behind, at most ten minutes.
    pub lag_ms: u64,
    /// Most rows of a page, whatever is asked for.
    pub page_rows: Option<usize>,
    /// How long something takes the cloud, by name.
    pub delays_ms: BTreeMap<String, u64>,
    /// How many of something are allowed, by name.
    pub quotas: BTreeMap<String, usize>,
    /// When calls are answered 429.
    pub limits: Limits,
}

impl Knobs {
    /// Knobs with these delays and quotas: the only names there are.
    pub fn with(delays: &[(&str, Duration)], quotas: &[(&str, usize)]) -> Self {
        let delays = delays.iter().map(|(name, delay)| ((*name).to_owned(), millis(*delay)));
        let quotas = quotas.iter().map(|(name, quota)| ((*name).to_owned(), *quota));
        Self { delays_ms: delays.collect(), quotas: quotas.collect(), ..Self::default() }
    }

    /// The same with `change` on top.
    ///
    /// # Errors
    /// Names a delay or quota that this cloud does not have.
    pub fn changed(&self, change: Change) -> Result<Self, String> {
        let mut knobs = self.clone();
        knobs.latency_ms = change.latency_ms.unwrap_or(knobs.latency_ms);
        knobs.lag_ms = change.lag_ms.unwrap_or(knobs.lag_ms);
        if let Some(rows) = change.page_rows {
            knobs.page_rows = Some(rows).filter(|rows| *rows > 0);
        }
        knobs.limits = change.limits.unwrap_or(knobs.limits);
        merge(&mut knobs.delays_ms, change.delays_ms, "delaysMs")?;
        merge(&mut knobs.quotas, change.quotas, "quotas")?;
        Ok(knobs)
    }

    pub(crate) fn delay(&self, what: &str) -> Duration {
        let delay = self.delays_ms.get(what).unwrap_or_else(|| panic!("the cloud has no delay `{what}`"));
        Duration::from_millis(*delay)
    }

    pub(crate) fn quota(&self, of: &str) -> usize {
        *self.quotas.get(of).unwrap_or_else(|| panic!("the cloud has no quota `{of}`"))
    }
}

/// What to turn; the rest stays.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Change {
    /// See [`Knobs::latency_ms`].
    pub latency_ms: Option<u64>,
    /// See [`Knobs::lag_ms`].
    pub lag_ms: Option<u64>,
    /// See [`Knobs::page_rows`]; 0 is no limit.
    pub page_rows: Option<usize>,
    /// See [`Knobs::delays_ms`]; `*` stands for all.
    pub delays_ms: BTreeMap<String, u64>,
    /// See [`Knobs::quotas`]; `*` stands for all.
    pub quotas: BTreeMap<String, usize>,
    /// See [`Knobs::limits`].
    pub limits: Option<Limits>,
}

fn merge<T: Copy>(into: &mut BTreeMap<String, T>, from: BTreeMap<String, T>, field: &str) -> Result<(), String> {
    for (name, value) in from {
        if name == "*" {
            for old in into.values_mut() {
                *old = value;
            }
            continue;
        }
        let known = into.keys().cloned().collect::<Vec<_>>().join(", ");
        let old = into.get_mut(&name).ok_or_else(|| format!("{field}: {name} is not one of {known}"))?;
        *old = value;
    }
    Ok(())
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
