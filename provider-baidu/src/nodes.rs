//! Nodes and the machines behind them: whose is whose, and what the API is told of it. Decisions only.

pub(crate) mod describe;
pub(crate) mod machine;
pub(crate) mod provider_id;
