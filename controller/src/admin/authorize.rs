//! What callers may do: paths open to all, the masters' group, and whatever else the apiserver says.

use std::{sync::Arc, time::Duration};

use k8s_openapi::api::authorization::v1::{NonResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::{Api, Client, api::PostParams};
use tokio::time::Instant;

use super::{
    authenticate::{REVIEW, User},
    remember::Remember,
};
use crate::{config::AuthorizationConfig, kube::explained, metrics::Metrics};

const MASTERS: &str = "system:masters";

/// What is asked of the apiserver.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Question {
    user: User,
    verb: String,
    path: String,
}

/// Says what callers may do.
pub(super) struct Authorizer {
    config: AuthorizationConfig,
    /// Reviews access.
    reviews: Client,
    known: Remember<Question, bool>,
    metrics: Arc<Metrics>,
}

impl Authorizer {
    pub(super) fn new(config: AuthorizationConfig, reviews: Client, metrics: Arc<Metrics>) -> Self {
        Self { config, reviews, known: Remember::new(), metrics }
    }

    /// Whether `user` may do this. A review that fails is a no, and is not remembered.
    pub(super) async fn allows(&self, user: &User, verb: &str, path: &str) -> bool {
        if self.is_open(path) || user.groups.iter().any(|group| group == MASTERS) {
            return true;
        }
        let question = Question { user: user.clone(), verb: verb.to_owned(), path: path.to_owned() };
        if let Some(known) = self.known.get(&question) {
            return known;
        }
        match self.review(&question).await {
            Ok(allowed) => {
                let ttl = if allowed { self.config.allowed_ttl } else { self.config.denied_ttl };
                self.known.put(question, allowed, ttl);
                allowed
            }
            Err(error) => {
                tracing::warn!(error, user = user.name, path, "a caller's access could not be reviewed");
                false
            }
        }
    }

    fn is_open(&self, path: &str) -> bool {
        self.config.always_allow_paths.iter().any(|open| match open.strip_suffix('*') {
            Some(prefix) => path.starts_with(prefix),
            None => path == open,
        })
    }

    async fn review(&self, question: &Question) -> Result<bool, String> {
        let began = Instant::now();
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let review = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: some(&question.user.name),
                uid: some(&question.user.uid),
                groups: Some(question.user.groups.clone()),
                extra: Some(question.user.extra.clone()).filter(|extra| !extra.is_empty()),
                non_resource_attributes: Some(NonResourceAttributes {
                    path: some(&question.path),
                    verb: some(&question.verb),
                }),
                resource_attributes: None,
            },
            ..SubjectAccessReview::default()
        };
        let api: Api<SubjectAccessReview> = Api::all(self.reviews.clone());
        let answer = match tokio::time::timeout(REVIEW, api.create(&PostParams::default(), &review)).await {
            Ok(answer) => answer.map_err(|error| explained(&error)),
            Err(_) => Err(format!("no answer within {} s", Duration::as_secs(&REVIEW))),
        };
        let result = if answer.is_ok() { "ok" } else { "error" };
        self.metrics.app.reviews.with(["access", result]).observe(began.elapsed().as_secs_f64());
        let status = answer?.status.unwrap_or_default();
        Ok(status.allowed && status.denied != Some(true))
    }
}
