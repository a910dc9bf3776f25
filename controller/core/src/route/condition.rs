//! `NetworkUnavailable`, the condition that says whether pod traffic reaches a Node.

use std::collections::BTreeSet;

use crate::view::{Condition, ConditionStatus};

use super::plan::{NodeRoutes, Wish};

/// What to write. The words are upstream's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConditionWrite {
    /// Whether the network is unavailable.
    pub status: ConditionStatus,
    /// Reason of the condition.
    pub reason: &'static str,
    /// Message of the condition.
    pub message: &'static str,
    /// The status is another one than before, so its time of transition is now.
    pub transition: bool,
}

/// Whether all routes of the node are there, after those in `made` were made.
pub fn has_all_routes(routes: &NodeRoutes, made: &BTreeSet<Wish>) -> bool {
    routes.wishes > 0 && routes.missing.is_subset(made)
}

/// What to write to a node whose condition is `existing`. `said`: what we wrote to it last, if we ever did.
///
/// A reason that a network plugin put there is replaced by ours once. When the plugin writes its own again afterwards and
/// both mean the same, it is left there: two writers who agree need not fight over the words.
pub fn condition(existing: Option<&Condition>, routed: bool, said: Option<bool>) -> Option<ConditionWrite> {
    let (status, reason, message) = if routed {
        (ConditionStatus::False, "RouteCreated", "RouteController created a route")
    } else {
        (ConditionStatus::True, "NoRouteCreated", "RouteController failed to create a route")
    };
    let same_status = existing.is_some_and(|existing| existing.status == status);
    let same_reason = existing.is_some_and(|existing| existing.reason == reason);
    if same_status && (same_reason || said == Some(routed)) {
        return None;
    }
    Some(ConditionWrite { status, reason, message, transition: !same_status })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn existing(status: ConditionStatus, reason: &str) -> Condition {
        Condition { status, reason: reason.into(), last_transition: None }
    }

    #[test]
    fn the_condition_follows_the_routes() {
        // TestUpdateNetworkingCondition.
        use ConditionStatus::{False, True};
        let row =
            |condition: Option<(ConditionStatus, &str)>| condition.map(|(status, reason)| existing(status, reason));
        for (case, before, routed, expected) in [
            ("No existing condition, routes created", None, true, Some((False, "RouteCreated"))),
            ("No existing condition, routes not created", None, false, Some((True, "NoRouteCreated"))),
            ("Existing condition with same status and reason", Some((False, "RouteCreated")), true, None),
            (
                "Existing condition with same status but different reason",
                Some((False, "CalicoIsUp")),
                true,
                Some((False, "RouteCreated")),
            ),
            (
                "Existing condition with Status=False but different reason, routes created",
                Some((False, "ExternalCNI")),
                true,
                Some((False, "RouteCreated")),
            ),
            (
                "Existing condition with Status=True and different reason, routes not created",
                Some((True, "CalicoIsDown")),
                false,
                Some((True, "NoRouteCreated")),
            ),
            (
                "Existing condition with Status=False, transitioning to routes not created",
                Some((False, "RouteCreated")),
                false,
                Some((True, "NoRouteCreated")),
            ),
            (
                "Existing condition with Status=True and NoRouteCreated reason, routes not created",
                Some((True, "NoRouteCreated")),
                false,
                None,
            ),
        ] {
            let written = condition(row(before).as_ref(), routed, None);
            assert_eq!(written.map(|w| (w.status, w.reason)), expected, "{case}");
            let transition = written.map(|w| w.transition);
            assert_eq!(transition, expected.map(|(status, _)| before.map(|(s, _)| s) != Some(status)), "{case}");
        }
    }

    #[test]
    fn a_network_plugin_is_overruled_once_and_not_fought() {
        // TestUpdateNetworkingConditionWithCalicoScenario, then Calico's node agent starts again.
        let calico = existing(ConditionStatus::False, "CalicoIsUp");
        let written = condition(Some(&calico), true, None).expect("ours at first");
        assert_eq!((written.reason, written.message), ("RouteCreated", "RouteController created a route"));
        assert_eq!(condition(Some(&calico), true, Some(true)), None);
        assert!(condition(Some(&calico), false, Some(true)).is_some(), "but a route that is missing is told");
    }

    #[test]
    fn a_node_is_routed_when_each_of_its_cidrs_is() {
        let wish = |cidr: &str| Wish { node: "a".into(), cidr: cidr.into() };
        let routes = |missing: &[&str], wishes| NodeRoutes {
            node: "a".into(),
            missing: missing.iter().map(|cidr| wish(cidr)).collect(),
            wishes,
        };
        let made = BTreeSet::from([wish("10.0.0.0/24")]);
        assert!(has_all_routes(&routes(&[], 2), &made));
        assert!(has_all_routes(&routes(&["10.0.0.0/24"], 2), &made));
        assert!(!has_all_routes(&routes(&["10.0.0.0/24", "ace::/64"], 2), &made));
        assert!(!has_all_routes(&routes(&[], 0), &made), "routes but no pod CIDR");
    }
}
