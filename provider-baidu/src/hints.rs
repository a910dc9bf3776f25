//! What callers tell of their nodes in passing, and the cloud does not: their names, and whether routes to them are wanted. It is
//! learned anew after a restart, from the first look at the nodes, and decides nothing that cannot be mended.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::nodes::machine::Machine;

/// The annotation by which a node's pod network is kept out of the VPC's table.
pub(crate) const ADVERTISE_ROUTE: &str = "node.alpha.kubernetes.io/advertise-route";
/// Prefix of the annotations of nodes that are read.
pub(crate) const NODE_ANNOTATIONS: &str = "node.alpha.kubernetes.io/";

/// What is known.
#[derive(Debug, Default)]
pub(crate) struct Hints(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// By machine.
    nodes: HashMap<String, Node>,
    /// The VPC of the first of the nodes.
    vpc: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Node {
    name: String,
    advertised: bool,
}

impl Hints {
    /// A node and its machine were looked at.
    pub(crate) fn learn(&self, node: &str, annotations: &HashMap<String, String>, machine: &Machine) {
        let mut state = self.state();
        if state.vpc.is_none() && !machine.vpc.is_empty() {
            state.vpc = Some(machine.vpc.clone());
        }
        let advertised = is_advertised(annotations).unwrap_or(true);
        state.nodes.insert(machine.id.clone(), Node { name: node.to_owned(), advertised });
    }

    /// A machine is no node's any more.
    pub(crate) fn forget(&self, machine: &str) {
        self.state().nodes.remove(machine);
    }

    /// The name of the node on a machine.
    pub(crate) fn node_of(&self, machine: &str) -> Option<String> {
        self.state().nodes.get(machine).map(|node| node.name.clone())
    }

    /// Whether routes to a machine are known to be unwanted.
    pub(crate) fn is_kept_out(&self, machine: &str) -> bool {
        self.state().nodes.get(machine).is_some_and(|node| !node.advertised)
    }

    /// The VPC of the nodes.
    pub(crate) fn vpc(&self) -> Option<String> {
        self.state().vpc.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a node's pod network belongs in the VPC's table: yes, unless it says no. The error is the value, where that is neither.
pub(crate) fn is_advertised(annotations: &HashMap<String, String>) -> Result<bool, String> {
    match annotations.get(ADVERTISE_ROUTE).map(String::as_str) {
        None | Some("1" | "t" | "T" | "TRUE" | "true" | "True") => Ok(true),
        Some("0" | "f" | "F" | "FALSE" | "false" | "False") => Ok(false),
        Some(other) => Err(other.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nodes::machine::testing::machine;

    fn annotated(value: &str) -> HashMap<String, String> {
        HashMap::from([(ADVERTISE_ROUTE.to_owned(), value.to_owned())])
    }

    #[test]
    fn only_a_clear_no_keeps_a_node_out() {
        assert_eq!(is_advertised(&HashMap::new()), Ok(true));
        for yes in ["1", "t", "T", "TRUE", "true", "True"] {
            assert_eq!(is_advertised(&annotated(yes)), Ok(true), "{yes}");
        }
        for no in ["0", "f", "F", "FALSE", "false", "False"] {
            assert_eq!(is_advertised(&annotated(no)), Ok(false), "{no}");
        }
        for neither in ["", "yes", "tRUE"] {
            assert_eq!(is_advertised(&annotated(neither)), Err(neither.to_owned()));
        }
    }

    #[test]
    fn nodes_are_known_by_their_machines() {
        let hints = Hints::default();
        assert_eq!((hints.vpc(), hints.node_of("i-1"), hints.is_kept_out("i-1")), (None, None, false));
        hints.learn("a", &annotated("false"), &machine("i-1", "10.0.0.1"));
        assert_eq!((hints.vpc().as_deref(), hints.node_of("i-1").as_deref()), (Some("vpc-1"), Some("a")));
        assert!(hints.is_kept_out("i-1"));
        hints.learn("a", &annotated("nonsense"), &machine("i-1", "10.0.0.1"));
        assert!(!hints.is_kept_out("i-1"));
        hints.forget("i-1");
        assert_eq!(hints.node_of("i-1"), None);
    }
}
