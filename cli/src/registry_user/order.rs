//! What is wanted, and the steps of a change as whoever watches it is told of them.

use std::{fmt, time::Duration};

use crate::{Failure, pull_secrets::Scope};

/// What is wanted.
#[derive(Clone, Debug)]
pub struct Order {
    /// The registry's id.
    pub registry: String,
    /// The wanted name.
    pub username: String,
    /// The id of the user to be replaced.
    pub replaces: Option<String>,
    /// Where pull secrets are.
    pub scope: Scope,
    /// A secret that shall be in each namespace.
    pub secret: Option<String>,
    /// Whether ServiceAccounts may be changed.
    pub accounts: bool,
    /// How long the old user stays.
    pub grace: Duration,
    /// Whether a user that something else may be using gets a new password.
    pub take_over: bool,
    /// Whether the registry is not asked about the login.
    pub skip_verify: bool,
    /// The namespace of the record.
    pub state_namespace: String,
}

/// A step that has an effect, or waits for one. Told before it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The record is made.
    Record(String),
    /// The daemon makes the user.
    MakeUser(String),
    /// The record gets the login.
    KeepLogin,
    /// The registry is asked about the login.
    Verify(Vec<String>),
    /// A secret is made.
    Make(String),
    /// A secret is rewritten.
    Rewrite(String),
    /// A ServiceAccount gets a secret.
    Use(String),
    /// The record notes that nothing is left.
    NoteRewritten,
    /// The old user is revoked.
    Revoke(String),
    /// The record is removed.
    EndRecord(String),
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record(place) => write!(f, "recording the change in {place}"),
            Self::MakeUser(name) => write!(f, "making user {name:?}"),
            Self::KeepLogin => f.write_str("keeping its login in the record"),
            Self::Verify(hosts) => write!(f, "trying the login at {}", hosts.join(", ")),
            Self::Make(secret) => write!(f, "making secret {secret}"),
            Self::Rewrite(secret) => write!(f, "rewriting secret {secret}"),
            Self::Use(account) => write!(f, "having ServiceAccount {account} use it"),
            Self::NoteRewritten => f.write_str("noting that every secret is rewritten"),
            Self::Revoke(user) => write!(f, "revoking user {user}"),
            Self::EndRecord(place) => write!(f, "removing the record, {place}"),
        }
    }
}

/// Is told what comes next, and may stop it there, as a kill would. Notes that are no steps come as the second kind.
pub trait Watcher: Send {
    /// Before a step.
    fn stage(&mut self, stage: &Stage) -> Result<(), Failure>;

    /// Something worth knowing.
    fn note(&mut self, text: &str);
}
