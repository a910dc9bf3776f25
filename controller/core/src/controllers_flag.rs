//! The control loops by name, and the syntax of `--controllers`.

use std::{collections::BTreeSet, fmt};

/// A control loop. Order, names and aliases are upstream's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Controller {
    /// Initialises Nodes and keeps their addresses.
    Node,
    /// Removes Nodes whose machine is gone, taints those whose machine is stopped.
    NodeLifecycle,
    /// Load balancers for Services.
    Service,
    /// Routes between Nodes' pod networks.
    Route,
}

impl Controller {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Node, Self::NodeLifecycle, Self::Service, Self::Route];

    /// The canonical name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Node => "cloud-node-controller",
            Self::NodeLifecycle => "cloud-node-lifecycle-controller",
            Self::Service => "service-lb-controller",
            Self::Route => "node-route-controller",
        }
    }

    /// The short name that `--controllers` takes as well.
    pub const fn alias(self) -> &'static str {
        match self {
            Self::Node => "cloud-node",
            Self::NodeLifecycle => "cloud-node-lifecycle",
            Self::Service => "service",
            Self::Route => "route",
        }
    }

    /// The loop with this name or alias.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|controller| name == controller.name() || name == controller.alias())
    }
}

impl fmt::Display for Controller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Canonical form of an entry: an alias gives way to the name, a leading `-` stays.
pub fn canonical(entry: &str) -> String {
    let (sign, name) = entry.strip_prefix('-').map_or(("", entry), |name| ("-", name));
    Controller::parse(name).map_or_else(|| entry.to_owned(), |controller| format!("{sign}{controller}"))
}

/// The loops that `entries` turn on, or every entry that names none.
///
/// An entry is `*` (all), a name or an alias (on), or one with `-` before it (off). The first mention of a loop wins; one not
/// mentioned is on if `*` is there.
pub fn enabled<S: AsRef<str>>(entries: &[S]) -> Result<BTreeSet<Controller>, Vec<String>> {
    let unknown: Vec<_> = entries
        .iter()
        .map(AsRef::as_ref)
        .filter(|entry| *entry != "*" && Controller::parse(entry.strip_prefix('-').unwrap_or(entry)).is_none())
        .map(str::to_owned)
        .collect();
    if unknown.is_empty() {
        Ok(Controller::ALL.into_iter().filter(|controller| is_enabled(*controller, entries)).collect())
    } else {
        Err(unknown)
    }
}

fn is_enabled<S: AsRef<str>>(controller: Controller, entries: &[S]) -> bool {
    let mentioned = entries.iter().find_map(|entry| match entry.as_ref().strip_prefix('-') {
        Some(name) => (Controller::parse(name) == Some(controller)).then_some(false),
        None => (Controller::parse(entry.as_ref()) == Some(controller)).then_some(true),
    });
    mentioned.unwrap_or_else(|| entries.iter().any(|entry| entry.as_ref() == "*"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_mention_wins_and_the_star_takes_the_rest() {
        use Controller::{Node, NodeLifecycle, Route, Service};
        let all = vec![Node, NodeLifecycle, Service, Route];
        for (case, entries, want) in [
            ("on by name", vec!["cloud-node"], vec![Node]),
            ("off by name", vec!["-cloud-node"], vec![]),
            ("on by default", vec!["*"], all),
            ("on by star, not off by name", vec!["*", "-route"], vec![Node, NodeLifecycle, Service]),
            ("off by name with star", vec!["-route", "*"], vec![Node, NodeLifecycle, Service]),
            ("off by default implicit, no star", vec![], vec![]),
            ("first mention counts, on", vec!["service", "-service-lb-controller"], vec![Service]),
            ("first mention counts, off", vec!["-service-lb-controller", "service"], vec![]),
        ] {
            assert_eq!(enabled(&entries), Ok(want.into_iter().collect()), "{case}");
        }
    }

    #[test]
    fn every_unknown_name_is_reported() {
        let entries = ["*", "service-controller", "-route-controller", "route", "nodeipam"];
        let unknown = enabled(&entries).expect_err("three of them are unknown");
        assert_eq!(unknown, ["service-controller", "-route-controller", "nodeipam"]);
    }

    #[test]
    fn aliases_give_way_to_names_and_keep_their_sign() {
        for (entry, want) in [
            ("cloud-node", "cloud-node-controller"),
            ("-service", "-service-lb-controller"),
            ("route", "node-route-controller"),
            ("cloud-node-lifecycle", "cloud-node-lifecycle-controller"),
            ("*", "*"),
            ("node-route-controller", "node-route-controller"),
        ] {
            assert_eq!(canonical(entry), want);
        }
    }

    #[test]
    fn names_have_upstreams_form() {
        for controller in Controller::ALL {
            let name = controller.name();
            assert!(name.ends_with("-controller"), "{name}");
            assert!(name.bytes().all(|b| b == b'-' || b.is_ascii_lowercase()), "{name}");
        }
    }
}
