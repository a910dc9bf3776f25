//! A cloud-neutral signed REST client, shared by the provider daemons.
//!
//! A daemon describes a cloud with a [`Sign`] (how a request is authenticated), a [`Dialect`] (how an answer says what went wrong), a
//! [`Source`] of [`Credentials`], and one [`Call`] for each thing it wants done. A [`Client`] does the rest: one connection pool, a new
//! signature for each attempt, rate limits that follow what the cloud bears, repeats only where nothing can be done twice, and a record of
//! each call that changed something.
//!
//! What always holds:
//!
//! * A call that may have been carried out is never sent again, unless it is a read or says of itself that a repeat is harmless ([`Effect`]).
//! * An [`Error`] says whether the call was carried out ([`Executed`]) and what the caller can do about it ([`Kind`]).
//! * A listing is whole or an error ([`paging`]); a short list is never passed off as a whole one.
//! * No secret is printed: they are kept in [`Secret`], and taken out of what the cloud says.

mod actor;
mod audit;
mod base_url;
mod call;
mod client;
mod credentials;
mod dialect;
mod error;
mod limit;
mod metrics;
pub mod paging;
mod secret;
pub mod setting;
mod sign;
mod transport;
mod watch;
pub mod words;

pub use reqwest::Url;

pub use crate::{
    actor::{Actor, Share},
    audit::{Audit, AuditEntry},
    base_url::base_url,
    call::{Answer, Call, Effect},
    client::{Client, Clock, Patience, Settings},
    credentials::{CredentialStatus, Credentials, Source, SourceError},
    dialect::{Dialect, Failure},
    error::{Error, Executed, Kind},
    limit::StartRate,
    metrics::Metrics,
    secret::Secret,
    sign::{Family, Sign, SignError},
    transport::{Transport, TransportError, TransportSettings},
    watch::Watch,
};
