//! Names that others see: in kubeconfig files and in clusters.

/// Who writes: field manager, user agent, label values.
pub(crate) const CPCTL: &str = "cpctl";
/// The extension of kubeconfig entries that are ours.
pub(crate) const EXTENSION: &str = "cpctl.cloudprovider.io";
/// Type of the Secret that records a change of a registry's user.
pub(crate) const RECORD_TYPE: &str = "cpctl.cloudprovider.io/registry-user-change";
/// Label of everything that is made in a cluster.
pub(crate) const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Annotation of a pull secret that took the place of an immutable one: the name of that.
pub(crate) const SUCCESSOR_OF: &str = "cpctl.cloudprovider.io/successor-of";
