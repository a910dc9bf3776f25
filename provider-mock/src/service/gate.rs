//! What every call passes: counting, the rules, and the way a failure is put on the wire.

use std::{future::Future, time::Duration};

use cloud_provider_api::error::Reason;
use provider_kit::Connection;
use tonic::{Extensions, Request, Status};

use super::{
    Refusal, Who,
    bend::{Answer, Bending},
    capability_of,
};
use crate::{
    MockProvider,
    cloud::{Cloud, Operation},
    provider::capabilities,
    rules::{Hit, Subject},
    scenario::{Effect, LoseAnswer, LoseBy, Point},
};

/// How long the daemon waits for its cloud.
const CLOUD_TIMEOUT: Duration = Duration::from_secs(30);

/// A call under way.
pub(crate) struct Call {
    method: &'static str,
    subject: Subject,
    /// The caller wants nothing cached.
    pub(crate) fresh: bool,
    extensions: Extensions,
}

impl Call {
    /// A call of a method, about no node or Service so far.
    pub(crate) fn of<T>(method: &'static str, request: Request<T>) -> (Self, T) {
        let (_, extensions, message) = request.into_parts();
        let subject = Subject { method: method.to_owned(), ..Subject::default() };
        (Self { method, subject, fresh: false, extensions }, message)
    }

    /// Who makes it.
    pub(crate) fn who(&self) -> Who {
        Who(self.extensions.get::<provider_kit::Call>().map(|call| call.caller.clone()))
    }

    /// It is about these nodes.
    pub(crate) fn about_nodes(mut self, nodes: impl Iterator<Item = String>) -> Self {
        self.subject.nodes = nodes.collect();
        self
    }

    /// It is about this Service.
    pub(crate) fn about_service(mut self, namespace: &str, name: &str) -> Self {
        self.subject.service = format!("{namespace}/{name}");
        self
    }
}

impl MockProvider {
    /// Answers a call: what rules want before the work, the work, what rules want after it.
    pub(crate) async fn answer<A: Answer>(
        &self,
        call: Call,
        work: impl Future<Output = Result<A, Refusal>>,
    ) -> Result<A, Status> {
        let counted = self.counters().begin(call.method);
        let scenario = self.cloud().scenario();
        let result = async {
            if let Some(needed) = capability_of(call.method)
                && !capabilities(&scenario).contains(&needed)
            {
                let message = format!("{} needs {}, which is not announced", call.method, needed.as_str_name());
                return Err(Refusal::new(Reason::CapabilityAbsent, message));
            }
            pause(scenario.latency).await;
            let hits = self.rules().decide(&call.subject, self.cloud().now());
            for hit in &hits {
                self.before(hit, Some(&call)).await?;
            }
            let mut answer = work.await?;
            for hit in &hits {
                self.after_answer(hit, &call, &mut answer)?;
            }
            Ok(answer)
        }
        .await;
        let result = result.map_err(|refusal| refusal.into_status(&scenario.provider.name));
        counted.end(result.as_ref().err().map_or(tonic::Code::Ok, Status::code));
        result
    }

    /// Makes a call of the cloud's API, as a daemon would over HTTPS: rules about `cloud.…` hit here.
    pub(crate) async fn cloud_call<T>(
        &self,
        operation: Operation,
        service: &str,
        act: impl FnOnce(&Cloud) -> T,
    ) -> Result<T, Refusal> {
        let subject =
            Subject { method: format!("cloud.{operation}"), service: service.to_owned(), ..Subject::default() };
        let hits = self.rules().decide(&subject, self.cloud().now());
        for hit in &hits {
            self.before(hit, None).await?;
        }
        let answer = act(self.cloud());
        for hit in &hits {
            self.after(hit, None)?;
        }
        Ok(answer)
    }

    async fn before(&self, hit: &Hit, call: Option<&Call>) -> Result<(), Refusal> {
        match &hit.effect {
            Effect::Delay(delay) => pause(delay.fixed).await,
            Effect::Hang if call.is_some() => std::future::pending().await,
            Effect::Hang => {
                pause(CLOUD_TIMEOUT).await;
                return Err(Refusal::new(Reason::TimedOut, "the cloud did not answer in time"));
            }
            Effect::NewEpoch => self.renew_epoch(),
            Effect::Fail(failure) if failure.at == Point::Before && hit.nodes.is_none() => {
                return Err(Refusal::told(failure, &hit.rule));
            }
            Effect::LoseAnswer(lose) if Point::from(lose.at) == Point::Before => return Err(lost(*lose, call)),
            Effect::Crash(Point::Before) => self.die().await,
            _ => {}
        }
        Ok(())
    }

    fn after_answer<A: Answer>(&self, hit: &Hit, call: &Call, answer: &mut A) -> Result<(), Refusal> {
        match (&hit.effect, &hit.nodes) {
            (Effect::Lie(lie), nodes) => {
                let now = self.cloud().now();
                answer.bend(lie, &Bending { nodes: nodes.as_ref(), now, fresh: call.fresh, stale: self.stale() });
            }
            (Effect::Fail(failure), Some(nodes)) => {
                let provider = &self.cloud().scenario().provider.name;
                answer.fail_items(nodes, &Refusal::told(failure, &hit.rule).into_item(provider));
            }
            _ => self.after(hit, Some(call))?,
        }
        Ok(())
    }

    fn after(&self, hit: &Hit, call: Option<&Call>) -> Result<(), Refusal> {
        match &hit.effect {
            Effect::Fail(failure) if failure.at == Point::After => Err(Refusal::told(failure, &hit.rule)),
            Effect::LoseAnswer(lose) if Point::from(lose.at) == Point::After => Err(lost(*lose, call)),
            Effect::Crash(Point::After) => {
                self.crash();
                Err(Refusal::Lost)
            }
            _ => Ok(()),
        }
    }

    async fn die(&self) {
        self.crash();
        // In a test the process goes on, but whoever crashed answers nothing.
        std::future::pending::<()>().await;
    }
}

fn lost(lose: LoseAnswer, call: Option<&Call>) -> Refusal {
    if lose.by == LoseBy::Drop
        && let Some(connection) = call.and_then(|call| call.extensions.get::<Connection>())
    {
        connection.cut();
    }
    Refusal::Lost
}

/// Waits, if there is anything to wait for.
pub(super) async fn pause(duration: Duration) {
    if !duration.is_zero() {
        tokio::time::sleep(duration).await;
    }
}
