//! `Debug` for the two messages whose content is secret: it says what is there, never what it is.

use std::fmt;

use crate::v1::{IssueKubeconfigResponse, RegistryCredential};

impl fmt::Debug for IssueKubeconfigResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssueKubeconfigResponse")
            .field("kubeconfig", &format_args!("<{} secret bytes>", self.kubeconfig.len()))
            .field("expires_at", &self.expires_at)
            .finish()
    }
}

impl fmt::Debug for RegistryCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistryCredential")
            .field("hosts", &self.hosts)
            .field("username", &self.username)
            .field("password", &format_args!("<secret>"))
            .field("expires_at", &self.expires_at)
            .finish()
    }
}
