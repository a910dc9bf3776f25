//! Accounts, and what callers prove themselves with.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    State,
    sign::{Authorization, Flaw},
};
use crate::engine::{Caller, Problem, Request, Target, later};

/// The header a temporary key's token comes in.
const TOKEN: &str = "x-bce-security-token";

/// An access key.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Key {
    /// What the caller names.
    pub access: String,
    /// What it signs with. Nobody's secret, it is shown to tests that look for it where it must not be.
    pub secret: String,
    /// The account it belongs to.
    pub account: String,
    /// The user of the account it belongs to; absent: the account itself.
    pub user: Option<String>,
    /// What goes with a temporary key.
    pub session_token: Option<String>,
    /// When a temporary key ends.
    pub expires_at: Option<Timestamp>,
    /// Whether it was switched off.
    pub disabled: bool,
    /// What it is good for: what all of these allow.
    pub acls: Vec<Acl>,
    /// The role that was assumed with it.
    pub role: Option<String>,
}

impl Key {
    /// A permanent key of an account.
    pub fn permanent(access: &str, secret: &str, account: &str) -> Self {
        Self {
            access: access.to_owned(),
            secret: secret.to_owned(),
            account: account.to_owned(),
            user: None,
            session_token: None,
            expires_at: None,
            disabled: false,
            acls: Vec::new(),
            role: None,
        }
    }
}

/// What a key is good for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Acl {
    /// Its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Its statements. What none allows is denied, and so is what one denies.
    pub access_control_list: Vec<Statement>,
}

/// A statement of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Statement {
    /// Its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eid: Option<String>,
    /// The service, such as `bce:blb`; `*` is all.
    pub service: String,
    /// The region; `*` is all.
    #[serde(default = "any")]
    pub region: String,
    /// What it is about. The simulator knows `*` alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resource: Vec<String>,
    /// `READ`, `OPERATE`, `FULL_CONTROL`, or `AssumeRole` in a role's trust.
    pub permission: Vec<String>,
    /// `Allow` or `Deny`.
    pub effect: String,
    /// Whom it is about, in a role's trust.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grantee: Vec<Grantee>,
}

fn any() -> String {
    "*".to_owned()
}

/// Whom a statement is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grantee {
    /// An account.
    pub id: String,
}

impl Acl {
    /// Whether it allows calls of a service in a region.
    fn allows(&self, service: &str, region: &str, reads: bool) -> bool {
        let of_service = |wanted: &str| match service {
            "vpc" => ["bce:vpc", "bce:network"].contains(&wanted),
            service => wanted.strip_prefix("bce:") == Some(service),
        };
        let permits = |permission: &String| match permission.as_str() {
            "FULL_CONTROL" => true,
            "READ" => reads,
            "OPERATE" => !reads,
            _ => false,
        };
        let about = |statement: &&Statement| {
            (statement.service == "*" || of_service(&statement.service))
                && (statement.region == "*" || statement.region == region)
                && statement.permission.iter().any(permits)
        };
        let mut effects =
            self.access_control_list.iter().filter(about).map(|statement| statement.effect.as_str()).peekable();
        effects.peek().is_some() && effects.all(|effect| effect == "Allow")
    }

    /// Whether it lets an account assume the role whose trust it is.
    pub fn trusts(&self, account: &str) -> bool {
        self.access_control_list.iter().any(|statement| {
            statement.service == "bce:iam"
                && statement.effect == "Allow"
                && statement.permission.iter().any(|permission| permission == "AssumeRole")
                && statement.grantee.iter().any(|grantee| grantee.id == account)
        })
    }
}

/// A role that another account may assume.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Role {
    /// Its name.
    pub name: String,
    /// The account it is of; whoever assumes it works there.
    pub account: String,
    /// Whom it trusts.
    pub trust: Acl,
    /// What it is good for; absent: everything.
    #[serde(default)]
    pub policy: Option<Acl>,
}

