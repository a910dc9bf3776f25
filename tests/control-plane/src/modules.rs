//! The Go module that the binaries are built from, derived from the `go.mod` that Kubernetes publishes.
//!
//! `k8s.io/kubernetes` replaces its `k8s.io/*` staging modules by folders of its repository, which the published module
//! lacks; each of them is published on its own, as v0.MINOR.PATCH of v1.MINOR.PATCH.

use std::fmt::Write as _;

use anyhow::{Context, Result, ensure};

/// What is taken from the `go.mod` of `k8s.io/kubernetes`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct KubernetesModule {
    /// The `go` and `godebug` lines.
    language: Vec<String>,
    staging: Vec<String>,
    etcd: String,
}

const ETCD: &str = "go.etcd.io/etcd/server/v3";

impl KubernetesModule {
    pub(crate) fn parse(go_mod: &str) -> Result<Self> {
        let lines =
            || go_mod.lines().map(|line| line.trim().trim_start_matches("require ").trim_start_matches("replace "));
        let language = lines()
            .filter(|line| line.starts_with("go ") || line.starts_with("godebug "))
            .filter(|line| !line.ends_with('('))
            .map(str::to_owned)
            .collect();
        let staging: Vec<_> =
            lines().filter_map(|line| line.split_once(" => ./staging/")).map(|(module, _)| module.to_owned()).collect();
        ensure!(!staging.is_empty(), "the go.mod of k8s.io/kubernetes replaces no module by a staging folder");
        let etcd = lines()
            .find_map(|line| line.strip_prefix(ETCD)?.split_whitespace().next().map(str::to_owned))
            .with_context(|| format!("the go.mod of k8s.io/kubernetes does not name a version of {ETCD}"))?;
        Ok(Self { language, staging, etcd })
    }

    /// A `go.mod` in whose folder the commands of Kubernetes and etcd can be built.
    pub(crate) fn go_mod(&self, version: &str) -> Result<String> {
        let staging_version = staging_version(version)?;
        let mut text = String::from("module control-plane-build\n\n");
        for line in &self.language {
            writeln!(text, "{line}")?;
        }
        writeln!(text, "\nrequire (\n\tk8s.io/kubernetes {version}\n\t{ETCD} {}\n)\n\nreplace (", self.etcd)?;
        for module in &self.staging {
            writeln!(text, "\t{module} => {module} {staging_version}")?;
        }
        text.push_str(")\n");
        Ok(text)
    }
}

/// `v1.37.1` → `v0.37.1`.
fn staging_version(version: &str) -> Result<String> {
    let rest = version.strip_prefix("v1.").with_context(|| format!("{version} is not a v1 version of Kubernetes"))?;
    Ok(format!("v0.{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLISHED: &str = "\
// This is a generated file. Do not edit directly.

module k8s.io/kubernetes

go 1.26.0

godebug default=go1.26

require (
\tgo.etcd.io/etcd/client/v3 v3.7.0
\tk8s.io/api v0.0.0
\tk8s.io/utils v0.0.0-20260626114624-be93311217bd
)

require (
\tgo.etcd.io/etcd/server/v3 v3.7.0 // indirect
)

replace (
\tk8s.io/api => ./staging/src/k8s.io/api
\tk8s.io/client-go => ./staging/src/k8s.io/client-go
)
";

    #[test]
    fn every_staging_module_is_replaced_by_its_published_version() {
        let module = KubernetesModule::parse(PUBLISHED).expect("parsed");
        assert_eq!(
            module.go_mod("v1.37.1").expect("rendered"),
            "module control-plane-build

go 1.26.0
godebug default=go1.26

require (
\tk8s.io/kubernetes v1.37.1
\tgo.etcd.io/etcd/server/v3 v3.7.0
)

replace (
\tk8s.io/api => k8s.io/api v0.37.1
\tk8s.io/client-go => k8s.io/client-go v0.37.1
)
"
        );
    }

    #[test]
    fn a_module_without_staging_folders_or_etcd_is_refused() {
        let error = KubernetesModule::parse("module k8s.io/kubernetes\n").unwrap_err();
        assert!(error.to_string().contains("no module by a staging folder"), "{error}");
        let error = KubernetesModule::parse("replace k8s.io/api => ./staging/src/k8s.io/api\n").unwrap_err();
        assert!(error.to_string().contains("go.etcd.io/etcd/server/v3"), "{error}");
    }

    #[test]
    fn only_v1_has_staging_versions() {
        assert!(staging_version("v2.0.0").is_err());
    }
}
