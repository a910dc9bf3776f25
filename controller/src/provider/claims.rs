//! What is wrong with the providers taken together: said aloud once when it appears, and once when it is over.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, stream::select_all};
use tokio_stream::wrappers::WatchStream;
use tokio_util::sync::CancellationToken;

use super::{Info, Provider, Providers, Settings};

/// Looks at the claims whenever a provider says something new of itself, until `stop`.
pub(super) async fn watch(providers: Providers, stop: CancellationToken) {
    let mut news = select_all(providers.all().iter().map(|provider| WatchStream::new(provider.status())));
    let mut shown = BTreeSet::new();
    while stop.run_until_cancelled(news.next()).await.flatten().is_some() {
        let now = providers.complaints();
        for complaint in now.difference(&shown) {
            tracing::error!("{complaint}");
        }
        for complaint in shown.difference(&now) {
            tracing::info!("no longer: {complaint}");
        }
        shown = now;
    }
}

/// What is wrong with the providers that have shaken hands. `complete`: these are all.
pub(super) fn complaints(known: &[(&Provider, &Info)], complete: bool, settings: &Settings) -> BTreeSet<String> {
    let mut complaints = BTreeSet::new();
    // Where each has a selector, the nodes are told apart by that.
    let claims = known
        .iter()
        .filter(|(provider, _)| provider.node_selector().is_none())
        .flat_map(|(provider, info)| info.schemes.iter().map(move |scheme| (scheme, *provider)));
    for (scheme, claimants) in contested(claims) {
        complaints.insert(format!(
            "providers {claimants} all claim providerIDs of scheme {scheme:?}: none of them gets such nodes; \
             give each daemon schemes of its own, or tell their nodes apart with --provider-node-selector"
        ));
    }
    for (name, claimants) in contested(known.iter().map(|(provider, info)| (&info.name, *provider))) {
        complaints.insert(format!(
            "providers {claimants} are all named {name:?}: none of them gets Services by that name; rename them"
        ));
    }
    if complete {
        let named =
            settings.classes.iter().map(|(class, name)| (format!("--load-balancer-class={class}={name}"), name));
        let default = settings.default_provider.iter().map(|name| (format!("--default-provider={name}"), name));
        let selectors = settings
            .node_selectors
            .iter()
            .map(|(name, text)| (format!("--provider-node-selector={name}={text}"), name));
        for (flag, name) in named.chain(default).chain(selectors) {
            if !known.iter().any(|(_, info)| info.name == *name) {
                let present: Vec<&str> = known.iter().map(|(_, info)| info.name.as_str()).collect();
                complaints.insert(format!("{flag} names no provider; there are {}", present.join(", ")));
            }
        }
    }
    complaints
}

/// What more than one provider claims, and who they are.
fn contested<'a>(claims: impl Iterator<Item = (&'a String, &'a Provider)>) -> BTreeMap<&'a String, String> {
    let mut claimants: BTreeMap<&String, Vec<String>> = BTreeMap::new();
    for (claim, provider) in claims {
        claimants.entry(claim).or_default().push(format!("{} ({})", provider.name(), provider.endpoint()));
    }
    claimants.into_iter().filter(|(_, who)| who.len() > 1).map(|(claim, who)| (claim, who.join(", "))).collect()
}
