//! The calls of the cloud behind the daemon, which rules can hit and counters count.

use serde::{Deserialize, Serialize};

/// A call of the cloud's own API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Operation {
    DescribeInstances,
    RunInstance,
    AdoptInstance,
    ModifyInstance,
    TerminateInstance,
    DescribeLoadBalancers,
    CreateLoadBalancer,
    CreateListener,
    ModifyListener,
    DeleteListener,
    SetAttributes,
    SetMembers,
    TagLoadBalancer,
    DeleteLoadBalancer,
    DescribeRoutes,
    CreateRoute,
    DeleteRoute,
}

impl Operation {
    /// Every call.
    pub const ALL: &[Self] = &[
        Self::DescribeInstances,
        Self::RunInstance,
        Self::AdoptInstance,
        Self::ModifyInstance,
        Self::TerminateInstance,
        Self::DescribeLoadBalancers,
        Self::CreateLoadBalancer,
        Self::CreateListener,
        Self::ModifyListener,
        Self::DeleteListener,
        Self::SetAttributes,
        Self::SetMembers,
        Self::TagLoadBalancer,
        Self::DeleteLoadBalancer,
        Self::DescribeRoutes,
        Self::CreateRoute,
        Self::DeleteRoute,
    ];

    /// Whether the daemon makes it for its callers, so that rules can hit it. The others happen behind its back.
    pub const fn is_made_by_the_daemon(self) -> bool {
        !matches!(self, Self::RunInstance | Self::AdoptInstance | Self::ModifyInstance | Self::TerminateInstance)
    }

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DescribeInstances => "DescribeInstances",
            Self::RunInstance => "RunInstance",
            Self::AdoptInstance => "AdoptInstance",
            Self::ModifyInstance => "ModifyInstance",
            Self::TerminateInstance => "TerminateInstance",
            Self::DescribeLoadBalancers => "DescribeLoadBalancers",
            Self::CreateLoadBalancer => "CreateLoadBalancer",
            Self::CreateListener => "CreateListener",
            Self::ModifyListener => "ModifyListener",
            Self::DeleteListener => "DeleteListener",
            Self::SetAttributes => "SetAttributes",
            Self::SetMembers => "SetMembers",
            Self::TagLoadBalancer => "TagLoadBalancer",
            Self::DeleteLoadBalancer => "DeleteLoadBalancer",
            Self::DescribeRoutes => "DescribeRoutes",
            Self::CreateRoute => "CreateRoute",
            Self::DeleteRoute => "DeleteRoute",
        }
    }
}

impl std::fmt::Display for Operation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
