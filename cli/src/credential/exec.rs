//! The protocol of exec plugins, `client.authentication.k8s.io`.

use std::time::SystemTime;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{Failure, kubeconfig::Issued};

/// The variable in which a client says what it wants.
const EXEC_INFO: &str = "KUBERNETES_EXEC_INFO";
const GROUP: &str = "client.authentication.k8s.io/";

/// The version a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// `v1`.
    V1,
    /// `v1beta1`, of old clients.
    V1Beta1,
}

impl Version {
    fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V1Beta1 => "v1beta1",
        }
    }
}

#[derive(Deserialize)]
struct Info {
    #[serde(rename = "apiVersion")]
    api_version: String,
    kind: String,
}

/// What the client that runs this program wants. `None`: no client does, but a person.
pub fn asked_by_client() -> Result<Option<Version>, Failure> {
    match std::env::var(EXEC_INFO) {
        Ok(info) if !info.trim().is_empty() => version(&info).map(Some),
        _ => Ok(None),
    }
}

fn version(info: &str) -> Result<Version, Failure> {
    let read: Option<Info> = serde_json::from_str(info).ok();
    let version = read.filter(|info| info.kind == "ExecCredential").and_then(|info| {
        [Version::V1, Version::V1Beta1]
            .into_iter()
            .find(|one| info.api_version.strip_prefix(GROUP) == Some(one.as_str()))
    });
    version.ok_or_else(|| {
        let message = format!(
            "{EXEC_INFO} holds no ExecCredential of {GROUP}v1 or {GROUP}v1beta1, so what the client wants is unknown"
        );
        Failure::refused(message)
    })
}

/// A credential as clients take it. Its `Debug` would show keys, so it has none.
#[derive(Clone, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_certificate_data: Option<String>,
    /// PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_key_data: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

impl Status {
    /// Of the user of a kubeconfig.
    pub fn of(issued: &Issued) -> Result<Self, Failure> {
        let text = |key: &str| issued.user.get(key).and_then(Value::as_str);
        let pem = |key: &str| -> Option<String> {
            let bytes = STANDARD.decode(text(key)?).ok()?;
            String::from_utf8(bytes).ok()
        };
        let (certificate, key) = (pem("client-certificate-data"), pem("client-key-data"));
        let status = Self {
            client_certificate_data: certificate,
            client_key_data: key,
            token: text("token").map(str::to_owned),
        };
        let pair = status.client_certificate_data.is_some() && status.client_key_data.is_some();
        if pair || status.token.is_some() {
            return Ok(status);
        }
        Err(Failure::failed(
            "the issued kubeconfig has neither a certificate with its key nor a token, which is all an exec plugin can pass on",
        ))
    }
}

/// What the client is answered.
pub fn answer(version: Version, status: &Status, ends: SystemTime) -> Result<String, Failure> {
    let unwritable = |_| Failure::failed("the credential cannot be written");
    let ends = Timestamp::try_from(ends).map_err(unwritable)?;
    let mut status = serde_json::to_value(status).map_err(|_| Failure::failed("the credential cannot be written"))?;
    status["expirationTimestamp"] = json!(ends.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    let answer =
        json!({ "apiVersion": format!("{GROUP}{}", version.as_str()), "kind": "ExecCredential", "status": status });
    Ok(format!("{answer}\n"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::Map;

    use super::*;

    fn issued(user: &Value) -> Issued {
        let user = user.as_object().cloned().unwrap();
        Issued { cluster: Map::new(), user, expires_at: None, text: String::new() }
    }

    #[test]
    fn the_clients_version_is_answered_in() {
        let info = |version: &str| {
            json!({"apiVersion": version, "kind": "ExecCredential", "spec": {"interactive": false}}).to_string()
        };
        let read = |text: &str| version(&info(text));
        assert_eq!(read("client.authentication.k8s.io/v1"), Ok(Version::V1));
        assert_eq!(read("client.authentication.k8s.io/v1beta1"), Ok(Version::V1Beta1));
        for wrong in ["client.authentication.k8s.io/v2", "v1", ""] {
            assert!(read(wrong).unwrap_err().to_string().contains(EXEC_INFO), "{wrong}");
        }
        version("marker").unwrap_err();
    }

    #[test]
    fn certificates_are_handed_on_as_pem_and_tokens_as_they_are() {
        let certificate =
            json!({"client-certificate-data": STANDARD.encode("CERT"), "client-key-data": STANDARD.encode("KEY")});
        let ends = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        for (user, expected) in [
            (&certificate, json!({"clientCertificateData": "CERT", "clientKeyData": "KEY"})),
            (&json!({"token": "t"}), json!({"token": "t"})),
        ] {
            let status = Status::of(&issued(user)).unwrap();
            let mut read: Value = serde_json::from_str(&answer(Version::V1, &status, ends).unwrap()).unwrap();
            assert_eq!(read["apiVersion"], "client.authentication.k8s.io/v1");
            assert_eq!(read["kind"], "ExecCredential");
            let told = read["status"].as_object_mut().unwrap().remove("expirationTimestamp").unwrap();
            assert_eq!(told, "2027-01-15T08:00:00Z");
            assert_eq!(read["status"], expected);
        }
        for useless in [json!({}), json!({"client-certificate-data": "%", "client-key-data": "%"}), json!({"exec": {}})]
        {
            assert!(Status::of(&issued(&useless)).is_err(), "{useless}");
        }
    }
}
