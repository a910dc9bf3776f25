//! The simulated clouds, as a client that signs by hand sees them.

mod baidu;
mod cce;
mod client;
mod control;
mod ecs;
mod eip;
mod elb;
mod faults;
mod gateway;
mod iam;
mod nat;
mod traffic;
mod vpc;
