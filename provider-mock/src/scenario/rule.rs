//! Rules: which calls go wrong, and how.

use std::time::Duration;

use provider_kit::code_name;
use serde::{Deserialize, Serialize};
use tonic::Code;

use super::{Glob, text};

/// What goes wrong, and when.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Rule {
    /// For logs and `GET /v1/rules`. Default: its place in the list.
    #[serde(default)]
    pub name: Option<String>,
    /// Which calls it is about. Default: all calls of the API.
    #[serde(default, rename = "match")]
    pub matching: Match,
    /// Which of those it hits. Default: each.
    #[serde(default)]
    pub when: When,
    /// What happens to a call that is hit, in this order.
    pub effects: Vec<Effect>,
}

/// Which calls a rule is about. All that is said must hold.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Match {
    /// Methods of the API (`EnsureLoadBalancer`), or calls the daemon makes to its cloud (`cloud.CreateListener`). `*`
    /// stands for any run of characters; alone it means all methods of the API.
    #[serde(deserialize_with = "text::globs")]
    pub method: Vec<Glob>,
    /// Name of the node. With `BatchGetInstances` the effects touch only the items that match.
    pub node: Option<Glob>,
    /// `namespace/name` of the Service.
    pub service: Option<Glob>,
}

impl Default for Match {
    fn default() -> Self {
        Self { method: vec![Glob::from("*")], node: None, service: None }
    }
}

impl Match {
    /// Whether a call of this name is meant.
    pub fn is_about(&self, method: &str) -> bool {
        let cloud = method.starts_with("cloud.");
        self.method.iter().any(|glob| glob.matches(method) && (!cloud || glob.as_str() != "*"))
    }
}

/// Which of the calls a rule is about it hits, counted from 1 since the rule came into force. All that is said must hold.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct When {
    /// This one only.
    pub nth: Option<u64>,
    /// These many and no more.
    pub first: Option<u64>,
    /// This one and all that follow.
    pub from: Option<u64>,
    /// Every so many: 3 hits the third, the sixth, …
    pub every: Option<u64>,
    /// Each with this probability, 0 to 1.
    pub probability: Option<f64>,
    /// Decides which calls `probability` hits: the same seed, the same calls.
    pub seed: u64,
    /// Not before this much time has passed since the rule came into force.
    #[serde(deserialize_with = "text::optional_duration")]
    pub after: Option<Duration>,
    /// Not once this much time has passed since the rule came into force.
    #[serde(deserialize_with = "text::optional_duration")]
    pub until: Option<Duration>,
}

/// Before the work of the call is done, or after it and before the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub enum Point {
    #[default]
    Before,
    After,
}

/// What happens to a call.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Effect {
    /// It takes longer.
    Delay(Delay),
    /// It is never answered; the work is not done.
    Hang,
    /// It fails.
    Fail(Failure),
    /// Calls above a rate fail with `RESOURCE_EXHAUSTED` and a `RetryInfo`.
    Throttle(Throttle),
    /// The caller learns nothing of the answer.
    LoseAnswer(LoseAnswer),
    /// The process dies at once, as by SIGKILL.
    Crash(Point),
    /// The daemon takes a new epoch, as if it had started anew.
    NewEpoch,
    /// The answer is not true.
    Lie(Lie),
}

/// A delay: `200ms`, or `{fixed: 200ms, jitter: 100ms}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delay {
    /// Always.
    pub fixed: Duration,
    /// Up to this much more.
    pub jitter: Duration,
}

/// How a call fails.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Failure {
    /// The gRPC code, as in `UNAVAILABLE`.
    #[serde(deserialize_with = "code")]
    pub code: Code,
    /// `ErrorInfo.reason`. Default: one that goes with the code.
    #[serde(default)]
    pub reason: Option<String>,
    /// `ErrorInfo.domain`. Default: the provider's name, a fault of the cloud.
    #[serde(default)]
    pub domain: Option<String>,
    /// For people. Default: that a rule wants it.
    #[serde(default)]
    pub message: Option<String>,
    /// `RetryInfo.retry_delay`.
    #[serde(default, deserialize_with = "text::optional_duration")]
    pub retry_after: Option<Duration>,
    /// `QuotaFailure`.
    #[serde(default)]
    pub quota: Option<Quota>,
    /// `BadRequest.field_violations`.
    #[serde(default)]
    pub violations: Vec<Violation>,
    /// Before the work (default) or after it.
    #[serde(default)]
    pub at: Point,
}

/// A violated quota.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Quota {
    /// What it is of.
    pub subject: String,
    /// Name and limit.
    pub description: String,
}

/// A wrong field.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Violation {
    /// As in `spec.ports[0].port` or `annotations[KEY]`.
    pub field: String,
    /// What is wrong.
    pub description: String,
}

/// A rate limit: a bucket of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Throttle {
    /// Calls per second in the long run.
    pub rate: f64,
    /// Calls at once after a rest. Default 1.
    #[serde(default = "one")]
    pub burst: u32,
}

