//! Nodes and the servers behind them: which server is whose, and what the API is told of it. Decisions only; what is known of
//! the cloud comes from [`inventory`](provider_kit::inventory).

pub(crate) mod addresses;
pub(crate) mod describe;
pub(crate) mod machine;
pub(crate) mod provider_id;
pub(crate) mod security_group;
