//! Between the wire and the controller's own words: one module for each `.proto` file.
//!
//! Outbound conversions cannot fail. Inbound ones distrust: whatever breaks a rule of the API becomes an error that names
//! the field and the value, and [`distrust`] turns it into a [`Fault`] that names the provider. The decisions behind the
//! facade can then take their input at its word.

pub(super) mod common;
pub(super) mod identity;
pub(super) mod instances;
pub(super) mod list;
pub(super) mod load_balancers;
pub(super) mod routes;

use std::fmt;

use controller_core::fault::{Code, Fault, Origin, reason};

/// Why an answer is refused.
pub(super) trait Refusal: fmt::Display {
    /// Word for [`Fault::reason`].
    fn reason(&self) -> &'static str {
        reason::BAD_ANSWER
    }
}

/// The fault of a provider whose answer is refused.
pub(super) fn distrust(provider: &str, refusal: &impl Refusal) -> Fault {
    let reason = refusal.reason();
    // An answer about another account is what a lost identity looks like, and locks removals as one.
    let code = if reason == reason::WRONG_ACCOUNT { Code::PermissionDenied } else { Code::Internal };
    Fault::new(code, Origin::Distrust, provider, format!("answer refused: {refusal}")).with_reason(reason)
}
