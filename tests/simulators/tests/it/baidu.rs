//! Baidu AI Cloud.

mod appblb;
mod bec;
mod blb;
mod cce;
mod ccr;
mod client;
mod eip;
mod gateway;
mod keys;
mod machines;
mod routes;
mod tags;
mod tokens;
mod traffic;
