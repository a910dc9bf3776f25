//! What `GetStatus` answers about the cloud: kept up to date by what happens anyway, so that no probe costs a call.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use cloud_provider_api::error::Reason;
use cloud_rest::CredentialStatus;
use provider_kit::{Error, Kit};
use tokio::sync::watch;

use crate::accounts::Account;

/// Whether the cloud answers.
const REACHABLE: &str = "CloudReachable";
/// Whether it takes our credentials.
const CREDENTIALS: &str = "CredentialsValid";

/// Whether the cloud's lists show what it shows by id.
const LISTINGS: &str = "ListingsComplete";

/// Keeps `GetStatus` up to date about an account's credentials, for as long as the daemon runs.
pub(crate) async fn follow_credentials(kit: Kit, account: Arc<Account>) {
    let mut status = account.cloud.client().credentials();
    loop {
        tell_credentials(&kit, &account, &status);
        if status.changed().await.is_err() {
            return;
        }
    }
}

fn tell_credentials(kit: &Kit, account: &Account, status: &watch::Receiver<CredentialStatus>) {
    let CredentialStatus { source, expires_at, fault, replaced, .. } = status.borrow().clone();
    kit.status().set_credentials_valid_until(expires_at.map(SystemTime::from));
    let name = condition(CREDENTIALS, account);
    match fault {
        Some(fault) => {
            tracing::warn!(account = account.cloud.account(), source, fault, "new credentials are not taken over");
            kit.status().set_condition(&name, Some(replaced > 0), "NotReplaced", &format!("{source}: {fault}"));
        }
        None if replaced > 0 => kit.status().set_condition(&name, Some(true), "InUse", &format!("from {source}")),
        None => {}
    }
}

/// Notes what an attempt to read from the cloud says about it. Its own answer, a refusal too, means that it can be reached.
pub(crate) fn note(kit: &Kit, account: &Account, outcome: Result<(), &Error>) {
    let status = kit.status();
    let (reachable, credentials) = (condition(REACHABLE, account), condition(CREDENTIALS, account));
    let Err(error) = outcome else {
        status.cloud_success();
        status.set_throttled_for(None);
        status.set_condition(&reachable, Some(true), "Answered", "");
        if account.cloud.client().credentials().borrow().fault.is_none() {
            status.set_condition(&credentials, Some(true), "InUse", "");
        }
        return;
    };
    match error.reason() {
        Reason::CredentialsRejected | Reason::CredentialsMissing | Reason::ClockSkew => {
            status.set_condition(&credentials, Some(false), "Rejected", error.message());
        }
        Reason::ActionDenied | Reason::WrongAccount | Reason::AccountSuspended => {
            status.set_condition(&credentials, Some(true), "Denied", error.message());
        }
        Reason::Throttled => status.set_throttled_for(Some(Duration::from_secs(5))),
        Reason::CloudUnavailable | Reason::TimedOut | Reason::AnswerUnreadable | Reason::ListingUnfinished => {
            status.set_condition(&reachable, Some(false), "Failed", error.message());
        }
        _ => {}
    }
}

/// Notes how many servers the cloud's lists lack that it shows when asked for each.
pub(crate) fn note_unlisted(kit: &Kit, account: &Account, count: usize) {
    let name = condition(LISTINGS, account);
    if count == 0 {
        return kit.status().set_condition(&name, Some(true), "Complete", "");
    }
    let message = format!("the cloud's lists lack {count} servers that it shows when asked for each by its id");
    kit.status().set_condition(&name, Some(false), "ServersLacking", &message);
}

/// Of the default account profile by itself; of others with their name.
fn condition(kind: &str, account: &Account) -> String {
    match account.cloud.account() {
        "" => kind.to_owned(),
        name => format!("{kind}.{name}"),
    }
}
