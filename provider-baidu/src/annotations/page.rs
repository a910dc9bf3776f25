//! The page `docs/baidu-annotations.md`.

use std::fmt::Write as _;

use super::table::TABLE;

const OPENING: &str = "<!-- Made from provider-baidu/src/annotations/table.rs: UPDATE_DOCS=1 cargo test -p provider-baidu annotations_page -->
# Annotations of Services on Baidu AI Cloud

They go on a Service of type LoadBalancer, and are those of the Go provider, with a few of CCE's. A value that makes no sense is told by a
Warning Event that names the annotation, the value and the remedy, all of them at once; nothing is changed until it is mended, and a
working load balancer goes on working. A broken annotation never keeps a Service from being deleted.

Ports, `externalTrafficPolicy`, `sessionAffinity`, `loadBalancerIP`, `loadBalancerSourceRanges`, `ipFamilies` and `ipFamilyPolicy` are read
from the Service itself: [baidu-load-balancers.md](baidu-load-balancers.md) says what becomes of each.
";

/// The page.
pub fn markdown() -> String {
    let mut page = OPENING.to_owned();
    for annotation in TABLE {
        let (key, values, default, effect) = (annotation.key, annotation.values, annotation.default, annotation.effect);
        // Writing to a String cannot fail.
        let _ = write!(page, "\n## `{key}`\n\n{effect}\n\n- Values: {values}\n- Default: {default}\n");
    }
    page
}
