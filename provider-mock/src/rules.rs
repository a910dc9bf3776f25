//! Decides what goes wrong with a call: pure bookkeeping, with time as an argument.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tonic::Code;

use crate::{
    cloud::{Time, mix},
    scenario::{Delay, Effect, Failure, Glob, Match, Rule, RuleCount, Throttle, When},
};

/// What a call is about.
#[derive(Clone, Debug, Default)]
pub(crate) struct Subject {
    /// Method of the API, or `cloud.` and the call of the cloud.
    pub(crate) method: String,
    /// Names of the nodes it is about.
    pub(crate) nodes: Vec<String>,
    /// `namespace/name` of the Service it is about; empty if none.
    pub(crate) service: String,
}

/// What happens to a call because of one rule's effect.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Hit {
    /// Name of the rule.
    pub(crate) rule: String,
    /// The items of a batch that are touched. `None`: the whole call.
    pub(crate) nodes: Option<Glob>,
    /// The effect. A throttle has become a failure, a delay is definite.
    pub(crate) effect: Effect,
}

/// The rules in force.
#[derive(Debug, Default)]
pub(crate) struct Rules(Mutex<Vec<Armed>>);

#[derive(Debug)]
struct Armed {
    rule: Rule,
    name: String,
    since: Time,
    seen: u64,
    hit: u64,
    buckets: Vec<Bucket>,
}

/// Tokens of a throttle.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    /// When `tokens` was so. `None`: never used, full.
    at: Option<Time>,
    tokens: f64,
}

impl Rules {
    /// Puts other rules in force; counts begin anew.
    pub(crate) fn set(&self, rules: Vec<Rule>, now: Time) {
        *self.armed() = rules
            .into_iter()
            .enumerate()
            .map(|(index, rule)| Armed {
                name: rule.name.clone().unwrap_or_else(|| format!("#{}", index + 1)),
                since: now,
                seen: 0,
                hit: 0,
                buckets: vec![Bucket::default(); rule.effects.len()],
                rule,
            })
            .collect();
    }

    /// What happens to a call, in the order of the rules.
    pub(crate) fn decide(&self, subject: &Subject, now: Time) -> Vec<Hit> {
        let mut armed = self.armed();
        armed.iter_mut().flat_map(|armed| armed.decide(subject, now)).collect()
    }

    /// How often each rule was looked at and hit.
    pub(crate) fn counts(&self) -> Vec<RuleCount> {
        let count = |armed: &Armed| RuleCount { name: armed.name.clone(), seen: armed.seen, hit: armed.hit };
        self.armed().iter().map(count).collect()
    }

    fn armed(&self) -> MutexGuard<'_, Vec<Armed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Armed {
    fn decide(&mut self, subject: &Subject, now: Time) -> Vec<Hit> {
        if !self.rule.matching.covers(subject) {
            return Vec::new();
        }
        self.seen += 1;
        if !self.rule.when.hits(self.seen, now.since(self.since)) {
            return Vec::new();
        }
        self.hit += 1;
        let (nth, seed) = (self.seen, self.rule.when.seed);
        let nodes = self.rule.matching.node.clone().filter(|_| subject.is_batch());
        let mut hits = Vec::new();
        for (effect, bucket) in self.rule.effects.iter().zip(&mut self.buckets) {
            let effect = match effect {
                Effect::Throttle(throttle) => match bucket.take(*throttle, now) {
                    Ok(()) => continue,
                    Err(wait) => Effect::Fail(throttled(wait)),
                },
                Effect::Delay(delay) => Effect::Delay(definite(*delay, seed, nth)),
                effect => effect.clone(),
            };
            hits.push(Hit { rule: self.name.clone(), nodes: nodes.clone(), effect });
        }
        hits
    }
}

impl Subject {
    /// Whether effects can touch single items of it.
    fn is_batch(&self) -> bool {
        matches!(self.method.as_str(), "BatchGetInstances" | "CreateRoutes" | "DeleteRoutes")
    }
}

impl Match {
    fn covers(&self, subject: &Subject) -> bool {
        self.is_about(&subject.method)
            && self.node.as_ref().is_none_or(|glob| subject.nodes.iter().any(|node| glob.matches(node)))
            && self.service.as_ref().is_none_or(|glob| !subject.service.is_empty() && glob.matches(&subject.service))
    }
}

