//! Who is at the other end, as far as the kernel or a certificate authority can tell.

use std::fmt;

use crate::tls::San;

/// A verified identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerIdentity {
    /// A process on this machine, by the kernel's word (`SO_PEERCRED`). The uid decides; the pid is for audit only: it is
    /// reused, and foreign or zero across pid namespaces.
    Uid {
        /// Effective user id.
        uid: u32,
        /// Effective group id.
        gid: u32,
        /// Process id, where the kernel tells it.
        pid: Option<i32>,
    },
    /// The holder of a certificate issued by the configured CA: every URI, DNS and IP name the certificate carries.
    San(Vec<San>),
    /// Anybody on this machine: a plaintext connection on loopback.
    InsecureLoopback,
}

impl fmt::Display for PeerIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uid { uid, .. } => write!(f, "uid {uid}"),
            Self::San(names) if names.is_empty() => write!(f, "a certificate without names"),
            Self::San(names) => {
                f.write_str("SAN ")?;
                for (i, name) in names.iter().enumerate() {
                    write!(f, "{}{name}", if i == 0 { "" } else { ", " })?;
                }
                Ok(())
            }
            Self::InsecureLoopback => write!(f, "an unnamed peer on loopback"),
        }
    }
}
