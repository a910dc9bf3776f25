//! `provider info`.

use cloud_provider_api::v1::Capability;
use serde_json::{Value, json};

use super::time;
use crate::{Failure, Provider, Terminal, args::Output, terminal::Table};

pub(super) async fn show(provider: &Provider, output: Output, terminal: &mut Terminal) -> Result<(), Failure> {
    let (info, status) = (provider.info(), provider.status().await?);
    let short = |capability: Capability| capability.as_str_name().trim_start_matches("CAPABILITY_").to_owned();
    let capabilities: Vec<String> = info.capabilities().map(short).collect();
    let accounts: Vec<String> =
        info.accounts.iter().map(|account| format!("{}/{}", account.id, account.region)).collect();
    let limits = info.limits.unwrap_or_default();
    let limits = [
        ("maxInstances", limits.max_instances),
        ("maxRoutes", limits.max_routes),
        ("maxMembers", limits.max_members),
        ("loadBalancerConcurrency", limits.load_balancer_concurrency),
    ];
    let mut table = Table::new(&["PROPERTY", "VALUE"]);
    let mut row = |name: &str, value: String| table.row([name.to_owned(), value]);
    row("name", info.provider_name.clone());
    row("version", info.provider_version.clone());
    row("API minor", info.api_minor.to_string());
    row("epoch", info.epoch.clone());
    row("accounts (id/region)", accounts.join(", "));
    row("providerID schemes", schemes(&info.provider_id_schemes).join(", "));
    row("capabilities", capabilities.join(", "));
    row("annotation prefixes", info.annotation_prefixes.join(", "));
    row("node selector annotations", info.node_selector_annotations.join(", "));
    row("tenants", info.tenants.join(", "));
    for (name, limit) in limits {
        row(name, limit.map_or_else(|| "the API's default".to_owned(), |limit| limit.to_string()));
    }
    row("cloud answered last", time(status.last_cloud_success));
    row("credentials valid until", time(status.credentials_valid_until));
    for condition in &status.conditions {
        let holds = condition.status.map_or("unknown", |holds| if holds { "true" } else { "false" });
        let why = [condition.reason.as_str(), condition.message.as_str()].join(" ");
        row(&format!("condition {}", condition.r#type), format!("{holds}: {}", why.trim()));
    }
    let conditions = status.conditions.iter().map(|condition| {
        json!({ "type": condition.r#type, "status": condition.status, "reason": condition.reason, "message": condition.message })
    });
    let json = json!({
        "name": info.provider_name,
        "version": info.provider_version,
        "apiMinor": info.api_minor,
        "epoch": info.epoch,
        "accounts": info.accounts.iter().map(|account| json!({ "id": account.id, "region": account.region })).collect::<Vec<_>>(),
        "providerIDSchemes": info.provider_id_schemes,
        "capabilities": capabilities,
        "annotationPrefixes": info.annotation_prefixes,
        "nodeSelectorAnnotations": info.node_selector_annotations,
        "tenants": info.tenants,
        "limits": limits.into_iter().map(|(name, limit)| (name.to_owned(), json!(limit))).collect::<serde_json::Map<_, _>>(),
        "conditions": conditions.collect::<Vec<Value>>(),
    });
    terminal.show(output, &table, &json)
}

fn schemes(schemes: &[String]) -> Vec<String> {
    let shown =
        |scheme: &String| if scheme.is_empty() { "(ids without a scheme)".to_owned() } else { format!("{scheme}://") };
    schemes.iter().map(shown).collect()
}
