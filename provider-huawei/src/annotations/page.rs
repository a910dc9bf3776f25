//! The page `docs/huawei-annotations.md`.

use std::fmt::Write as _;

use super::table::all;

const OPENING: &str = "<!-- Made from provider-huawei/src/annotations/table.rs: UPDATE_DOCS=1 cargo test -p provider-huawei annotations_page -->
# Annotations of Services on Huawei Cloud

They go on a Service of type LoadBalancer, and are those of the Go provider, with a few of CCE's. A value that makes no sense is told by a
Warning Event that names the annotation, the value and the remedy, all of them at once; nothing is changed until it is mended, and a
working load balancer goes on working. A broken annotation never keeps a Service from being deleted. The options meant below are the keys of
`loadBalancerOption` in the file given by `--loadbalancer-config`. Taking an annotation away brings the default back.

Ports, `loadBalancerSourceRanges`, `externalTrafficPolicy`, `sessionAffinity`, `loadBalancerIP`, `ipFamilies` and `ipFamilyPolicy` are read from the
Service itself.
";

/// The page.
pub fn markdown() -> String {
    let mut page = OPENING.to_owned();
    for annotation in all() {
        let classes: Vec<&str> = annotation.classes.iter().map(|class| class.as_str()).collect();
        let classes = if classes.is_empty() { "none".to_owned() } else { classes.join(", ") };
        let (key, values, default, effect) = (annotation.key, annotation.values, annotation.default, annotation.effect);
        // Writing to a String cannot fail.
        let _ = write!(
            page,
            "\n## `{key}`\n\n{effect}\n\n- Values: {values}\n- Default: {default}\n- Classes: {classes}\n"
        );
    }
    page
}
