//! Credentials for clients that ask when they need one: the exec plugin of kubeconfig files.

mod cache;
mod exec;

pub use self::{
    cache::{Cache, Kept, Question},
    exec::{Status, Version, answer, asked_by_client},
};
