//! From annotations to settings.

use std::collections::HashMap;

use super::{
    EipSettings, Fault, Settings,
    table::{BANDWIDTH, BILLING, RESERVATION, TABLE},
};

/// Reads everything, and tells everything that is wrong.
pub(super) fn read(annotations: &HashMap<String, String>) -> (Settings, Vec<Fault>) {
    let (mut settings, mut faults) = (Settings::default(), Vec::new());
    for annotation in TABLE {
        // An empty value is as good as none, as with the Go provider.
        let Some(value) = annotations.get(annotation.key).filter(|value| !value.is_empty()) else { continue };
        if let Err(remedy) = (annotation.read)(value, &mut settings) {
            faults.push(Fault { key: annotation.key.to_owned(), problem: format!("{value:?}: {remedy}") });
        }
    }
    if settings.exist_id.is_some() {
        settings.reserve = true;
    }
    let known: Vec<String> = faults.iter().map(|fault: &Fault| fault.key.clone()).collect();
    faults.extend(together(&settings.eip).into_iter().filter(|fault| !known.contains(&fault.key)));
    (settings, faults)
}

/// What is wrong with settings that are each right.
fn together(eip: &EipSettings) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut fault = |key: &str, problem: String| faults.push(Fault { key: key.to_owned(), problem });
    let prepaid = eip.is_prepaid();
    if prepaid && eip.billing_method.is_some() {
        fault(BILLING, "when using Prepaid EIP, do not need to set ElasticIPBillingMethod: remove it".to_owned());
    }
    if prepaid && eip.reservation.is_none() {
        let problem = "is missing: prepaid EIP reservationLength should in [1-9, 12, 24, 36] months";
        fault(RESERVATION, problem.to_owned());
    }
    let most = eip.most_bandwidth();
    if eip.bandwidth.is_some_and(|mbps| !(1..=most).contains(&mbps)) {
        fault(BANDWIDTH, format!("bandwidthInMbps should in [1, {most}]"));
    }
    faults
}

impl EipSettings {
    /// Most Mbit/s, which is the default, too.
    pub(crate) fn most_bandwidth(&self) -> u16 {
        if self.way_of_paying() == "ByTraffic" { 1000 } else { 200 }
    }

    /// Paid in advance.
    pub(crate) fn is_prepaid(&self) -> bool {
        self.payment_timing == Some("Prepaid")
    }

    /// What is billed, or that it is paid in advance: the words of a tenant's limits.
    pub(crate) fn way_of_paying(&self) -> &'static str {
        if self.is_prepaid() { "Prepaid" } else { self.billing_method.unwrap_or("ByTraffic") }
    }
}