impl Role {
    /// A role that an account trusts another with.
    pub fn trusting(name: &str, account: &str, trusted: &str) -> Self {
        let statement = Statement {
            eid: None,
            service: "bce:iam".to_owned(),
            region: any(),
            resource: Vec::new(),
            permission: vec!["AssumeRole".to_owned()],
            effect: "Allow".to_owned(),
            grantee: vec![Grantee { id: trusted.to_owned() }],
        };
        let trust = Acl { id: None, version: Some("v1".to_owned()), access_control_list: vec![statement] };
        Self { name: name.to_owned(), account: account.to_owned(), trust, policy: None }
    }
}

/// What a cluster that CCE runs shows to CCE's gateway.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayToken {
    /// The token itself.
    #[serde(skip)]
    pub token: String,
    /// The cluster.
    pub cluster: String,
    /// The account that the gateway signs for.
    pub account: String,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// Who makes a call.
pub(super) fn authenticate(
    state: &mut State,
    request: &Request,
    target: Target<'_>,
    through_gateway: bool,
    now: Timestamp,
) -> Result<Caller, Problem> {
    if through_gateway { by_token(state, request, now) } else { by_signature(state, request, target, now) }
}

/// Puts a refusal in the gateway's mouth.
fn gateway(message: &str) -> Problem {
    Problem::refused(401, "Gateway", message)
}

fn by_token(state: &State, request: &Request, now: Timestamp) -> Result<Caller, Problem> {
    let (Some(token), Some(cluster)) = (request.header("cce-token"), request.header("cce-cluster")) else {
        return Err(gateway("cce-token or cce-cluster is missing"));
    };
    if request.headers.contains_key("authorization") {
        return Err(gateway("a request for the gateway to sign must not be signed"));
    }
    let known = state.gateway_tokens.iter().find(|known| known.token == token);
    let known = known.ok_or_else(|| gateway("no such cce-token"))?;
    if known.cluster != cluster {
        return Err(gateway("the cce-token is another cluster's"));
    }
    if known.expires_at <= now {
        return Err(gateway("the cce-token is expired"));
    }
    Ok(Caller { key: format!("gateway:{cluster}"), account: known.account.clone(), project: None })
}

fn by_signature(state: &State, request: &Request, target: Target<'_>, now: Timestamp) -> Result<Caller, Problem> {
    let text = request.header("authorization");
    let text = text.ok_or_else(|| Problem::refused(403, "AccessDenied", "The Authorization header is missing."))?;
    let authorization = Authorization::parse(text).map_err(refusal)?;
    let key = state.keys.get(&authorization.access_key).filter(|key| !key.disabled);
    let key = key.ok_or_else(|| {
        Problem::refused(403, "InvalidAccessKeyId", "The Access Key Id you provided does not exist in our records.")
    })?;
    authorization.verify(request, &key.secret, now).map_err(refusal)?;
    check_token(key, &authorization, request, now)?;
    let reads = request.method == http::Method::GET || request.path.ends_with("/listByInstanceId");
    if !key.acls.iter().all(|acl| acl.allows(target.service, &state.region, reads)) {
        let message = format!("The key may not {} with {}.", if reads { "read" } else { "operate" }, target.service);
        return Err(Problem::refused(403, "AccessDenied", message));
    }
    Ok(Caller { key: key.access.clone(), account: key.account.clone(), project: None })
}

fn refusal(flaw: Flaw) -> Problem {
    let (status, code, message) = match flaw {
        Flaw::Malformed => {
            (400, "InvalidHTTPAuthHeader", "The Authorization header is malformed or does not sign the host.")
        }
        Flaw::Expired => (400, "RequestExpired", "The signature's time is over, or far ahead of the service's."),
        Flaw::Mismatch => {
            (400, "SignatureDoesNotMatch", "The request signature we calculated does not match the one you provided.")
        }
    };
    Problem::refused(status, code, message)
}

