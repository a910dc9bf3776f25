//! Routes of pod traffic: what the cloud's table lacks and has too much, which items are tried now, and what each Node's
//! condition says about it.

pub mod condition;
pub mod ledger;
pub mod plan;
