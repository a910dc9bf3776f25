//! Requests are checked against the limits of the proto files: every wrong field is named at once.

use std::{collections::HashMap, ops::RangeInclusive};

use cloud_provider_api::{error::Reason, v1};

use super::Refusal;

/// Largest total of annotations, in bytes.
const ANNOTATIONS: usize = 256 * 1024;

/// Gathers what is wrong with a request.
#[derive(Debug, Default)]
pub(crate) struct Checker(Vec<(String, String)>);

impl Checker {
    /// Notes a fault of a field.
    pub(crate) fn fault(&mut self, field: impl Into<String>, fault: impl Into<String>) {
        self.0.push((field.into(), fault.into()));
    }

    /// A text has this many bytes.
    pub(crate) fn text(&mut self, field: &str, text: &str, bytes: RangeInclusive<usize>) {
        if !bytes.contains(&text.len()) {
            self.fault(field, format!("has {} bytes: {} to {} are allowed", text.len(), bytes.start(), bytes.end()));
        }
    }

    /// A list has this many items.
    pub(crate) fn count(&mut self, field: &str, count: usize, most: u32) {
        if count == 0 || count > usize::try_from(most).unwrap_or(usize::MAX) {
            self.fault(field, format!("{count} items: 1 to {most} are allowed"));
        }
    }

    /// A cluster is named.
    pub(crate) fn cluster(&mut self, field: &str, cluster: Option<&v1::Cluster>) {
        let Some(cluster) = cluster else { return self.fault(field, "is missing") };
        self.text(&format!("{field}.id"), &cluster.id, 1..=63);
        if !cluster.id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
            self.fault(format!("{field}.id"), format!("{:?}: only a-z, 0-9 and '-' are allowed", cluster.id));
        }
        self.text(&format!("{field}.name"), &cluster.name, 1..=253);
    }

    /// The key of a load balancer.
    pub(crate) fn key(&mut self, key: Option<&v1::LoadBalancerKey>) {
        let Some(key) = key else { return self.fault("key", "is missing") };
        self.cluster("key.cluster", key.cluster.as_ref());
        self.text("key.service_namespace", &key.service_namespace, 1..=63);
        self.text("key.service_name", &key.service_name, 1..=63);
        self.text("key.service_uid", &key.service_uid, 1..=63);
        self.text("key.handle", &key.handle, 0..=2048);
    }

    /// Annotations are not too large.
    pub(crate) fn annotations(&mut self, field: &str, annotations: &HashMap<String, String>) {
        let bytes: usize = annotations.iter().map(|(key, value)| key.len() + value.len()).sum();
        if bytes > ANNOTATIONS {
            self.fault(field, format!("{bytes} bytes: {ANNOTATIONS} are allowed"));
        }
    }

    /// Success if nothing was wrong.
    pub(crate) fn finish(self) -> Result<(), Refusal> {
        if self.0.is_empty() { Ok(()) } else { Err(Refusal::invalid(Reason::FieldInvalid, self.0)) }
    }
}
