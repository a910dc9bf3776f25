//! Which control loops run under a second lease while they move from one process to another.
//!
//! Two processes that both could run a loop, say one cloud-controller-manager per cloud in the past or another build of this
//! one, agree on a second lease for it. Each takes it after its own first lease, so that a rolling upgrade of both never has the
//! loop running twice, whichever of them is to have it.

use std::collections::BTreeSet;

use crate::controllers_flag::Controller;

/// The name of this component in a leader migration's configuration.
pub const COMPONENT: &str = "cloud-controller-manager";
/// Stands for whichever component gets there first.
pub const ANY_COMPONENT: &str = "*";
/// The second lease, unless the configuration names another.
pub const DEFAULT_LEASE: &str = "cloud-provider-extraction-migration";

/// A control loop, and which component is to run it under the second lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// Canonical name, alias, or the name upstream's default configuration still has.
    pub controller: String,
    /// `cloud-controller-manager`, another component, or `*`.
    pub component: String,
}

/// What becomes of the loops of this component. One that is in neither set runs under the first lease.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Split {
    /// Run under the second lease.
    pub moved: BTreeSet<Controller>,
    /// Another component's: not run here at all.
    pub elsewhere: BTreeSet<Controller>,
}

/// What the assignments mean for this component. Loops that it does not have are others' affair; of several assignments of one
/// loop the last counts, as upstream.
pub fn split(assignments: &[Assignment]) -> Split {
    let mut split = Split::default();
    for assignment in assignments {
        let Some(controller) = named(&assignment.controller) else { continue };
        let ours = [COMPONENT, ANY_COMPONENT].contains(&assignment.component.as_str());
        let Split { moved, elsewhere } = &mut split;
        let (to, from) = if ours { (moved, elsewhere) } else { (elsewhere, moved) };
        from.remove(&controller);
        to.insert(controller);
    }
    split
}

/// What upstream moves unless told otherwise: routes, Services, and the removal of Nodes. Upstream's own list has names of the
/// first two that it does not know any more, so that they stay; here they are understood.
pub fn default_assignments() -> Vec<Assignment> {
    ["route-controller", "service-controller", "cloud-node-lifecycle-controller"]
        .map(|name| Assignment { controller: name.to_owned(), component: ANY_COMPONENT.to_owned() })
        .into()
}

fn named(name: &str) -> Option<Controller> {
    match name {
        "route-controller" => Some(Controller::Route),
        "service-controller" => Some(Controller::Service),
        name => Controller::parse(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assigned(pairs: &[(&str, &str)]) -> Split {
        let one = |(controller, component): &(&str, &str)| Assignment {
            controller: (*controller).to_owned(),
            component: (*component).to_owned(),
        };
        split(&pairs.iter().map(one).collect::<Vec<_>>())
    }

    fn check(pairs: &[(&str, &str)], moved: &[Controller], elsewhere: &[Controller]) {
        let split = assigned(pairs);
        assert_eq!(split.moved.into_iter().collect::<Vec<_>>(), moved, "{pairs:?}");
        assert_eq!(split.elsewhere.into_iter().collect::<Vec<_>>(), elsewhere, "{pairs:?}");
    }

    #[test]
    fn what_is_assigned_to_us_or_to_anybody_moves_and_what_is_anothers_does_not_run() {
        check(&[], &[], &[]);
        check(&[("route", "cloud-controller-manager")], &[Controller::Route], &[]);
        check(&[("node-route-controller", "*")], &[Controller::Route], &[]);
        check(&[("service-lb-controller", "kube-controller-manager")], &[], &[Controller::Service]);
        check(&[("node-ipam-controller", "*")], &[], &[]);
        check(&[("service", "*"), ("service", "kube-controller-manager")], &[], &[Controller::Service]);
        check(&[("service", "kube-controller-manager"), ("service", "*")], &[Controller::Service], &[]);
    }

    #[test]
    fn by_default_three_loops_move() {
        let moved = split(&default_assignments()).moved;
        assert_eq!(moved, BTreeSet::from([Controller::Route, Controller::Service, Controller::NodeLifecycle]));
    }
}
