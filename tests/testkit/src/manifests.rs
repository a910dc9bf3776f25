//! Applying manifests, such as the controller's RBAC.

use anyhow::{Context, Result};
use kube::api::{Api, DynamicObject, GroupVersionKind, Patch, PatchParams};
use kube::discovery::{ApiCapabilities, ApiResource, Scope, pinned_kind};
use kube::{Client, ResourceExt};

const FIELD_MANAGER: &str = "testkit";

/// Applies every document of a YAML text, in its order; objects without a namespace go to `default`.
pub async fn apply(client: &Client, yaml: &str) -> Result<()> {
    for object in parse(yaml)? {
        let name = object.name_any();
        let kind = object.types.as_ref().map(GroupVersionKind::try_from).transpose()?;
        let kind = kind.with_context(|| format!("{name} has no apiVersion and kind"))?;
        let (resource, capabilities) = pinned_kind(client, &kind).await?;
        api(client, &object, &resource, &capabilities)
            .patch(&name, &PatchParams::apply(FIELD_MANAGER).force(), &Patch::Apply(&object))
            .await
            .with_context(|| format!("apply {} {name}", kind.kind))?;
    }
    Ok(())
}

fn parse(yaml: &str) -> Result<Vec<DynamicObject>> {
    let documents: Vec<Option<DynamicObject>> = serde_saphyr::from_multiple(yaml).context("a manifest")?;
    Ok(documents.into_iter().flatten().collect())
}

fn api(
    client: &Client,
    object: &DynamicObject,
    resource: &ApiResource,
    capabilities: &ApiCapabilities,
) -> Api<DynamicObject> {
    if capabilities.scope == Scope::Cluster {
        return Api::all_with(client.clone(), resource);
    }
    let namespace = object.namespace().unwrap_or_else(|| "default".to_owned());
    Api::namespaced_with(client.clone(), &namespace, resource)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_told_apart_and_empty_ones_skipped() {
        let yaml = "---\n# a comment\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\napiVersion: v1\nkind: \
                    ConfigMap\nmetadata: {name: b}\n";
        let names: Vec<_> = parse(yaml).expect("parsed").iter().map(ResourceExt::name_any).collect();
        assert_eq!(names, ["a", "b"]);
    }
}
