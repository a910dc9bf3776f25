//! The simulated clouds, as a client that signs by hand sees them.

mod client;
mod control;
mod ecs;
mod eip;
mod faults;
mod gateway;
mod iam;
mod vpc;
