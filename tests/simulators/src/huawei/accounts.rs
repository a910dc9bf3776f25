//! Accounts, projects and what callers prove themselves with.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{State, sign::Authorization, sign::Flaw};
use crate::engine::{Caller, Problem, Request, Target, later};

/// So many wrong signatures in a row lock a key,
const FAILURES: u32 = 5;
/// for so long.
const LOCKED: Duration = Duration::from_secs(300);

/// A project: what an account has in one region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Project {
    /// Its id.
    pub id: String,
    /// Its name: the region's, mostly.
    pub name: String,
    /// The account it belongs to.
    pub domain_id: String,
    /// The region it is in.
    pub region: String,
}

/// A user with a password.
#[derive(Clone, Debug, Serialize)]
pub struct User {
    /// Its name.
    pub name: String,
    /// What it proves itself with.
    #[serde(skip)]
    pub password: String,
    /// The account's id.
    pub domain_id: String,
    /// The account's name.
    pub domain_name: String,
}

/// An access key.
#[derive(Clone, Debug, Serialize)]
pub struct Key {
    /// What the caller names.
    pub access: String,
    /// What it signs with. Shown, as a test has to know what it may find nowhere.
    pub secret: String,
    /// The account it belongs to.
    pub domain_id: String,
    /// What goes with a temporary key.
    pub security_token: Option<String>,
    /// When a temporary key ends.
    pub expires_at: Option<Timestamp>,
    /// Whether it was switched off.
    pub disabled: bool,
    /// Wrong signatures in a row.
    pub failures: u32,
    /// Until when it is locked.
    pub locked_until: Option<Timestamp>,
}

impl Key {
    /// A permanent key.
    pub fn permanent(access: &str, secret: &str, domain_id: &str) -> Self {
        Self {
            access: access.to_owned(),
            secret: secret.to_owned(),
            domain_id: domain_id.to_owned(),
            security_token: None,
            expires_at: None,
            disabled: false,
            failures: 0,
            locked_until: None,
        }
    }
}

/// What a user got for its password.
#[derive(Clone, Debug, Serialize)]
pub struct Token {
    /// The token itself.
    #[serde(skip)]
    pub token: String,
    /// Who got it.
    pub user: String,
    /// The account.
    pub domain_id: String,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// A role another account, or a server, may take.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Agency {
    /// Its name.
    pub name: String,
    /// The account that grants it.
    pub domain_id: String,
    /// The account that may take it.
    pub trusted_domain_id: String,
}

fn unauthenticated(why: &str) -> Problem {
    Problem::refused(401, "APIGW.0301", format!("Incorrect IAM authentication information: {why}"))
}

/// Who signed a request; and the project it works in, which must be theirs and of this region.
pub(super) fn authenticate(
    state: &mut State,
    request: &Request,
    target: Target<'_>,
    now: Timestamp,
) -> Result<Caller, Problem> {
    let (key, account) = match (request.header("x-auth-token"), request.header("authorization")) {
        (Some(token), _) => by_token(state, token, now)?,
        (None, Some(text)) => by_signature(state, request, text, now)?,
        (None, None) => return Err(unauthenticated("x-auth-token not found")),
    };
    let header = request.header("x-project-id");
    let in_path = target.parameters.get("project_id").map(String::as_str);
    for project in in_path.iter().chain(header.iter()) {
        check_project(state, project, &account)?;
    }
    if let (Some(in_path), Some(header)) = (in_path, header)
        && in_path != header
    {
        return Err(foreign_project(header));
    }
    let own = || {
        let own = |project: &&Project| project.domain_id == account && project.region == state.region;
        state.projects.iter().find(own).map(|project| project.id.as_str())
    };
    let project = in_path.or(header).or_else(own).map(str::to_owned);
    Ok(Caller { key, account, project })
}

fn check_project(state: &State, project: &str, account: &str) -> Result<(), Problem> {
    let known = state.projects.get(project);
    let theirs = known.is_some_and(|known| known.domain_id == account && known.region == state.region);
    if theirs { Ok(()) } else { Err(foreign_project(project)) }
}

fn foreign_project(project: &str) -> Problem {
    Problem::refused(403, "APIGW.0302", format!("The project {project} is not one of the caller's in this region"))
}

fn by_token(state: &State, token: &str, now: Timestamp) -> Result<(String, String), Problem> {
    let known = state.tokens.get(token).filter(|known| known.expires_at > now);
    let known = known.ok_or_else(|| unauthenticated("decrypt token fail"))?;
    Ok((known.user.clone(), known.domain_id.clone()))
}

fn by_signature(state: &mut State, request: &Request, text: &str, now: Timestamp) -> Result<(String, String), Problem> {
    let authorization =
        Authorization::parse(text).ok_or_else(|| unauthenticated("the Authorization header is malformed"))?;
    let access = authorization.access_key.as_str();
    let key = state.keys.get(access).filter(|key| !key.disabled);
    let key = key.ok_or_else(|| unauthenticated(&format!("get secretKey failed, ak:{access}, err:ak not exist")))?;
    if key.locked_until.is_some_and(|until| until > now) {
        return Err(unauthenticated("the access key is locked after too many failures, try again later"));
    }
    check_token(key, &authorization, request, now)?;
    let domain_id = key.domain_id.clone();
    let (verdict, failures) = (authorization.verify(request, &key.secret, now), key.failures);
    match verdict {
        Ok(()) => {
            if failures > 0
                && let Some(key) = state.keys.change(now, access)
            {
                key.failures = 0;
            }
            Ok((access.to_owned(), domain_id))
        }
        Err(Flaw::Date) => Err(Problem::refused(
            401,
            "APIGW.0303",
            "Incorrect IAM authentication information: the X-Sdk-Date differs from the server's time by more than 15 minutes",
        )),
        Err(Flaw::Mismatch) => {
            if let Some(key) = state.keys.change(now, access) {
                key.failures += 1;
                if key.failures >= FAILURES {
                    (key.failures, key.locked_until) = (0, Some(later(now, LOCKED)));
                }
            }
            Err(unauthenticated("verify aksk signature fail"))
        }
    }
}

fn check_token(key: &Key, authorization: &Authorization, request: &Request, now: Timestamp) -> Result<(), Problem> {
    let Some(token) = &key.security_token else { return Ok(()) };
    if !authorization.covers("x-security-token") || request.header("x-security-token") != Some(token) {
        return Err(unauthenticated("the X-Security-Token of the temporary access key is missing or wrong"));
    }
    if key.expires_at.is_some_and(|end| end <= now) {
        return Err(unauthenticated("the security token is expired"));
    }
    Ok(())
}
