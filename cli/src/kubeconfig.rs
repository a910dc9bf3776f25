//! Kubeconfigs: what the daemon hands over, and how it gets into a file that others write, too.

mod document;
mod file;
mod issued;

pub use self::{
    document::{Document, Entry, Merged, Origin},
    file::{default_path, update},
    issued::Issued,
};
