//! A plan, for people and for programs.

use serde_json::{Value, json};

use super::{Order, Survey};
use crate::terminal::Table;

/// The plan as rows.
pub(crate) fn show(survey: &Survey, order: &Order) -> Table {
    let mut table = Table::new(&["WHERE", "WHAT", "NOTE"]);
    let registry = format!("registry {}", survey.registry.id);
    let mut row = |place: &str, what: String, note: String| table.row([place.to_owned(), what, note]);
    for step in &survey.steps {
        row(&registry, step.clone(), String::new());
    }
    if survey.steps.is_empty() {
        row(&registry, format!("user {:?} is there already", order.username), String::new());
    }
    let at = |namespace: &str| format!("namespace {namespace}");
    for one in &survey.plan.successors {
        let note = one.of.as_ref().map_or_else(String::new, |of| format!("in the place of the immutable {of}"));
        row(&at(&one.namespace), format!("make secret {}", one.name), note);
    }
    for one in &survey.plan.rewrites {
        let note = match one.managed_by.as_str() {
            "" => String::new(),
            manager => format!("managed by {manager}, which may write it back: change it there, too"),
        };
        row(&at(&one.namespace), format!("rewrite secret {}", one.name), note);
    }
    for one in &survey.plan.uses {
        row(
            &at(&one.namespace),
            format!("ServiceAccount {} pulls with {}", one.account, one.pull_secrets.join(", ")),
            String::new(),
        );
    }
    for one in &survey.plan.blocked {
        row(&at(&one.namespace), format!("secret {} STAYS AS IT IS", one.name), one.why.clone());
    }
    if let (Some(id), Some(name)) = (&order.replaces, &survey.old_username) {
        row(
            &registry,
            format!("revoke user {name:?} (id {id})"),
            format!("with --finish, {} after the last secret is rewritten", grace(order)),
        );
    }
    table
}

fn grace(order: &Order) -> String {
    let grace = jiff::SignedDuration::try_from(order.grace).unwrap_or_default();
    format!("{grace:#}")
}

/// The plan as JSON.
pub(crate) fn as_json(survey: &Survey, order: &Order) -> Value {
    let plan = &survey.plan;
    json!({
        "registry": { "id": survey.registry.id, "hosts": survey.registry.hosts },
        "username": order.username,
        "replaces": order.replaces.as_ref().map(|id| json!({ "id": id, "username": survey.old_username })),
        "resumed": survey.resumed,
        "steps": survey.steps,
        "make": plan.successors.iter().map(|one| json!({ "namespace": one.namespace, "secret": one.name, "successorOf": one.of })).collect::<Vec<_>>(),
        "rewrite": plan.rewrites.iter().map(|one| json!({ "namespace": one.namespace, "secret": one.name, "managedBy": one.managed_by })).collect::<Vec<_>>(),
        "serviceAccounts": plan.uses.iter().map(|one| json!({ "namespace": one.namespace, "serviceAccount": one.account, "imagePullSecrets": one.pull_secrets })).collect::<Vec<_>>(),
        "blocked": plan.blocked.iter().map(|one| json!({ "namespace": one.namespace, "secret": one.name, "why": one.why })).collect::<Vec<_>>(),
        "graceSeconds": order.grace.as_secs(),
    })
}
