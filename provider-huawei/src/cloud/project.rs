//! The project's id, where it is not given.

use std::sync::Arc;

use cloud_rest::{Call, Client, Error, Kind};
use http::Method;
use serde::Deserialize;
use tokio::{
    sync::Mutex,
    time::{Duration, Instant},
};

use crate::{config::Config, endpoints::Service};

/// The cloud's name of the look-up.
const CALL: &str = "KeystoneListProjects";
/// A look-up that failed is not repeated before this.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// Nor is any after a longer time than this.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// The project's id, given or to be looked up.
#[derive(Debug)]
pub(super) struct Project(Mutex<State>);

#[derive(Debug)]
enum State {
    Known(Arc<str>),
    Unknown,
    Failed { error: Box<Error>, until: Instant, wait: Duration },
}

#[derive(Deserialize)]
struct Projects {
    projects: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    id: String,
    #[serde(default)]
    name: String,
    #[serde(default = "yes")]
    enabled: bool,
}

fn yes() -> bool {
    true
}

impl Project {
    pub(super) fn new(given: Option<String>) -> Self {
        Self(Mutex::new(given.map_or(State::Unknown, |id| State::Known(id.into()))))
    }

    /// The id. One look-up at a time, whoever asks; after a failure the same answer for a growing while.
    pub(super) async fn id(&self, client: &Client, config: &Config) -> Result<Arc<str>, Error> {
        let mut state = self.0.lock().await;
        let wait = match &*state {
            State::Known(id) => return Ok(id.clone()),
            State::Unknown => FIRST_WAIT,
            State::Failed { error, until, .. } if Instant::now() < *until => {
                let left = until.saturating_duration_since(Instant::now());
                return Err(Error { retry_after: Some(left), ..(**error).clone() });
            }
            State::Failed { wait, .. } => (*wait * 2).min(LONGEST_WAIT),
        };
        match look_up(client, config).await {
            Ok(id) => {
                tracing::info!(project_id = %id, region = config.region, "project looked up");
                *state = State::Known(id.clone());
                Ok(id)
            }
            Err(error) => {
                let until = Instant::now() + wait.max(error.retry_after.unwrap_or_default());
                *state = State::Failed { error: Box::new(error.clone()), until, wait };
                Err(error)
            }
        }
    }
}

/// Lists the account's projects of the region's name.
pub(super) fn list(config: &Config) -> Call {
    let base = config.endpoints.of(Service::Iam).clone();
    let call = Call::new(CALL, Service::Iam.name(), Method::GET, base, &["v3", "projects"]);
    Call { query: vec![("name".to_owned(), config.region.clone())], ..call }
}

async fn look_up(client: &Client, config: &Config) -> Result<Arc<str>, Error> {
    let region = config.region.as_str();
    let mut found = client.send::<Projects>(list(config)).await?.value.projects;
    // The filter is the cloud's; an id is too much to take on trust.
    found.retain(|project| project.enabled && (project.name.is_empty() || project.name == region));
    match found.as_slice() {
        [only] if !only.id.is_empty() => Ok(only.id.as_str().into()),
        [] => Err(Error::unsent(
            CALL,
            Kind::Invalid,
            format!("the account has no project named `{region}`: check region, or set project-id"),
        )),
        several => {
            let ids: Vec<&str> = several.iter().map(|project| project.id.as_str()).collect();
            let message = format!("several projects are named `{region}`: set project-id to one of {}", ids.join(", "));
            Err(Error::unsent(CALL, Kind::Invalid, message))
        }
    }
}
