//! Load balancers of Services: gather what the cloud has, plan, apply.

mod apply;
mod engine;
mod gather;
mod handle;
mod listing;
mod look;
mod members;
mod memory;
mod recent;
mod settling;
mod site;
mod state;
mod tenancy;
#[cfg(test)]
mod tests;

pub(crate) use self::{engine::Engine, gather::all_balancers, listing::owned_by, memory::Memory};

use crate::{api::balancers::Kind, config::Config};

/// The kinds an installation has, the one that is made by itself first.
pub(crate) fn kinds(config: &Config) -> Vec<Kind> {
    let features = &config.profile.features;
    let mut kinds = Vec::new();
    if features.bcc || features.bbc {
        kinds.push(Kind::Plain);
        // The private cloud has none that is known of.
        if features.public_load_balancers {
            kinds.push(Kind::App);
        }
    }
    if features.bec {
        kinds.push(Kind::Edge);
    }
    kinds
}
