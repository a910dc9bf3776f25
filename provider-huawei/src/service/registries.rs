//! The image registry (SWR), and credentials for it.
//!
//! A region has one registry. It keeps no users of its own: who logs in does so with what is derived from an access key, or
//! with a credential that ends by itself. So there is nobody to list, replace or revoke, and callers are told what to do
//! instead.

use std::time::SystemTime;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use cloud_provider_api::{
    error::Reason,
    v1::{self, registries_server::Registries},
};
use cloud_rest::Secret;
use http::HeaderMap;
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use provider_kit::{Call, Error, Listing, Result, whole};
use tonic::{Code, Request, Response, Status};

use super::Provider;
use crate::{
    PROVIDER,
    api::swr::{EXPIRES, Logins},
    cloud::Cloud,
    endpoints::Service,
    fault,
};

#[tonic::async_trait]
impl Registries for Provider {
    type ListRegistriesStream = Listing<v1::ListRegistriesResponse>;

    async fn list_registries(
        &self,
        request: Request<v1::ListRegistriesRequest>,
    ) -> Result<Response<Self::ListRegistriesStream>, Status> {
        let call = Call::of(&request)?.clone();
        let account = self.account(&call, &request.into_inner().tenant)?;
        let host = host(&account.cloud);
        let registry = v1::Registry {
            id: host.clone(),
            name: "SWR".to_owned(),
            hosts: vec![host],
            region: account.cloud.region().to_owned(),
        };
        Ok(whole(vec![registry], SystemTime::now()))
    }

    async fn list_registry_users(
        &self,
        request: Request<v1::ListRegistryUsersRequest>,
    ) -> Result<Response<v1::ListRegistryUsersResponse>, Status> {
        let call = Call::of(&request)?.clone();
        let request = request.into_inner();
        self.registry(&call, &request.tenant, &request.registry_id)?;
        let observed_at = Some(SystemTime::now().into());
        Ok(Response::new(v1::ListRegistryUsersResponse { users: Vec::new(), observed_at }))
    }

    async fn replace_registry_user(
        &self,
        request: Request<v1::ReplaceRegistryUserRequest>,
    ) -> Result<Response<v1::ReplaceRegistryUserResponse>, Status> {
        let call = Call::of(&request)?.clone();
        let request = request.into_inner();
        self.registry(&call, &request.tenant, &request.registry_id)?;
        Err(no_users().into())
    }

    async fn revoke_registry_user(
        &self,
        request: Request<v1::RevokeRegistryUserRequest>,
    ) -> Result<Response<v1::RevokeRegistryUserResponse>, Status> {
        let call = Call::of(&request)?.clone();
        let request = request.into_inner();
        self.registry(&call, &request.tenant, &request.registry_id)?;
        Err(no_users().into())
    }

    async fn issue_registry_credential(
        &self,
        request: Request<v1::IssueRegistryCredentialRequest>,
    ) -> Result<Response<v1::IssueRegistryCredentialResponse>, Status> {
        let call = Call::of(&request)?.clone();
        let request = request.into_inner();
        let cloud = self.registry(&call, &request.tenant, &request.registry_id)?;
        let answer = cloud.registry_login().await.map_err(|error| fault::of(&error))?;
        let credential = credential(answer.value, &answer.headers)?;
        Ok(Response::new(v1::IssueRegistryCredentialResponse { credential: Some(credential) }))
    }
}

impl Provider {
    /// The cloud of a registry, working for the caller.
    fn registry(&self, call: &Call, tenant: &str, id: &str) -> Result<Cloud> {
        let account = self.account(call, tenant)?;
        let known = host(&account.cloud);
        if id != known {
            let message = format!("there is no registry {id:?}; this account's is {known:?}");
            return Err(Error::cloud(PROVIDER, Reason::ObjectAbsent, message));
        }
        Ok(account.acting_for(call, id))
    }
}