impl When {
    /// Whether the call that is the `n`th, this long after the rule came into force, is hit.
    fn hits(&self, n: u64, age: Duration) -> bool {
        self.nth.is_none_or(|nth| n == nth)
            && self.first.is_none_or(|first| n <= first)
            && self.from.is_none_or(|from| n >= from)
            && self.every.is_none_or(|every| n.is_multiple_of(every))
            && self.probability.is_none_or(|probability| fraction(self.seed, n) < probability)
            && self.after.is_none_or(|after| age >= after)
            && self.until.is_none_or(|until| age < until)
    }
}

impl Bucket {
    /// Takes a token, or tells how long until there is one.
    fn take(&mut self, throttle: Throttle, now: Time) -> Result<(), Duration> {
        let full = f64::from(throttle.burst);
        let gained = self.at.map_or(full, |at| self.tokens + now.since(at).as_secs_f64() * throttle.rate);
        self.tokens = gained.min(full);
        self.at = Some(now);
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Ok(());
        }
        Err(Duration::from_secs_f64((1.0 - self.tokens) / throttle.rate))
    }
}

fn throttled(wait: Duration) -> Failure {
    Failure {
        code: Code::ResourceExhausted,
        reason: Some("THROTTLED".to_owned()),
        domain: None,
        message: Some("too many calls: a rule of the scenario throttles".to_owned()),
        retry_after: Some(wait),
        quota: None,
        violations: Vec::new(),
        at: crate::scenario::Point::Before,
    }
}

fn definite(delay: Delay, seed: u64, n: u64) -> Delay {
    let fixed = delay.fixed + delay.jitter.mul_f64(fraction(seed.wrapping_add(1), n));
    Delay { fixed, jitter: Duration::ZERO }
}