const fn one() -> u32 {
    1
}

/// How an answer gets lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct LoseAnswer {
    /// Before the work, so that nothing happens, or after it, so that the effect is there. Default `after`.
    pub at: LosePoint,
    /// Default `drop`.
    pub by: LoseBy,
}

/// When an answer gets lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub enum LosePoint {
    Before,
    #[default]
    After,
}

impl From<LosePoint> for Point {
    fn from(point: LosePoint) -> Self {
        match point {
            LosePoint::Before => Self::Before,
            LosePoint::After => Self::After,
        }
    }
}

/// By what an answer gets lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LoseBy {
    /// The connection is cut.
    #[default]
    Drop,
    /// UNAVAILABLE, without details, as a proxy in between would say.
    Unavailable,
}

/// A false answer.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Lie {
    /// Machines that are there are answered not found.
    NotFound,
    /// So many results are missing from the end of a batch; with `node` in the match, those of matching nodes.
    DropItems(usize),
    /// This account in place of the true one.
    WrongAccount(String),
    /// This scheme in place of the provider's own in providerIDs.
    ForeignProviderIds(String),
    /// Addresses that are none.
    MalformedAddresses,
    /// Enum numbers nobody knows: capabilities, states, address types, ip modes.
    UnknownEnums,
    /// What was so at the first look, for a while.
    StaleReads(StaleReads),
    /// Ready load balancers without ingress.
    EmptyIngress,
    /// A complete list of nothing.
    EmptyInventory,
    /// A list ends well after so many pages, without `complete`.
    TruncateList(usize),
    /// `complete` tells another number than was sent.
    WrongTotal,
    /// The handshake answers this minor, whatever the caller speaks.
    ApiMinor(u32),
}

/// Old answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct StaleReads {
    /// How old they get before the cloud is asked again.
    #[serde(rename = "for", deserialize_with = "text::duration")]
    pub age: Duration,
    /// They are also given to callers who ask for fresh ones, and stamped as if they were. Default: fresh is fresh.
    #[serde(default)]
    pub even_fresh: bool,
}

impl Lie {
    /// The methods whose answers it can bend.
    pub const fn methods(&self) -> &'static [&'static str] {
        const LISTS: &[&str] = &["ListLoadBalancers", "ListRoutes", "ListClusters", "ListRegistries"];
        const BALANCERS: &[&str] = &["EnsureLoadBalancer", "UpdateLoadBalancerMembers", "GetLoadBalancer"];
        match self {
            Self::NotFound | Self::ForeignProviderIds(_) | Self::StaleReads(_) => &["BatchGetInstances"],
            Self::DropItems(_) => &["BatchGetInstances", "CreateRoutes", "DeleteRoutes"],
            Self::WrongAccount(_) => &["Handshake", "BatchGetInstances"],
            Self::MalformedAddresses => {
                &["BatchGetInstances", "EnsureLoadBalancer", "UpdateLoadBalancerMembers", "GetLoadBalancer"]
            }
            Self::UnknownEnums => &[
                "Handshake",
                "BatchGetInstances",
                "EnsureLoadBalancer",
                "UpdateLoadBalancerMembers",
                "GetLoadBalancer",
            ],
            Self::EmptyIngress => BALANCERS,
            Self::EmptyInventory | Self::TruncateList(_) | Self::WrongTotal => LISTS,
            Self::ApiMinor(_) => &["Handshake"],
        }
    }
}

impl<'de> Deserialize<'de> for Delay {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(default, deny_unknown_fields, rename_all = "camelCase")]
        #[derive(Default)]
        struct Fields {
            #[serde(deserialize_with = "text::duration")]
            fixed: Duration,
            #[serde(deserialize_with = "text::duration")]
            jitter: Duration,
        }
        struct Either;
        impl<'de> serde::de::Visitor<'de> for Either {
            type Value = Delay;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a duration such as 200ms, or a map of fixed and jitter")
            }

            fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Delay, E> {
                let fixed = text::parse_duration(value).map_err(E::custom)?;
                Ok(Delay { fixed, jitter: Duration::ZERO })
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Delay, A::Error> {
                let fields = Fields::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
                Ok(Delay { fixed: fields.fixed, jitter: fields.jitter })
            }
        }
        deserializer.deserialize_any(Either)
    }
}

fn code<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Code, D::Error> {
    let name = String::deserialize(deserializer)?;
    (1..=16).map(Code::from_i32).find(|code| code_name(*code) == name).ok_or_else(|| {
        serde::de::Error::custom(format!(
            "unknown code {name:?}: write a gRPC code other than OK, for instance UNAVAILABLE"
        ))
    })
}

/// How often a rule was looked at and hit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleCount {
    /// Its name or its place in the list.
    pub name: String,
    /// Calls it is about.
    pub seen: u64,
    /// Calls it hit.
    pub hit: u64,
}
