//! What `GetStatus` answers about the cloud: kept up to date by what happens anyway, so that no probe costs a call.

use std::time::{Duration, SystemTime};

use cloud_provider_api::error::Reason;
use cloud_rest::{Client, CredentialStatus};
use tokio::sync::watch;

use crate::{Error, Kit, status::StatusBoard};

/// Whether the cloud answers.
const REACHABLE: &str = "CloudReachable";
/// Whether it takes our credentials.
const CREDENTIALS: &str = "CredentialsValid";
/// Whether the cloud's lists show what it shows by id.
const LISTINGS: &str = "ListingsComplete";

/// The conditions of one account profile: those of the default one by their names, of others with the profile's behind.
#[derive(Clone, Debug)]
pub struct CloudConditions {
    status: StatusBoard,
    account: String,
    credentials: watch::Receiver<CredentialStatus>,
}

impl CloudConditions {
    /// Of the account profile of this name, whose calls `client` makes.
    pub fn new(kit: &Kit, account: &str, client: &Client) -> Self {
        Self { status: kit.status().clone(), account: account.to_owned(), credentials: client.credentials() }
    }

    /// Follows the credentials until the daemon drains.
    pub fn follow_credentials(mut self, kit: &Kit) {
        let follow = async move {
            loop {
                self.tell_credentials();
                if self.credentials.changed().await.is_err() {
                    return;
                }
            }
        };
        tokio::spawn(kit.draining().clone().run_until_cancelled_owned(follow));
    }

    fn tell_credentials(&mut self) {
        let CredentialStatus { source, expires_at, fault, replaced, .. } = self.credentials.borrow_and_update().clone();
        self.status.set_credentials_valid_until(expires_at.map(SystemTime::from));
        match fault {
            Some(fault) => {
                tracing::warn!(account = self.account, source, fault, "new credentials are not taken over");
                self.set(CREDENTIALS, replaced > 0, "NotReplaced", &format!("{source}: {fault}"));
            }
            None if replaced > 0 => self.set(CREDENTIALS, true, "InUse", &format!("from {source}")),
            None => {}
        }
    }

    /// Notes what an attempt to read from the cloud says about it. Its own answer, a refusal too, means that it can be reached.
    pub fn heard(&self, outcome: Result<(), &Error>) {
        let Err(error) = outcome else {
            self.status.cloud_success();
            self.status.set_throttled_for(None);
            self.set(REACHABLE, true, "Answered", "");
            if self.credentials.borrow().fault.is_none() {
                self.set(CREDENTIALS, true, "InUse", "");
            }
            return;
        };
        match error.reason() {
            Reason::CredentialsRejected | Reason::CredentialsMissing | Reason::ClockSkew => {
                self.set(CREDENTIALS, false, "Rejected", error.message());
            }
            Reason::ActionDenied | Reason::WrongAccount | Reason::AccountSuspended => {
                self.set(CREDENTIALS, true, "Denied", error.message());
            }
            Reason::Throttled => self.status.set_throttled_for(Some(Duration::from_secs(5))),
            Reason::CloudUnavailable | Reason::TimedOut | Reason::AnswerUnreadable | Reason::ListingUnfinished => {
                self.set(REACHABLE, false, "Failed", error.message());
            }
            _ => {}
        }
    }

    /// Notes how many machines the cloud's lists lack that it shows when asked for each.
    pub fn unlisted(&self, count: usize) {
        if count == 0 {
            return self.set(LISTINGS, true, "Complete", "");
        }
        let message = format!("the cloud's lists lack {count} machines that it shows when asked for each by its id");
        self.set(LISTINGS, false, "MachinesLacking", &message);
    }

    fn set(&self, condition: &str, holds: bool, reason: &str, message: &str) {
        let name = match self.account.as_str() {
            "" => condition.to_owned(),
            account => format!("{condition}.{account}"),
        };
        self.status.set_condition(&name, Some(holds), reason, message);
    }
}
