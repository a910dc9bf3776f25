//! The standard health service: a daemon that says it does not serve is away, although it is connected.

use std::{convert::Infallible, future::pending, sync::Arc, time::Duration};

use controller_core::fault::Code;
use tokio::time::sleep;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

use super::{
    Inner,
    exchange::{Kind, Method},
    session::Session,
};

/// Before a stream that ended is opened again.
const AGAIN: Duration = Duration::from_secs(5);

const WATCH: Method = Method { name: "Watch", kind: Kind::Stream, needs: None };

/// Follows the daemon's health.
pub(super) async fn watch(provider: &Inner, session: &Arc<Session>) -> Infallible {
    loop {
        // The empty name is the daemon as a whole.
        let request = HealthCheckRequest { service: String::new() };
        let asking = provider.asking(&session.info.name);
        let opened = asking.ask(&session.link, WATCH, request, |link, request| async move {
            HealthClient::with_origin(link.clone(), link.origin()).watch(request).await
        });
        match opened.await {
            Ok(stream) => {
                let mut stream = stream.into_inner();
                while let Ok(Some(health)) = stream.message().await {
                    heed(provider, session, health.status());
                }
            }
            // It has no such service. Then it serves as long as it answers.
            Err(failure) if matches!(failure.fault.code, Code::Unimplemented | Code::NotFound) => {
                pending::<()>().await;
            }
            Err(failure) => {
                tracing::debug!(provider = session.info.name, fault = %failure.fault, "health not known");
            }
        }
        sleep(AGAIN).await;
    }
}

fn heed(provider: &Inner, session: &Arc<Session>, health: ServingStatus) {
    match health {
        ServingStatus::Serving => provider.publish_ready(session),
        ServingStatus::NotServing => {
            provider.publish_away(&provider.lost("the daemon says that it does not serve"));
        }
        // Nothing is said about the daemon as a whole.
        ServingStatus::Unknown | ServingStatus::ServiceUnknown => {}
    }
}
