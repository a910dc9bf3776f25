//! What a tenant may ask for.

use std::collections::BTreeSet;

use cloud_provider_api::error::Reason;

use super::Tenant;
use crate::error::{Error, Result};

/// Checks of one request against a tenant's limits: all are made before any fault counts. Fields are named as in `BadRequest`, for
/// instance `annotations[KEY]`.
#[derive(Debug)]
#[must_use = "nothing is refused before `finish`"]
pub struct Limits<'a> {
    tenant: &'a Tenant,
    faults: Vec<(String, String)>,
}

impl Tenant {
    /// Begins to check a request.
    pub fn limits(&self) -> Limits<'_> {
        Limits { tenant: self, faults: Vec::new() }
    }
}

impl Limits<'_> {
    /// The kind of the load balancer.
    pub fn class(&mut self, field: &str, class: &str) -> &mut Self {
        let tenant = self.tenant;
        self.one_of(field, class, &tenant.classes, "a kind of load balancer")
    }

    /// A VPC that is used.
    pub fn vpc(&mut self, field: &str, id: &str) -> &mut Self {
        let tenant = self.tenant;
        self.one_of(field, id, &tenant.vpcs, "a VPC")
    }

    /// A subnet that is used.
    pub fn subnet(&mut self, field: &str, id: &str) -> &mut Self {
        let tenant = self.tenant;
        self.one_of(field, id, &tenant.subnets, "a subnet")
    }

    /// How something is paid for.
    pub fn billing(&mut self, field: &str, way: &str) -> &mut Self {
        let tenant = self.tenant;
        self.one_of(field, way, &tenant.billing, "a way of paying")
    }

    /// The bandwidth of a public address, in Mbit/s.
    pub fn bandwidth(&mut self, field: &str, wanted: u32) -> &mut Self {
        if let Some(most) = self.tenant.max_bandwidth.filter(|most| wanted > *most) {
            let problem = format!("{wanted} Mbit/s: tenant {:?} may have {most} at an address", self.tenant.name);
            self.faults.push((field.to_owned(), problem));
        }
        self
    }

    fn one_of(&mut self, field: &str, value: &str, allowed: &BTreeSet<String>, what: &str) -> &mut Self {
        if !allowed.is_empty() && !allowed.contains(value) {
            let all: Vec<&str> = allowed.iter().map(String::as_str).collect();
            let problem = format!(
                "{value:?} is not {what} that tenant {:?} may use: choose {}",
                self.tenant.name,
                all.join(" or ")
            );
            self.faults.push((field.to_owned(), problem));
        }
        self
    }

    /// All that is wrong, as one refusal of the provider with this name.
    pub fn finish(&mut self, provider: &'static str) -> Result<()> {
        if self.faults.is_empty() {
            return Ok(());
        }
        let told: Vec<String> = self.faults.iter().map(|(field, problem)| format!("{field}: {problem}")).collect();
        let message = format!("{}; an administrator may allow more in the daemon's access file", told.join("; "));
        let error = Error::cloud(provider, Reason::AnnotationInvalid, message);
        Err(self.faults.drain(..).fold(error, |error, (field, problem)| error.violation(field, problem)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(ids: &[&str]) -> BTreeSet<String> {
        ids.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn everything_beyond_the_limits_is_told_at_once() {
        let tenant = Tenant {
            name: "team-b".to_owned(),
            classes: set(&["shared"]),
            subnets: set(&["s1", "s2"]),
            billing: set(&["traffic"]),
            max_bandwidth: Some(10),
            ..Tenant::default()
        };
        let mut limits = tenant.limits();
        limits.class("annotations[class]", "dedicated").subnet("annotations[subnet]", "s3").vpc("vpc", "any");
        limits.billing("annotations[eip]", "bandwidth").bandwidth("annotations[eip]", 11);
        let error = limits.finish("mock").unwrap_err();
        assert_eq!(error.reason(), Reason::AnnotationInvalid);
        for part in [
            "annotations[class]: \"dedicated\" is not a kind of load balancer that tenant \"team-b\" may use: choose shared",
            "annotations[subnet]: \"s3\" is not a subnet that tenant \"team-b\" may use: choose s1 or s2",
            "\"bandwidth\" is not a way of paying",
            "11 Mbit/s: tenant \"team-b\" may have 10",
            "access file",
        ] {
            assert!(error.message().contains(part), "{part} not in {}", error.message());
        }
        tenant.limits().class("c", "shared").subnet("s", "s2").bandwidth("b", 10).finish("mock").unwrap();
        Tenant::default().limits().class("c", "any").subnet("s", "any").bandwidth("b", 9999).finish("mock").unwrap();
    }
}
