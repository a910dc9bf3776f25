//! The daemon for Huawei Cloud.

pub mod annotations;
pub mod options;
