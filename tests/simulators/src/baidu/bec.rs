//! BEC: machines and load balancers at the edge.

mod load_balancers;
mod machines;
mod members;
mod monitors;

pub use self::{load_balancers::EdgeBlb, members::Member, monitors::Monitor};
pub(super) use self::{
    load_balancers::{INSIDE, PUBLIC, service as load_balancers},
    machines::service as machines,
};
