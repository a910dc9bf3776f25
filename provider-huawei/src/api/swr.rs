//! Credentials of the image registry (SWR v2).

use std::collections::BTreeMap;

use cloud_rest::{Answer, Effect, Error, Secret};
use serde::Deserialize;

use crate::{cloud::Cloud, endpoints::Service};

/// A login for each host: the content of a `.dockerconfigjson`.
#[derive(Deserialize)]
pub(crate) struct Logins {
    pub(crate) auths: BTreeMap<String, Login>,
}

/// `user:password` in base64.
#[derive(Deserialize)]
pub(crate) struct Login {
    pub(crate) auth: Secret,
}

/// The header that says when the login ends.
pub(crate) const EXPIRES: &str = "x-swr-expireat";

impl Cloud {
    /// Has a login issued that ends by itself. The cloud keeps no record of it, so asking again does no harm.
    pub(crate) async fn registry_login(&self) -> Result<Answer<Logins>, Error> {
        let project = self.region().to_owned();
        self.post(Service::Swr, "CreateSecret", &["v2", "manage", "utils", "secret"])
            .query("projectname", project)
            .header("content-type", "application/json")
            .effect(Effect::RepeatableWrite)
            .send()
            .await
    }
}
