//! Requests are checked against the limits of the proto files: every wrong field is named at once.

use std::{collections::HashSet, ops::RangeInclusive};

use cloud_provider_api::v1;

use crate::error::{Error, Result};

/// Most addresses a Service may be said to show.
const MOST_PUBLISHED: usize = 64;

/// Gathers what is wrong with a request.
#[derive(Debug, Default)]
pub struct Checker(Vec<(String, String)>);

impl Checker {
    /// Notes a fault of a field.
    pub fn fault(&mut self, field: impl Into<String>, fault: impl Into<String>) {
        self.0.push((field.into(), fault.into()));
    }

    /// A text has this many bytes.
    pub fn text(&mut self, field: &str, text: &str, bytes: RangeInclusive<usize>) {
        if !bytes.contains(&text.len()) {
            self.fault(field, format!("has {} bytes: {} to {} are allowed", text.len(), bytes.start(), bytes.end()));
        }
    }

    /// A list has this many items, and at least one.
    pub fn count(&mut self, field: &str, count: usize, most: u32) {
        if count == 0 || count > usize::try_from(most).unwrap_or(usize::MAX) {
            self.fault(field, format!("{count} items: 1 to {most} are allowed"));
        }
    }

    /// The key of a load balancer. Its cluster is checked with the caller's rights.
    pub fn key(&mut self, key: Option<&v1::LoadBalancerKey>) {
        let Some(key) = key else { return self.fault("key", "is missing") };
        self.text("key.service_namespace", &key.service_namespace, 1..=63);
        self.text("key.service_name", &key.service_name, 1..=63);
        self.text("key.service_uid", &key.service_uid, 1..=63);
        self.text("key.handle", &key.handle, 0..=2048);
        let published = &key.published_addresses;
        if published.len() > MOST_PUBLISHED {
            self.fault("key.published_addresses", format!("{} items: {MOST_PUBLISHED} are allowed", published.len()));
        }
        for (index, address) in published.iter().enumerate() {
            self.text(&format!("key.published_addresses[{index}]"), address, 1..=253);
        }
    }

    /// Success if nothing was wrong.
    pub fn finish(self) -> Result<()> {
        let mut faults = self.0.into_iter();
        let Some((field, fault)) = faults.next() else { return Ok(()) };
        let first = Error::field(field, fault);
        Err(faults.fold(first, |error, (field, fault)| error.violation(field, fault)))
    }
}

/// The items of a request to make or remove routes are there, few enough, and numbered.
pub fn check_routes(items: &[v1::RouteItem], most: u32) -> Result<()> {
    let mut checker = Checker::default();
    checker.count("routes", items.len(), most);
    let mut ids = HashSet::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        if item.route.is_none() {
            checker.fault(format!("routes[{index}].route"), "is missing");
        }
        if item.id == 0 || !ids.insert(item.id) {
            checker.fault(format!("routes[{index}].id"), format!("{} is not a number of its own from 1", item.id));
        }
    }
    checker.finish()
}
