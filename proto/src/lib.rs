//! The cloud-provider API: the `.proto` files of `cloudprovider.v1`, the code generated from them, and the vocabulary of
//! its errors. No logic.

pub mod error;
mod redact;

/// Messages, clients and servers of `cloudprovider.v1`.
#[allow(missing_docs, unreachable_pub, rust_2018_idioms, clippy::all, clippy::pedantic)]
pub mod v1 {
    tonic::include_proto!("cloudprovider.v1");
}

/// The compiled descriptors of the package, for reflection and compatibility checks.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/cloudprovider.v1.binpb"));

/// The minors of `cloudprovider.v1` this build speaks, lowest first. Minors start at 1, so that a forgotten one shows.
pub const API_MINORS: &[u32] = &[1];
