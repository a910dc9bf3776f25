//! Who calls: the front proxy's word, a client certificate, a token the apiserver knows, or nobody in particular.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use http::{HeaderMap, header};
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, UserInfo};
use kube::{Api, Client, api::PostParams};
use rustls::pki_types::CertificateDer;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::{
    remember::Remember,
    text::percent_decoded,
    trust::{Proxy, Trust},
};
use crate::{config::RequestHeaderConfig, kube::explained, metrics::Metrics};

/// Longest wait for a review.
pub(super) const REVIEW: Duration = Duration::from_secs(10);
const ANONYMOUS: &str = "system:anonymous";
const UNAUTHENTICATED: &str = "system:unauthenticated";
const AUTHENTICATED: &str = "system:authenticated";

/// A caller.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct User {
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) groups: Vec<String>,
    pub(super) extra: BTreeMap<String, Vec<String>>,
}

impl User {
    fn anonymous() -> Self {
        Self { name: ANONYMOUS.to_owned(), groups: vec![UNAUTHENTICATED.to_owned()], ..Self::default() }
    }

    fn authenticated(mut self) -> Self {
        if self.name != ANONYMOUS && !self.groups.iter().any(|group| group == AUTHENTICATED) {
            self.groups.push(AUTHENTICATED.to_owned());
        }
        self
    }
}

/// The caller showed something that does not hold.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unauthorized;

/// Finds out who calls.
pub(super) struct Authenticator {
    trust: Arc<Trust>,
    /// Reviews tokens.
    reviews: Client,
    /// Tokens by their hash, so that none lies about in memory.
    known: Remember<[u8; 32], Option<User>>,
    ttl: Duration,
    metrics: Arc<Metrics>,
}

impl Authenticator {
    pub(super) fn new(trust: Arc<Trust>, reviews: Client, ttl: Duration, metrics: Arc<Metrics>) -> Self {
        Self { trust, reviews, known: Remember::new(), ttl, metrics }
    }

    /// Who calls, by what the connection and the request show. What does not hold is not passed over for the next.
    pub(super) async fn user(&self, chain: &[CertificateDer<'_>], headers: &HeaderMap) -> Result<User, Unauthorized> {
        let trusted = self.trust.now();
        if let Some(user) = trusted.proxy.as_ref().and_then(|proxy| user_of_proxy(proxy, chain, headers)) {
            return Ok(user.authenticated());
        }
        if let Some(authority) = &trusted.clients
            && authority.vouches_for(chain)
            && let Some(user) = chain.first().and_then(|own| user_of_certificate(own))
        {
            return Ok(user.authenticated());
        }
        match bearer(headers) {
            Some(token) => self.user_of_token(token).await.map(User::authenticated).ok_or(Unauthorized),
            None => Ok(User::anonymous()),
        }
    }

    async fn user_of_token(&self, token: &str) -> Option<User> {
        let hash: [u8; 32] = Sha256::digest(token).into();
        if let Some(known) = self.known.get(&hash) {
            return known;
        }
        let began = Instant::now();
        let review = TokenReview {
            spec: TokenReviewSpec { token: token.to_owned(), audiences: None },
            ..TokenReview::default()
        };
        let api: Api<TokenReview> = Api::all(self.reviews.clone());
        let params = PostParams::default();
        let reviewed = tokio::time::timeout(REVIEW, api.create(&params, &review)).await;
        let observe = |result| {
            self.metrics.app.reviews.with(["token", result]).observe(began.elapsed().as_secs_f64());
        };
        match reviewed {
            Ok(Ok(review)) => {
                observe("ok");
                let status = review.status.unwrap_or_default();
                let user = status.user.filter(|_| status.authenticated == Some(true)).map(user_of_review);
                self.known.put(hash, user.clone(), self.ttl);
                user
            }
            Ok(Err(error)) => {
                observe("error");
                tracing::warn!(error = explained(&error), "a caller's token could not be reviewed");
                None
            }
            Err(_) => {
                observe("timeout");
                tracing::warn!("a caller's token was not reviewed in time");
                None
            }
        }
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    Some(token.trim()).filter(|token| scheme.eq_ignore_ascii_case("bearer") && !token.is_empty())
}

fn user_of_review(user: UserInfo) -> User {
    User {
        name: user.username.unwrap_or_default(),
        uid: user.uid.unwrap_or_default(),
        groups: user.groups.unwrap_or_default(),
        extra: user.extra.unwrap_or_default(),
    }
}

/// The user that a certificate names: its common name, with its organisations as groups.
fn user_of_certificate(der: &CertificateDer<'_>) -> Option<User> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let name = common_name(&certificate)?;
    let groups = certificate.subject().iter_organization().filter_map(|group| group.as_str().ok());
    Some(User { name, groups: groups.map(str::to_owned).collect(), ..User::default() })
}

fn common_name(certificate: &X509Certificate<'_>) -> Option<String> {
    let name = certificate.subject().iter_common_name().next()?.as_str().ok()?;
    Some(name.to_owned()).filter(|name| !name.is_empty())
}

/// The user in the headers of a front proxy, if it is the front proxy that calls.
fn user_of_proxy(proxy: &Proxy, chain: &[CertificateDer<'_>], headers: &HeaderMap) -> Option<User> {
    let names = &proxy.names;
    let name = first(headers, &names.username_headers)?;
    if !proxy.authority.vouches_for(chain) || !is_allowed(names, chain) {
        return None;
    }
    let groups = names.group_headers.iter().flat_map(|group| headers.get_all(group.as_str()));
    Some(User {
        name,
        uid: first(headers, &names.uid_headers).unwrap_or_default(),
        groups: groups.filter_map(|value| value.to_str().ok()).map(str::to_owned).collect(),
        extra: extra(headers, &names.extra_prefixes),
    })
}

fn is_allowed(names: &RequestHeaderConfig, chain: &[CertificateDer<'_>]) -> bool {
    let own = chain.first().and_then(|own| X509Certificate::from_der(own).ok());
    names.allowed_names.is_empty()
        || own.and_then(|(_, own)| common_name(&own)).is_some_and(|name| names.allowed_names.contains(&name))
}

fn first(headers: &HeaderMap, names: &[String]) -> Option<String> {
    let values = names.iter().filter_map(|name| headers.get(name.as_str())?.to_str().ok());
    values.map(str::to_owned).find(|value| !value.is_empty())
}

/// Header names arrive in lower case; what follows a prefix is a percent-encoded key.
fn extra(headers: &HeaderMap, prefixes: &[String]) -> BTreeMap<String, Vec<String>> {
    let mut extra: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in headers {
        let key = prefixes.iter().find_map(|prefix| name.as_str().strip_prefix(&*prefix.to_ascii_lowercase()));
        if let (Some(key), Ok(value)) = (key, value.to_str()) {
            extra.entry(percent_decoded(key)).or_default().push(value.to_owned());
        }
    }
    extra
}
