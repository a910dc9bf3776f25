//! Requests are checked against the limits of the proto files: every wrong field is named at once.

use std::ops::RangeInclusive;

use cloud_provider_api::v1;
use provider_kit::{Error, Result};

/// Gathers what is wrong with a request.
#[derive(Debug, Default)]
pub(super) struct Checker(Vec<(String, String)>);

impl Checker {
    /// Notes a fault of a field.
    pub(super) fn fault(&mut self, field: impl Into<String>, fault: impl Into<String>) {
        self.0.push((field.into(), fault.into()));
    }

    /// A text has this many bytes.
    pub(super) fn text(&mut self, field: &str, text: &str, bytes: RangeInclusive<usize>) {
        if !bytes.contains(&text.len()) {
            self.fault(field, format!("has {} bytes: {} to {} are allowed", text.len(), bytes.start(), bytes.end()));
        }
    }

    /// A list has this many items, and at least one.
    pub(super) fn count(&mut self, field: &str, count: usize, most: u32) {
        if count == 0 || count > usize::try_from(most).unwrap_or(usize::MAX) {
            self.fault(field, format!("{count} items: 1 to {most} are allowed"));
        }
    }

    /// The key of a load balancer. Its cluster is checked with the caller's rights.
    pub(super) fn key(&mut self, key: Option<&v1::LoadBalancerKey>) {
        let Some(key) = key else { return self.fault("key", "is missing") };
        self.text("key.service_namespace", &key.service_namespace, 1..=63);
        self.text("key.service_name", &key.service_name, 1..=63);
        self.text("key.service_uid", &key.service_uid, 1..=63);
        self.text("key.handle", &key.handle, 0..=2048);
    }

    /// Success if nothing was wrong.
    pub(super) fn finish(self) -> Result<()> {
        let mut faults = self.0.into_iter();
        let Some((field, fault)) = faults.next() else { return Ok(()) };
        let first = Error::field(field, fault);
        Err(faults.fold(first, |error, (field, fault)| error.violation(field, fault)))
    }
}
