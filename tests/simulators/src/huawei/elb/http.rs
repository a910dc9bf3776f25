//! The service's calls. What both versions do alike is in `calls`, over the kinds of objects in `kinds`.

mod calls;
mod kinds;
mod tags;
mod v2;
mod v3;

use serde_json::Value;

pub(in crate::huawei) use self::{tags::services as tag_services, v2::service as v2, v3::service as v3};
use super::{At, Fields, QUOTAS};
use crate::{
    engine::{Answer, Call, Problem},
    huawei::State,
};

/// A call to the cloud.
type Calling<'a, 'b> = &'a mut Call<'b, State>;

/// The delay a shared load balancer is made with, as the knobs name it.
pub(in crate::huawei) const CREATION: &str = "loadbalancer.create";

impl At {
    /// Where and when a call happens.
    pub(super) fn of(call: &Call<'_, State>) -> Self {
        Self {
            now: call.now,
            project: call.project().to_owned(),
            creation: call.delay(CREATION),
            quotas: QUOTAS.iter().map(|(name, _)| call.quota(name)).collect(),
            public_ips: call.quota("publicips"),
        }
    }
}

/// The body: an object of one key.
fn wrapped(call: &Call<'_, State>, key: &str) -> Result<Fields, Problem> {
    let mut body: Fields = call.body()?;
    let inner = body.remove(key).ok_or_else(|| Problem::BadBody(format!("`{key}` is missing")))?;
    if let Some(other) = body.keys().next() {
        return Err(Problem::BadBody(format!("unknown field `{other}`")));
    }
    match inner {
        Value::Object(fields) => Ok(fields),
        _ => Err(Problem::BadBody(format!("`{key}` is no object"))),
    }
}

/// The same, for a list of objects.
fn wrapped_list(call: &Call<'_, State>, key: &str) -> Result<Vec<Fields>, Problem> {
    let mut body: Fields = call.body()?;
    let list = body.remove(key).ok_or_else(|| Problem::BadBody(format!("`{key}` is missing")))?;
    if let Some(other) = body.keys().next() {
        return Err(Problem::BadBody(format!("unknown field `{other}`")));
    }
    serde_json::from_value(list).map_err(|error| Problem::BadBody(format!("`{key}`: {error}")))
}

/// An answer of one key, with the id of the request as v3 has it.
fn answer(status: u16, call: &Call<'_, State>, key: &str, value: Value) -> Answer {
    let mut body = Fields::new();
    body.insert(key.to_owned(), value);
    body.insert("request_id".to_owned(), call.request_id.into());
    let status = ::http::StatusCode::from_u16(status).expect("a status");
    Answer::json(status, &Value::Object(body))
}

/// 204.
fn done() -> Answer {
    Answer::empty(::http::StatusCode::NO_CONTENT)
}
