//! Routes of pod networks in a VPC's route table: whose a route is, and what has to change. Decisions only.

pub(crate) mod mark;
pub(crate) mod pairs;
pub(crate) mod plan;
