//! The metadata service of one of the servers, with the keys of its agency.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{State, errors, iam};
use crate::engine::{Answer, Call, Problem, Reply, Route, Service, later};

const MISSING: &str = "Please configure Cloud Service Agency first";

/// Which server's metadata are served, and how.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Metadata {
    /// The server; absent: there are no facts about it to be had.
    pub server: Option<String>,
    /// The account that the server's agency stands for; absent: it has no agency.
    pub agency_of: Option<String>,
    /// How long the agency's keys are good for.
    pub key_seconds: u64,
    /// Whether keys are given only for a token.
    pub needs_token: bool,
    /// Whether there are tokens at all; older installations have none.
    pub has_tokens: bool,
    /// Tokens given out, and until when each is good.
    #[serde(skip)]
    pub tokens: Vec<(String, jiff::Timestamp)>,
}

impl Default for Metadata {
    fn default() -> Self {
        Self {
            server: None,
            agency_of: None,
            key_seconds: 6 * 3600,
            needs_token: false,
            has_tokens: true,
            tokens: Vec::new(),
        }
    }
}

type C<'a> = Call<'a, State>;

pub(super) fn service() -> Service<State> {
    Service::new("metadata", errors::metadata)
        .route(Route::put("/meta-data/latest/api/token", "CreateMetadataToken", token).reads().open())
        .route(Route::get("/openstack/latest/securitykey", "GetSecurityKey", key).open())
        .route(Route::get("/openstack/latest/meta_data.json", "GetMetadata", facts).open())
}

fn token(call: &mut C<'_>) -> Reply {
    if !call.state.metadata.has_tokens {
        return Err(Problem::refused(404, "404", "404 Not Found"));
    }
    let seconds = call.request.header("x-metadata-token-ttl-seconds").and_then(|text| text.parse::<u64>().ok());
    let seconds = seconds.filter(|seconds| (1..=21_600).contains(seconds));
    let seconds =
        seconds.ok_or_else(|| Problem::refused(400, "400", "X-Metadata-Token-Ttl-Seconds is missing or wrong"))?;
    let token = call.state.new_hex_id();
    let until = later(call.now, Duration::from_secs(seconds));
    call.state.metadata.tokens.push((token.clone(), until));
    Ok(Answer::raw(http::StatusCode::OK, "text/plain", token))
}

fn check_token(call: &C<'_>) -> Result<(), Problem> {
    let good =
        |token: &str| call.state.metadata.tokens.iter().any(|(known, until)| known == token && *until > call.now);
    match call.request.header("x-metadata-token") {
        Some(token) if good(token) => Ok(()),
        None if !call.state.metadata.needs_token => Ok(()),
        _ => Err(Problem::refused(401, "401", "Unauthorized: the metadata token is missing or wrong")),
    }
}

fn key(call: &mut C<'_>) -> Reply {
    check_token(call)?;
    let account = call.state.metadata.agency_of.clone().ok_or_else(|| Problem::refused(401, "401", MISSING))?;
    let lifetime = Duration::from_secs(call.state.metadata.key_seconds);
    let key = call.state.new_temporary_key(&account, lifetime, call.now);
    Ok(Answer::ok(&iam::credential(&key)))
}

fn facts(call: &mut C<'_>) -> Reply {
    check_token(call)?;
    let server = call.state.metadata.server.as_ref().and_then(|id| call.state.servers.get(id));
    let server = server.ok_or_else(|| Problem::refused(404, "404", "404 Not Found"))?;
    Ok(Answer::ok(&json!({
        "uuid": server.id, "name": server.name, "hostname": server.name, "availability_zone": server.zone,
        "region_id": call.state.region, "project_id": server.project_id, "meta": { "vpc_id": server.vpc_id },
    })))
}
