//! What the cloud's users do by other ways than the API.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    State,
    seed::{NewGatewayToken, own},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Id {
    id: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Status {
    id: String,
    status: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rename {
    id: String,
    name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Health {
    blb_id: String,
    instance_id: String,
    status: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Login {
    registry: String,
    username: String,
    password: String,
}

fn read<T: for<'de> Deserialize<'de>>(with: Value) -> Result<T, String> {
    serde_json::from_value(with).map_err(|error| error.to_string())
}

/// An operation of the control endpoint.
type Operation = fn(&mut State, Value, Timestamp) -> Result<Value, String>;

const OPERATIONS: &[(&str, Operation)] = &[
    ("set-machine-status", |state, with, now| {
        let Status { id, status } = read(with)?;
        state.machines.change(now, &id).ok_or_else(|| absent("machine", &id))?.status = status;
        Ok(json!({}))
    }),
    ("rename-machine", |state, with, now| {
        let Rename { id, name } = read(with)?;
        state.machines.change(now, &id).ok_or_else(|| absent("machine", &id))?.name = name;
        Ok(json!({}))
    }),
    ("delete-machine", |state, with, now| {
        let Id { id } = read(with)?;
        state.delete_machine(now, &id).ok_or_else(|| absent("machine", &id))?;
        Ok(json!({}))
    }),
    // `available` lets it work again.
    ("set-blb-status", |state, with, now| {
        let Status { id, status } = read(with)?;
        state.blbs.change(now, &id).ok_or_else(|| absent("BLB", &id))?.stuck =
            (status != "available").then_some(status);
        Ok(json!({}))
    }),
    ("set-eip-status", |state, with, now| {
        let Status { id, status } = read(with)?;
        state.eips.change(now, &id).ok_or_else(|| absent("EIP", &id))?.stuck =
            (status != "available").then_some(status);
        Ok(json!({}))
    }),
    ("set-backend-health", |state, with, _| {
        let Health { blb_id, instance_id, status } = read(with)?;
        state.health.insert((blb_id, instance_id), status);
        Ok(json!({}))
    }),
    ("set-cluster-phase", |state, with, now| {
        let Status { id, status } = read(with)?;
        state.clusters.change(now, &id).ok_or_else(|| absent("cluster", &id))?.phase = status;
        Ok(json!({}))
    }),
    // Whether a registry lets a login in: an instance by its id, or `personal`.
    ("try-registry-login", |state, with, now| {
        let Login { registry, username, password } = read(with)?;
        Ok(json!({ "admitted": state.admits_login(&registry, &username, &password, now) }))
    }),
    ("new-gateway-token", |state, with, now| {
        let NewGatewayToken { cluster, account, seconds } = read(with)?;
        let lifetime = Duration::from_secs(seconds.unwrap_or(24 * 3600));
        let token = state.new_gateway_token(&cluster, &own(account), lifetime, now);
        Ok(json!({ "token": token.token, "expiredAt": token.expires_at.as_second() }))
    }),
    ("revoke-gateway-tokens", |state, with, now| {
        let Id { id } = read(with)?;
        state.gateway_tokens.retain(now, |token| token.token.clone(), |token| token.cluster != id);
        Ok(json!({}))
    }),
    ("disable-key", |state, with, now| set_key(state, with, now, true)),
    ("enable-key", |state, with, now| set_key(state, with, now, false)),
];

fn absent(kind: &str, id: &str) -> String {
    format!("{kind} {id} does not exist")
}

fn set_key(state: &mut State, with: Value, now: Timestamp, disabled: bool) -> Result<Value, String> {
    let Id { id } = read(with)?;
    state.keys.change(now, &id).ok_or_else(|| absent("key", &id))?.disabled = disabled;
    Ok(json!({}))
}

/// The operations of the control endpoint.
pub(super) fn operate(state: &mut State, what: &str, with: Value, now: Timestamp) -> Result<Value, String> {
    let known = OPERATIONS.iter().find(|(name, _)| *name == what);
    let unknown = || {
        let names: Vec<_> = OPERATIONS.iter().map(|(name, _)| *name).collect();
        format!("{what} is not one of {}", names.join(", "))
    };
    known.ok_or_else(unknown)?.1(state, with, now)
}
