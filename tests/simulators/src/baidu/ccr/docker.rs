//! What Docker asks of a registry: whether a login is let in. There are no images.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::StatusCode;
use jiff::Timestamp;
use serde_json::json;

use super::Registry;
use crate::{
    baidu::{
        State,
        calls::C,
        errors::{self, bad},
    },
    engine::{Answer, Reply, Route, Service, later},
};

/// What the token service calls the registry.
const SERVICE: &str = "harbor-registry";
/// For how long a token is good.
const LIFETIME: std::time::Duration = std::time::Duration::from_mins(5);

pub(in crate::baidu) fn service() -> Service<State> {
    Service::new("registry", errors::common)
        .route(Route::get("/v2", "GetDockerVersion", version).open())
        .route(Route::get("/service/token", "GetDockerToken", token).query(&["service", "account", "scope"]).open())
}

/// The registry that is asked, by its host.
fn asked<'c>(call: &'c C<'_>) -> Option<&'c Registry> {
    let host = call.request.host.as_str();
    call.state.registries.iter().find(|registry| {
        registry.status == "running"
            && (registry.public_url == host || registry.private_domain.as_deref() == Some(host))
    })
}

fn unauthorized(challenge: &str) -> Answer {
    let errors = json!({ "errors": [{ "code": "UNAUTHORIZED", "message": "unauthorized: authentication required" }] });
    Answer::json(StatusCode::UNAUTHORIZED, &errors).with_header("www-authenticate", challenge)
}

fn nothing() -> Answer {
    Answer::json(StatusCode::NOT_FOUND, &json!({ "errors": [{ "code": "NOT_FOUND", "message": "not found" }] }))
}

fn version(call: &mut C<'_>) -> Reply {
    let Some(registry) = asked(call) else { return Ok(nothing()) };
    let shown = call.request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let good = |token: &str| registry.tokens.iter().any(|(known, until)| known == token && *until > call.now);
    if shown.is_some_and(good) {
        return Ok(Answer::ok(&json!({})));
    }
    let scheme = if call.request.tls { "https" } else { "http" };
    let realm = format!("{scheme}://{}/service/token", call.request.host);
    Ok(unauthorized(&format!(r#"Bearer realm="{realm}",service="{SERVICE}""#)))
}

/// User and password of a Basic authorization.
fn basic(call: &C<'_>) -> Option<(String, String)> {
    let encoded = call.request.header("authorization")?.strip_prefix("Basic ")?;
    let text = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (username, password) = text.split_once(':')?;
    Some((username.to_owned(), password.to_owned()))
}

fn token(call: &mut C<'_>) -> Reply {
    if let Some(other) = call.query("service").filter(|service| *service != SERVICE) {
        return Err(bad("service", format!("{other} is not {SERVICE}")));
    }
    let Some(registry) = asked(call).map(|registry| registry.id.clone()) else { return Ok(nothing()) };
    let now = call.now;
    let admitted = basic(call).is_some_and(|(username, password)| {
        call.query("account").is_none_or(|account| account == username)
            && call.state.admits_login(&registry, &username, &password, now)
    });
    if !admitted {
        return Ok(unauthorized(r#"Basic realm="harbor""#));
    }
    let token = call.state.new_hex_id();
    let issued: (String, Timestamp) = (token.clone(), later(now, LIFETIME));
    if let Some(registry) = call.state.registries.change(now, &registry) {
        registry.tokens.push(issued);
    }
    Ok(Answer::ok(&json!({ "token": token, "access_token": token, "expires_in": LIFETIME.as_secs() })))
}
