//! IAM: projects, tokens, temporary keys.

use std::time::Duration;

use http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    State,
    accounts::{Key, Project, Token, User},
    errors,
};
use crate::engine::{Answer, Call, Problem, Reply, Route, Service, later, paging};

/// How long a token is good for.
const TOKEN_LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// How long a temporary key is good for unless something else is asked for, and the bounds of that, in seconds.
const KEY_LIFETIME: (u64, u64, u64) = (900, 900, 86_400);

type C<'a> = Call<'a, State>;

pub(super) fn service() -> Service<State> {
    Service::new("iam", errors::iam)
        .route(Route::get("/v3/projects", "KeystoneListProjects", projects).query(&[
            "name",
            "domain_id",
            "page",
            "per_page",
        ]))
        .route(Route::get("/v3/auth/projects", "KeystoneListAuthProjects", projects))
        .route(Route::get("/v3/auth/domains", "KeystoneListAuthDomains", domains))
        .route(Route::get("/v3/regions", "KeystoneListRegions", regions))
        .route(Route::post("/v3/auth/tokens", "KeystoneCreateToken", token).query(&["nocatalog"]).reads().open())
        .route(Route::post("/v3.0/OS-CREDENTIAL/securitytokens", "CreateTemporaryAccessKey", temporary_key).reads())
}

fn project_view(project: &Project) -> Value {
    json!({
        "id": project.id, "name": project.name, "domain_id": project.domain_id, "parent_id": project.domain_id,
        "is_domain": false, "enabled": true, "description": "", "links": { "self": format!("/v3/projects/{}", project.id) },
    })
}

fn projects(call: &mut C<'_>) -> Reply {
    let account = call.account().to_owned();
    let rows = call.list(&call.state.projects, |project| {
        project.domain_id == account
            && call.admits("name", &project.name)
            && call.admits("domain_id", &project.domain_id)
    });
    let (page, size) = (call.parsed("page")?.unwrap_or(1), call.page_size("per_page", 5000, 5000)?);
    let page = paging::by_number(rows, |project| &project.id, page, size);
    let views: Vec<_> = page.rows.into_iter().map(project_view).collect();
    Ok(Answer::ok(&json!({
        "projects": views, "links": { "self": "/v3/projects", "next": null, "previous": null },
    })))
}

fn domains(call: &mut C<'_>) -> Reply {
    let id = call.account();
    Ok(Answer::ok(&json!({ "domains": [{ "id": id, "name": format!("account-{id}"), "enabled": true }] })))
}