/// A number from 0 up to but not 1 that depends on its arguments alone.
fn fraction(seed: u64, n: u64) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "the 53 bits kept fit exactly")]
    let numerator = (mix(seed ^ n.wrapping_mul(0x9e37_79b9_7f4a_7c15)) >> 11) as f64;
    #[allow(clippy::cast_precision_loss, reason = "a power of two is exact")]
    let denominator = (1_u64 << 53) as f64;
    numerator / denominator
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Point, parse_rules};

    fn call(method: &str) -> Subject {
        Subject { method: method.to_owned(), ..Subject::default() }
    }

    /// Which of the first ten calls are hit.
    fn hit_calls(when: &str) -> Vec<u64> {
        let rules = Rules::default();
        rules.set(parse_rules(&format!("[{{when: {when}, effects: [hang]}}]")).unwrap(), Time(0));
        (1..=10).filter(|_| !rules.decide(&call("GetLoadBalancer"), Time(0)).is_empty()).collect::<Vec<_>>()
    }

    #[test]
    fn a_rule_hits_the_calls_it_names() {
        let check = |when: &str, want: &[u64]| {
            let rules = Rules::default();
            rules.set(parse_rules(&format!("[{{when: {when}, effects: [hang]}}]")).unwrap(), Time(0));
            let hit: Vec<u64> =
                (1..=6).filter(|_| !rules.decide(&call("GetLoadBalancer"), Time(0)).is_empty()).collect();
            assert_eq!(hit, want, "{when}");
        };
        check("{}", &[1, 2, 3, 4, 5, 6]);
        check("{nth: 2}", &[2]);
        check("{first: 2}", &[1, 2]);
        check("{from: 5}", &[5, 6]);
        check("{every: 3}", &[3, 6]);
        check("{from: 3, every: 2}", &[4, 6]);
        check("{probability: 0}", &[]);
        check("{probability: 1}", &[1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn probability_hits_about_its_share_and_the_same_calls_for_the_same_seed() {
        let share = |seed: u64| (1..=1000).filter(|n| fraction(seed, *n) < 0.2).collect::<Vec<_>>();
        assert!((150..250).contains(&share(1).len()), "{} of 1000", share(1).len());
        assert_eq!(share(1), share(1));
        assert_ne!(share(1), share(2));
        assert_eq!(hit_calls("{probability: 0.5, seed: 4}"), hit_calls("{probability: 0.5, seed: 4}"));
    }

    #[test]
    fn a_rule_has_its_time() {
        let rules = Rules::default();
        rules.set(parse_rules("[{when: {after: 1s, until: 3s}, effects: [hang]}]").unwrap(), Time(10_000));
        let hit = |at: u64| !rules.decide(&call("GetLoadBalancer"), Time(at)).is_empty();
        assert_eq!([10_500, 11_000, 12_999, 13_000].map(hit), [false, true, true, false]);
        assert_eq!(rules.counts(), [RuleCount { name: "#1".to_owned(), seen: 4, hit: 2 }]);
    }

    #[test]
    fn a_rule_is_about_what_it_matches() {
        let check = |matching: &str, subject: &Subject, want: bool| {
            let rules = Rules::default();
            rules.set(parse_rules(&format!("[{{match: {matching}, effects: [hang]}}]")).unwrap(), Time(0));
            assert_eq!(!rules.decide(subject, Time(0)).is_empty(), want, "{matching} on {subject:?}");
        };
        let ensure = Subject { service: "default/web".to_owned(), ..call("EnsureLoadBalancer") };
        check("{method: EnsureLoadBalancer}", &ensure, true);
        check("{method: [GetLoadBalancer, Ensure*]}", &ensure, true);
        check("{method: GetLoadBalancer}", &ensure, false);
        check("{service: default/*}", &ensure, true);
        check("{service: other/*}", &ensure, false);
        check("{service: '*'}", &call("Handshake"), false);
        let batch = Subject { nodes: vec!["a".to_owned(), "b".to_owned()], ..call("BatchGetInstances") };
        check("{node: b}", &batch, true);
        check("{node: c}", &batch, false);
        // "*" alone means the API: a rule that hits everything should not hit the cloud behind it as well.
        check("{}", &call("cloud.CreateListener"), false);
        check("{method: cloud.*}", &call("cloud.CreateListener"), true);
    }

    #[test]
    fn a_throttle_lets_its_rate_through_and_says_how_long_to_wait() {
        let rules = Rules::default();
        rules.set(parse_rules("[{effects: [{throttle: {rate: 10, burst: 2}}]}]").unwrap(), Time(0));
        let wait = |at: u64| {
            let hits = rules.decide(&call("GetLoadBalancer"), Time(at));
            hits.first().map(|hit| match &hit.effect {
                Effect::Fail(failure) => (failure.code, failure.retry_after.unwrap()),
                other => panic!("{other:?}"),
            })
        };
        assert_eq!(wait(0), None);
        assert_eq!(wait(0), None);
        assert_eq!(wait(0), Some((Code::ResourceExhausted, Duration::from_millis(100))));
        assert_eq!(wait(100), None);
        assert_eq!(wait(150), Some((Code::ResourceExhausted, Duration::from_millis(50))));
        assert_eq!((wait(10_000), wait(10_000), wait(10_000).is_some()), (None, None, true), "a rest fills the bucket");
    }

    #[test]
    fn jitter_adds_at_most_itself() {
        let delay = Delay { fixed: Duration::from_millis(100), jitter: Duration::from_millis(50) };
        let all: Vec<_> = (1..100).map(|n| definite(delay, 7, n).fixed).collect();
        assert!(all.iter().all(|fixed| (100..150).contains(&fixed.as_millis())), "{all:?}");
        assert!(all.windows(2).any(|pair| pair[0] != pair[1]), "no jitter at all");
    }

    #[test]
    fn effects_of_a_rule_about_a_node_touch_that_node_of_a_batch() {
        let rules = Rules::default();
        rules.set(parse_rules("[{match: {node: b}, effects: [{fail: {code: UNAVAILABLE}}]}]").unwrap(), Time(0));
        let batch = Subject { nodes: vec!["a".to_owned(), "b".to_owned()], ..call("BatchGetInstances") };
        let hits = rules.decide(&batch, Time(0));
        assert_eq!(hits[0].nodes, Some(Glob::from("b")));
        assert!(matches!(&hits[0].effect, Effect::Fail(failure) if failure.at == Point::Before));
    }
}
