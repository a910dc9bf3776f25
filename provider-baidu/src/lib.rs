//! The provider daemon for Baidu AI Cloud: CCE in the public regions and behind their gateway, the private cloud, and the edge.

pub mod client_token;
pub mod cloud;
pub mod config;
pub mod credentials;
pub mod dialect;
pub mod endpoints;
pub mod sign;