fn regions(call: &mut C<'_>) -> Reply {
    Ok(Answer::ok(&json!({ "regions": [{ "id": call.state.region, "type": "public" }] })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenRequest {
    auth: TokenAuth,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenAuth {
    identity: PasswordIdentity,
    #[allow(dead_code, reason = "a token is good for all projects of its account here")]
    scope: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PasswordIdentity {
    methods: Vec<String>,
    password: Password,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Password {
    user: PasswordUser,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PasswordUser {
    name: String,
    password: String,
    domain: DomainName,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DomainName {
    name: String,
}

fn token(call: &mut C<'_>) -> Reply {
    let TokenRequest { auth } = call.body()?;
    if auth.identity.methods != ["password"] {
        return Err(Problem::BadBody("identity.methods: only password is simulated".to_owned()));
    }
    let wanted = auth.identity.password.user;
    let right = |user: &&User| user.password == wanted.password && user.domain_name == wanted.domain.name;
    let wrong = || Problem::refused(401, "401", "The username or password is wrong.");
    let user = call.state.users.get(&wanted.name).filter(right).ok_or_else(wrong)?.clone();
    let token = call.state.new_hex_id();
    let expires_at = later(call.now, TOKEN_LIFETIME);
    let entry = Token { token: token.clone(), user: user.name.clone(), domain_id: user.domain_id, expires_at };
    call.state.tokens.insert(call.now, &token, entry);
    let body = json!({ "token": {
        "methods": ["password"], "expires_at": micros(expires_at), "issued_at": micros(call.now),
        "user": { "name": user.name, "domain": { "name": user.domain_name } },
    } });
    Ok(Answer::json(StatusCode::CREATED, &body).with_header("x-subject-token", &token))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyRequest {
    auth: KeyAuth,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyAuth {
    identity: KeyIdentity,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyIdentity {
    methods: Vec<String>,
    token: Option<TokenMethod>,
    assume_role: Option<AssumeRole>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenMethod {
    id: Option<String>,
    duration_seconds: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AssumeRole {
    agency_name: String,
    domain_id: Option<String>,
    domain_name: Option<String>,
    duration_seconds: Option<u64>,
}

fn temporary_key(call: &mut C<'_>) -> Reply {
    let KeyRequest { auth: KeyAuth { identity } } = call.body()?;
    let account = call.account().to_owned();
    let methods: Vec<_> = identity.methods.iter().map(String::as_str).collect();
    let (domain_id, seconds) = match (methods.as_slice(), identity.token, identity.assume_role) {
        (["token"], token, None) => {
            let id = token.as_ref().and_then(|token| token.id.as_deref());
            let domain_id = match id {
                Some(id) => by_token(call.state, id, call.now)?,
                None => account,
            };
            (domain_id, token.and_then(|token| token.duration_seconds))
        }
        (["assume_role"], None, Some(role)) => (granted(call.state, &role, &account)?, role.duration_seconds),
        _ => return Err(Problem::BadBody("identity: methods and what is given for them do not agree".to_owned())),
    };
    let (default, least, most) = KEY_LIFETIME;
    let seconds = seconds.unwrap_or(default);
    if !(least..=most).contains(&seconds) {
        return Err(Problem::BadBody(format!("duration_seconds: {seconds} is not between {least} and {most}")));
    }
    let key = call.state.new_temporary_key(&domain_id, Duration::from_secs(seconds), call.now);
    Ok(Answer::json(StatusCode::CREATED, &credential(&key)))
}

fn by_token(state: &State, token: &str, now: Timestamp) -> Result<String, Problem> {
    let token = state.tokens.get(token).filter(|token| token.expires_at > now);
    let token =
        token.ok_or_else(|| Problem::refused(401, "401", "The request you have made requires authentication."))?;
    Ok(token.domain_id.clone())
}

fn granted(state: &State, role: &AssumeRole, account: &str) -> Result<String, Problem> {
    let matches = |agency: &&super::accounts::Agency| {
        let name = format!("account-{}", agency.domain_id);
        agency.name == role.agency_name
            && role.domain_id.as_ref().is_none_or(|id| *id == agency.domain_id)
            && role.domain_name.as_ref().is_none_or(|wanted| *wanted == name)
    };
    if role.domain_id.is_none() && role.domain_name.is_none() {
        return Err(Problem::BadBody("assume_role: domain_id or domain_name is needed".to_owned()));
    }
    let agency = state.agencies.iter().find(matches);
    let agency = agency
        .ok_or_else(|| Problem::refused(404, "404", format!("Could not find the agency {}.", role.agency_name)))?;
    if agency.trusted_domain_id != account {
        return Err(Problem::refused(403, "403", "You are not authorized to perform the requested action."));
    }
    Ok(agency.domain_id.clone())
}

impl State {
    /// Gives out a temporary key of an account.
    pub fn new_temporary_key(&mut self, domain_id: &str, lifetime: Duration, now: Timestamp) -> Key {
        let access = format!("HST{}", &self.new_hex_id()[..17].to_ascii_uppercase());
        let key = Key {
            security_token: Some(format!("token-{}", self.new_hex_id())),
            expires_at: Some(later(now, lifetime)),
            ..Key::permanent(&access, &self.new_hex_id(), domain_id)
        };
        self.keys.insert(now, &access, key.clone());
        key
    }
}

/// A temporary key as IAM and the metadata service show it.
pub(super) fn credential(key: &Key) -> Value {
    json!({ "credential": {
        "access": key.access, "secret": key.secret, "securitytoken": key.security_token,
        "expires_at": key.expires_at.map(micros),
    } })
}

fn micros(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}