fn check_token(key: &Key, authorization: &Authorization, request: &Request, now: Timestamp) -> Result<(), Problem> {
    let denied = |message: &str| Err(Problem::refused(403, "AccessDenied", message));
    match (&key.session_token, request.header(TOKEN)) {
        (None, None) => Ok(()),
        (None, Some(_)) => denied("The key is permanent and has no session token."),
        (Some(token), given) => {
            if given != Some(token) || !authorization.covers(TOKEN) {
                return denied("The session token of the temporary key is missing or wrong.");
            }
            if key.expires_at.is_some_and(|end| end <= now) {
                return denied("The session token is expired.");
            }
            Ok(())
        }
    }
}

impl State {
    /// Gives out a temporary key to an account.
    pub fn new_temporary_key(&mut self, account: &str, lifetime: Duration, now: Timestamp) -> Key {
        let access = format!("STS.{}", self.new_hex_id());
        let key = Key {
            session_token: Some(format!("session-{}{}", self.new_hex_id(), self.new_hex_id())),
            expires_at: Some(later(now, lifetime)),
            ..Key::permanent(&access, &self.new_hex_id(), account)
        };
        self.keys.insert(now, &access, key.clone());
        key
    }

    /// Gives out a temporary key to whoever assumes a role: it works in the role's account.
    pub fn new_role_key(&mut self, role: &Role, lifetime: Duration, now: Timestamp) -> Key {
        let key = self.new_temporary_key(&role.account, lifetime, now);
        let Some(place) = self.keys.change(now, &key.access) else { return key };
        place.role = Some(role.name.clone());
        place.acls.extend(role.policy.clone());
        place.clone()
    }

    /// Gives a cluster a token for the gateway; the ones it had before stay good.
    pub fn new_gateway_token(
        &mut self,
        cluster: &str,
        account: &str,
        lifetime: Duration,
        now: Timestamp,
    ) -> GatewayToken {
        let token = GatewayToken {
            token: format!("cce-token-{}", self.new_hex_id()),
            cluster: cluster.to_owned(),
            account: account.to_owned(),
            expires_at: later(now, lifetime),
        };
        self.gateway_tokens.insert(now, &token.token, token.clone());
        token
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acl(statements: &[(&str, &str, &str, &str)]) -> Acl {
        let statements = statements.iter().map(|(service, region, permission, effect)| Statement {
            eid: None,
            service: (*service).to_owned(),
            region: (*region).to_owned(),
            resource: vec!["*".to_owned()],
            permission: vec![(*permission).to_owned()],
            effect: (*effect).to_owned(),
            grantee: Vec::new(),
        });
        Acl { id: None, version: None, access_control_list: statements.collect() }
    }

    #[test]
    fn what_no_statement_allows_or_one_denies_is_denied() {
        #[track_caller]
        fn check(statements: &[(&str, &str, &str, &str)], service: &str, reads: bool, allowed: bool) {
            assert_eq!(acl(statements).allows(service, "bj", reads), allowed);
        }
        check(&[], "blb", true, false);
        check(&[("bce:blb", "*", "READ", "Allow")], "blb", true, true);
        check(&[("bce:blb", "*", "READ", "Allow")], "blb", false, false);
        check(&[("bce:blb", "bj", "FULL_CONTROL", "Allow")], "blb", false, true);
        check(&[("bce:blb", "gz", "FULL_CONTROL", "Allow")], "blb", false, false);
        check(&[("bce:network", "*", "OPERATE", "Allow")], "vpc", false, true);
        check(&[("*", "*", "FULL_CONTROL", "Allow"), ("bce:eip", "*", "OPERATE", "Deny")], "eip", false, false);
        check(&[("*", "*", "FULL_CONTROL", "Allow"), ("bce:eip", "*", "OPERATE", "Deny")], "eip", true, true);
    }

    #[test]
    fn a_role_trusts_whom_it_names() {
        let role = Role::trusting("tenant", "their-account", "our-account");
        assert!(role.trust.trusts("our-account"));
        assert!(!role.trust.trusts("their-account"));
    }
}
