//! What a scenario says that cannot be, all of it at once.

use std::collections::BTreeSet;

use super::{Effect, MachineSettings, Rule, Scenario};
use crate::{cloud::Operation, service};

/// A fault: where it is, and what to do about it.
pub(crate) type Fault = (String, String);

impl MachineSettings {
    /// A machine of which only the name is said.
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            id: None,
            account: None,
            zone: None,
            instance_type: None,
            addresses: Vec::new(),
            state: crate::cloud::MachineState::default(),
            labels: std::collections::BTreeMap::new(),
        }
    }

    /// What is wrong with it.
    pub(crate) fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if self.name.is_empty() || self.name.len() > 253 {
            faults.push(("name".to_owned(), format!("{:?}: write 1 to 253 bytes", self.name)));
        }
        if let Some(id) = &self.id
            && (id.is_empty() || id.len() > 400 || id.contains("://"))
        {
            let fault = format!("{id:?}: write 1 to 400 bytes, the part of the providerID after ://");
            faults.push(("id".to_owned(), fault));
        }
        for (index, address) in self.addresses.iter().enumerate() {
            faults.extend(address.fault().map(|fault| (format!("addresses[{index}]"), fault)));
        }
        faults
    }
}

impl Scenario {
    /// Everything that is wrong with it.
    pub(crate) fn faults(&self) -> Vec<Fault> {
        let mut faults = self.provider_faults();
        faults.extend(self.instance_faults());
        faults.extend(rule_faults(&self.rules));
        if self.load_balancers.parallel == 0 {
            faults.push((
                "loadBalancers.parallel".to_owned(),
                "0: nothing would ever be made; write at least 1".to_owned(),
            ));
        }
        if self.page_size == 0 {
            faults.push(("pageSize".to_owned(), "0: a page holds at least 1 item".to_owned()));
        }
        for (index, entry) in self.routes.list.iter().enumerate() {
            if entry.destination.parse::<ipnet::IpNet>().is_err() {
                let fault = format!("{:?}: write a CIDR such as 10.1.2.0/24", entry.destination);
                faults.push((format!("routes.list[{index}].destination"), fault));
            }
        }
        faults
    }

    fn provider_faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut fault = |field: &str, fault: String| faults.push((format!("provider.{field}"), fault));
        let provider = &self.provider;
        let name_like = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.' || c == '-';
        if provider.name.is_empty() || provider.name.len() > 63 || !provider.name.chars().all(name_like) {
            fault("name", format!("{:?}: write 1 to 63 of a-z, 0-9, '.' and '-'", provider.name));
        }
        for scheme in provider.schemes.iter().filter(|scheme| scheme.is_empty() || scheme.contains("://")) {
            fault("schemes", format!("{scheme:?}: write the part of a providerID before ://"));
        }
        if provider.api_minors.is_empty() {
            fault("apiMinors", "empty: write at least one".to_owned());
        }
        if provider.max_instances == 0 || provider.max_routes == 0 {
            fault("maxInstances, maxRoutes", "0: a call takes at least 1 item".to_owned());
        }
        faults
    }

    fn instance_faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut names = BTreeSet::new();
        let accounts: BTreeSet<_> = self.accounts().into_iter().map(|account| account.id).collect();
        for (index, machine) in self.instances.list.iter().enumerate() {
            let place = |field: &str| format!("instances.list[{index}].{field}");
            faults.extend(machine.faults().into_iter().map(|(field, fault)| (place(&field), fault)));
            if !names.insert(&machine.name) {
                faults.push((place("name"), format!("{:?} is listed twice", machine.name)));
            }
            if let Some(account) = machine.account.as_ref().filter(|account| !accounts.contains(*account)) {
                faults.push((place("account"), format!("{account:?} is not one of accounts: {accounts:?}")));
            }
        }
        faults
    }
}

/// What is wrong with rules.
pub(crate) fn rule_faults(rules: &[Rule]) -> Vec<Fault> {
    rules
        .iter()
        .enumerate()
        .flat_map(|(index, rule)| {
            faults_of_rule(rule).into_iter().map(move |(field, fault)| (format!("rules[{index}].{field}"), fault))
        })
        .collect()
}

fn faults_of_rule(rule: &Rule) -> Vec<Fault> {
    let mut faults = Vec::new();
    let calls = || service::methods().map(str::to_owned);
    let made = Operation::ALL.iter().filter(|operation| operation.is_made_by_the_daemon());
    let operations = || made.clone().map(|operation| format!("cloud.{operation}"));
    for glob in &rule.matching.method {
        if !calls().chain(operations()).any(|name| glob.matches(&name)) {
            let fault = format!(
                "{:?} is no method of the API (for instance EnsureLoadBalancer) and no call of the cloud (for instance \
                 cloud.CreateListener)",
                glob.as_str()
            );
            faults.push(("match.method".to_owned(), fault));
        }
    }
    if rule.effects.is_empty() {
        faults.push(("effects".to_owned(), "empty: write at least one effect".to_owned()));
    }
    if let Some(probability) = rule.when.probability
        && !(0.0..=1.0).contains(&probability)
    {
        faults.push(("when.probability".to_owned(), format!("{probability}: write a number from 0 to 1")));
    }
    for (field, number) in [("nth", rule.when.nth), ("from", rule.when.from), ("every", rule.when.every)] {
        if number == Some(0) {
            faults.push((format!("when.{field}"), "0: calls are counted from 1".to_owned()));
        }
    }
    let about_cloud = operations().any(|name| rule.matching.is_about(&name));
    for (index, effect) in rule.effects.iter().enumerate() {
        let mut fault = |fault: String| faults.push((format!("effects[{index}]"), fault));
        match effect {
            Effect::Throttle(throttle) if throttle.rate <= 0.0 || !throttle.rate.is_finite() || throttle.burst == 0 => {
                fault("throttle: rate and burst are above 0".to_owned());
            }
            Effect::Lie(lie) if !lie.methods().iter().any(|method| rule.matching.is_about(method)) => {
                fault(format!("{lie:?} bends only answers of {}: match one of them", lie.methods().join(", ")));
            }
            Effect::LoseAnswer(super::LoseAnswer { by: super::LoseBy::Drop, .. }) if about_cloud => {
                fault(
                    "loseAnswer by drop is about the caller's connection: with cloud calls write by: unavailable"
                        .to_owned(),
                );
            }
            _ => {}
        }
    }
    faults
}
