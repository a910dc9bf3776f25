//! Pods as members of load balancers: `EndpointSlices` are followed when a provider asks for them, and not before. They are many,
//! and change with every pod.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use controller_core::{provider::Capability, view::EndpointSlice};
use kube::{Api, Client};
use tokio_util::sync::CancellationToken;

use super::ok_unless;
use crate::{
    admin::{Health, Scope},
    kube::cache::Cache,
    provider::Providers,
};

/// Slices that are some Service's. A Service without an address of its own has no load balancer.
const SELECTOR: &str = "kubernetes.io/service-name,!service.kubernetes.io/headless";

/// A cache of `EndpointSlices` that begins to fill when some provider sends to pods, until `end`.
pub(super) fn follow(
    client: &Client,
    providers: &Providers,
    health: &Health,
    end: &CancellationToken,
) -> Cache<EndpointSlice> {
    let cache = Cache::new();
    let asked = Arc::new(AtomicBool::new(false));
    let (slices, wanted) = (cache.clone(), Arc::clone(&asked));
    health.add("endpointslices", Scope::Ready, move || {
        ok_unless(
            wanted.load(Ordering::Relaxed) && !slices.is_synced(),
            "a provider sends to pods, and EndpointSlices are not listed yet",
        )
    });
    let (slices, providers, api, end) = (cache.clone(), providers.clone(), Api::all(client.clone()), end.clone());
    tokio::spawn(async move {
        if end.run_until_cancelled(providers.until_one_can(Capability::PodEndpoints)).await.is_some() {
            tracing::info!("following EndpointSlices: a provider sends to pods");
            asked.store(true, Ordering::Relaxed);
            slices.follow_some(api, SELECTOR, end).await;
        }
    });
    cache
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        kube::scripted::ScriptedApi,
        provider::testing::{Daemon, Facade, handshake, settings},
    };

    async fn daemon(capabilities: Vec<i32>) -> (Daemon, Facade) {
        let daemon = Daemon::new();
        daemon.on_handshake(move |_| {
            let answer =
                cloud_provider_api::v1::HandshakeResponse { capabilities: capabilities.clone(), ..handshake("test") };
            async { Ok(answer) }
        });
        let facade = Facade::start(vec![daemon.remote()], &settings());
        facade.provider().until_ready().await;
        (daemon, facade)
    }

    #[tokio::test(start_paused = true)]
    async fn slices_are_not_followed_before_a_provider_asks_for_them() {
        let (client, mut api) = ScriptedApi::new();
        let (daemon, facade) = daemon(vec![1, 3]).await;
        let cache = follow(&client, &facade.providers, &Health::default(), &facade.stop);
        tokio::time::sleep(std::time::Duration::from_secs(600)).await;
        assert!(api.try_next().is_none(), "nobody sends to pods");

        daemon.on_handshake(|_| async { Ok(handshake("test")) });
        daemon.restart("e2");
        let call = api.next().await;
        assert_eq!(call.path, "/apis/discovery.k8s.io/v1/endpointslices");
        assert!(call.query.contains("labelSelector=kubernetes.io%2Fservice-name"), "{}", call.query);
        let list = json!({"kind": "EndpointSliceList", "apiVersion": "discovery.k8s.io/v1",
            "metadata": {"resourceVersion": "1"}, "items": []});
        call.answer(200, &list);
        cache.wait_synced().await;
    }
}
