//! The record of a change, a Secret in the cluster: which user takes whose place, its login, and how far it came.
//!
//! It is written before the new user is made. So a password is never changed under a secret that uses it: what was made is found here.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use cloud_rest::Secret;
use k8s_openapi::{ByteString, api::core::v1::Secret as KubeSecret, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::api::{DeleteParams, Patch, PatchParams};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::{
    Failure, Login,
    names::{CPCTL, MANAGED_BY, RECORD_TYPE},
    pull_secrets::{Cluster, post},
};

/// A change under way. Times are Unix seconds.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Record {
    /// The registry's id.
    pub(crate) registry: String,
    /// The wanted name.
    pub(crate) wanted: String,
    /// The id of the user that is replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) replaces: Option<String>,
    /// The name of that user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) old_username: Option<String>,
    /// The id of the new user, once it is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) user_id: Option<String>,
    /// When the last secret was rewritten and nothing was left to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rewritten_at: Option<u64>,
    /// The login, once there is one.
    #[serde(skip)]
    pub(crate) login: Option<Login>,
}

impl Record {
    /// When the old user may be revoked. `None`: something is left to do before.
    pub(crate) fn grace_ends(&self, grace: Duration) -> Option<SystemTime> {
        Some(SystemTime::UNIX_EPOCH + Duration::from_secs(self.rewritten_at?) + grace)
    }
}

/// Where the record of a change is.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    namespace: String,
    name: String,
}

impl Place {
    /// Of the change to a name in a registry.
    pub(crate) fn of(namespace: &str, registry: &str, wanted: &str) -> Self {
        let mut hash = Sha256::new();
        for part in [registry, wanted] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        let name = format!("cpctl-registry-user-{}", hex::encode(&hash.finalize()[..5]));
        Self { namespace: namespace.to_owned(), name }
    }

    /// For people.
    pub(crate) fn describe(&self) -> String {
        format!("secret {}/{}", self.namespace, self.name)
    }

    fn fault(&self, doing: &str, error: &kube::Error) -> Failure {
        Failure::of_cluster(&format!("{doing} the record of the change, {}", self.describe()), error)
    }

    /// The record, if a change is under way.
    pub(crate) async fn read(&self, cluster: &Cluster) -> Result<Option<Record>, Failure> {
        let found = cluster.secrets(&self.namespace).get_opt(&self.name).await;
        let Some(secret) = found.map_err(|error| self.fault("reading", &error))? else { return Ok(None) };
        if secret.type_.as_deref() != Some(RECORD_TYPE) {
            return Err(Failure::refused(format!(
                "{} is not of cpctl's: choose another --state-namespace",
                self.describe()
            )));
        }
        let mut data = secret.data.unwrap_or_default();
        let mut text = |key: &str| data.remove(key).and_then(|ByteString(bytes)| String::from_utf8(bytes).ok());
        let record = text("change").and_then(|change| serde_json::from_str::<Record>(&change).ok());
        let unreadable = || {
            let message = format!(
                "{} cannot be read: it was made by another release of cpctl, or changed. Delete it once no change is under way",
                self.describe()
            );
            Failure::refused(message)
        };
        let mut record = record.ok_or_else(unreadable)?;
        record.login = text("username")
            .zip(text("password").map(Secret::new))
            .map(|(username, password)| Login { username, password });
        Ok(Some(record))
    }

    /// Begins it. Fails if somebody else just did.
    pub(crate) async fn begin(&self, cluster: &Cluster, record: &Record) -> Result<(), Failure> {
        let secret = KubeSecret {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                labels: Some(BTreeMap::from([(MANAGED_BY.to_owned(), CPCTL.to_owned())])),
                ..ObjectMeta::default()
            },
            type_: Some(RECORD_TYPE.to_owned()),
            data: Some(data(record)),
            ..KubeSecret::default()
        };
        let made = cluster.secrets(&self.namespace).create(&post(), &secret).await;
        made.map(drop).map_err(|error| self.fault("making", &error))
    }

    /// Notes how far it came.
    pub(crate) async fn write(&self, cluster: &Cluster, record: &Record) -> Result<(), Failure> {
        let parameters = PatchParams { field_manager: Some(CPCTL.to_owned()), ..PatchParams::default() };
        let patch = Patch::Merge(json!({ "data": data(record) }));
        let written = cluster.secrets(&self.namespace).patch(&self.name, &parameters, &patch).await;
        written.map(drop).map_err(|error| self.fault("writing", &error))
    }

    /// Ends it, and the copy of the login with it.
    pub(crate) async fn end(&self, cluster: &Cluster) -> Result<(), Failure> {
        match cluster.secrets(&self.namespace).delete(&self.name, &DeleteParams::default()).await {
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
            outcome => outcome.map(drop).map_err(|error| self.fault("removing", &error)),
        }
    }
}

fn data(record: &Record) -> BTreeMap<String, ByteString> {
    let change = serde_json::to_vec(record).unwrap_or_default();
    let mut data = BTreeMap::from([("change".to_owned(), ByteString(change))]);
    if let Some(login) = &record.login {
        data.insert("username".to_owned(), ByteString(login.username.clone().into_bytes()));
        data.insert("password".to_owned(), ByteString(login.password.expose().as_bytes().to_vec()));
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_has_a_record_of_its_own() {
        let name = |registry: &str, wanted: &str| Place::of("n", registry, wanted).name;
        assert_eq!(name("r", "new"), name("r", "new"));
        for (registry, wanted) in [("r", "newer"), ("rn", "ew"), ("r2", "new")] {
            assert_ne!(name("r", "new"), name(registry, wanted));
        }
        assert!(name("r", "new").len() < 63);
    }

    #[test]
    fn the_grace_counts_from_the_last_write_and_not_before() {
        let record = |rewritten_at| Record {
            registry: "r".to_owned(),
            wanted: "new".to_owned(),
            replaces: None,
            old_username: None,
            user_id: None,
            rewritten_at,
            login: None,
        };
        let hour = Duration::from_hours(1);
        assert_eq!(record(None).grace_ends(hour), None);
        assert_eq!(record(Some(100)).grace_ends(hour), Some(SystemTime::UNIX_EPOCH + Duration::from_secs(3_700)));
        let text = serde_json::to_string(&record(Some(1))).unwrap();
        assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record(Some(1)));
    }
}
