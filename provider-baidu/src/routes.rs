//! Routes of pod networks in a VPC's route table: whose a rule is, and what has to change. Decisions only.

pub(crate) mod mark;
pub(crate) mod plan;