/// Where images are pulled from: the API's host without its `-api`.
fn host(cloud: &Cloud) -> String {
    let api = cloud.config().endpoints.of(Service::Swr).host_str().unwrap_or_default().to_owned();
    api.strip_prefix("swr-api.").map_or(api.clone(), |rest| format!("swr.{rest}"))
}

fn no_users() -> Error {
    let message = "SWR has no users of its own, so none can be made, replaced or revoked: have credentials issued that end by \
                   themselves, and replace the access key to end the long-term login derived from it";
    Error::cloud(PROVIDER, Reason::Unsupported, message).with_code(Code::FailedPrecondition)
}

/// The login the cloud issued. Several hosts have the same one.
fn credential(logins: Logins, headers: &HeaderMap) -> Result<v1::RegistryCredential> {
    let unreadable = || Error::cloud(PROVIDER, Reason::AnswerUnreadable, "the registry's login cannot be understood");
    let auth = logins.auths.values().next().ok_or_else(unreadable)?.auth.clone();
    let hosts = logins.auths.into_iter().filter(|(_, login)| login.auth == auth).map(|(host, _)| host).collect();
    let plain = STANDARD.decode(auth.expose()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let plain = Secret::new(plain.ok_or_else(unreadable)?);
    let (username, password) = plain.expose().split_once(':').ok_or_else(unreadable)?;
    let expires_at = headers.get(EXPIRES).and_then(|value| value.to_str().ok()).and_then(moment);
    Ok(v1::RegistryCredential {
        hosts,
        username: username.to_owned(),
        password: password.to_owned(),
        expires_at: expires_at.map(|at| SystemTime::from(at).into()),
    })
}

/// A time in one of the forms the cloud uses. What is in none of them is not known.
fn moment(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let seconds = || text.parse().ok().and_then(|seconds: i64| Timestamp::from_second(seconds).ok());
    let civil = || {
        let date: DateTime = DateTime::strptime("%Y-%m-%d %H:%M:%S", text).ok()?;
        date.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
    };
    let mail = || jiff::fmt::rfc2822::parse(text).ok().map(|zoned| zoned.timestamp());
    text.parse().ok().or_else(seconds).or_else(civil).or_else(mail)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn issued(auths: &serde_json::Value, expires: &'static str) -> Result<v1::RegistryCredential> {
        let headers = HeaderMap::from_iter([(EXPIRES.parse().unwrap(), expires.parse().unwrap())]);
        credential(serde_json::from_value(json!({"auths": auths})).unwrap(), &headers)
    }

    #[test]
    fn a_login_is_taken_apart() {
        let auth = STANDARD.encode("ap-southeast-1@AK:pass:word");
        let credential = issued(&json!({"swr.r.example": {"auth": auth}}), "2026-11-20T16:00:00Z").unwrap();
        assert_eq!(credential.hosts, ["swr.r.example"]);
        assert_eq!((credential.username.as_str(), credential.password.as_str()), ("ap-southeast-1@AK", "pass:word"));
        assert_eq!(credential.expires_at.unwrap().seconds, 1_795_190_400);
    }

    #[test]
    fn every_form_of_a_time_is_read() {
        for text in [
            "2026-11-20T16:00:00Z",
            "2026-11-20T16:00:00.000000Z",
            "1795190400",
            "2026-11-20 16:00:00",
            "Fri, 20 Nov 2026 16:00:00 GMT",
        ] {
            assert_eq!(moment(text).map(Timestamp::as_second), Some(1_795_190_400), "{text}");
        }
        assert_eq!(moment("soon"), None);
    }

    #[test]
    fn a_login_that_makes_no_sense_is_an_error_without_its_content() {
        for auths in [json!({}), json!({"h": {"auth": "%"}}), json!({"h": {"auth": STANDARD.encode("marker-secret")}})]
        {
            let error = issued(&auths, "0").unwrap_err();
            assert!(error.reason() == Reason::AnswerUnreadable && !error.to_string().contains("marker"), "{error}");
        }
    }
}
