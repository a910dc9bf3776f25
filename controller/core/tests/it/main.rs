//! Tests over the crate as a whole.

mod upstream_inventory;
