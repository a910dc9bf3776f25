//! The provider daemon for Huawei Cloud, its private installations and its partners' clouds.

pub mod annotations;
pub mod api;
pub mod cloud;
pub mod config;
pub mod credentials;
pub mod dialect;
pub mod endpoints;
pub mod options;
pub mod plan;
pub mod sign;
