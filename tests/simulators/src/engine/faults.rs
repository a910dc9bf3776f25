//! Rules that make calls go wrong.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Listing, clock::earlier};

/// Which calls a rule is about. What is not given matches all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Match {
    /// Name of the service in the journal, such as `ecs`.
    pub service: Option<String>,
    /// The cloud's name of the call; a `*` in it stands for anything.
    pub action: Option<String>,
    /// Method.
    pub method: Option<String>,
    /// Path; a `*` in it stands for anything.
    pub path: Option<String>,
    /// Whether the call is one that changes something.
    pub mutating: Option<bool>,
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", deny_unknown_fields, rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Effect {
    /// Refused in the service's own shape; nothing is executed.
    Refuse {
        /// Status.
        status: u16,
        /// The cloud's code.
        code: String,
        /// For people.
        #[serde(default)]
        message: String,
        /// Seconds of a `Retry-After`.
        #[serde(default)]
        retry_after: Option<u64>,
    },
    /// Executed all the same, and then refused in the service's own shape.
    RefuseAfter {
        /// Status.
        status: u16,
        /// The cloud's code.
        code: String,
    },
    /// Answered with this body as it is, in place of the service; nothing is executed.
    Answer {
        /// Status.
        status: u16,
        /// Body.
        #[serde(default)]
        body: String,
        /// Its type.
        #[serde(default = "html")]
        content_type: String,
    },
    /// Held up before it is executed. Delays of several rules add up.
    Delay {
        /// So long.
        ms: u64,
    },
    /// Never answered, nor executed.
    Hang,
    /// The connection is closed.
    Drop {
        /// The call was executed before: the answer is lost.
        executed: bool,
    },
    /// The connection is reset.
    Reset {
        /// The call was executed before: the answer is lost.
        executed: bool,
    },
    /// Executed; the answer breaks off in the middle of its body.
    CutAnswer,
    /// A listing shows only the first so many.
    ShortList {
        /// How many; 0 is an empty list.
        keep: usize,
    },
    /// A listing shows what was there so long ago.
    StaleList {
        /// How long ago.
        ms: u64,
    },
}

fn html() -> String {
    "text/html".to_owned()
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Rule {
    /// Which calls.
    #[serde(default)]
    pub when: Match,
    /// What happens to them.
    pub effect: Effect,
    /// So many matching calls are let through first.
    #[serde(default)]
    pub skip: u64,
    /// So many calls are hit, then no more. Absent: all.
    #[serde(default)]
    pub times: Option<u64>,
    /// For so long from when it was set, by the cloud's clock. Absent: until it is removed.
    #[serde(default)]
    pub for_ms: Option<u64>,
}

impl Rule {
    /// A rule for all calls, for ever.
    pub fn new(effect: Effect) -> Self {
        Self { when: Match::default(), effect, skip: 0, times: None, for_ms: None }
    }

    /// For calls of a service.
    #[must_use]
    pub fn service(mut self, service: &str) -> Self {
        self.when.service = Some(service.to_owned());
        self
    }

    /// For calls of an action; a `*` stands for anything.
    #[must_use]
    pub fn action(mut self, action: &str) -> Self {
        self.when.action = Some(action.to_owned());
        self
    }

    /// For calls of a path; a `*` stands for anything.
    #[must_use]
    pub fn path(mut self, path: &str) -> Self {
        self.when.path = Some(path.to_owned());
        self
    }

    /// For calls that change something.
    #[must_use]
    pub fn mutating(mut self) -> Self {
        self.when.mutating = Some(true);
        self
    }

    /// After so many calls that match.
    #[must_use]
    pub fn skip(self, skip: u64) -> Self {
        Self { skip, ..self }
    }

    /// At most so often.
    #[must_use]
    pub fn times(self, times: u64) -> Self {
        Self { times: Some(times), ..self }
    }

    /// For so long from when it is set.
    #[must_use]
    pub fn lasting(self, duration: Duration) -> Self {
        Self { for_ms: Some(super::knobs::millis(duration)), ..self }
    }
}

/// A call as rules look at it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) service: &'a str,
    pub(crate) action: &'a str,
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) mutating: bool,
}

impl Match {
    fn meets(&self, subject: Subject<'_>) -> bool {
        let is = |wanted: &Option<String>, value: &str| wanted.as_ref().is_none_or(|wanted| like(wanted, value));
        is(&self.service, subject.service)
            && is(&self.action, subject.action)
            && is(&self.method, subject.method)
            && is(&self.path, subject.path)
            && self.mutating.is_none_or(|wanted| wanted == subject.mutating)
    }
}

/// Whether `text` is `pattern`, in which `*` stands for anything.
fn like(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(text) = text.strip_prefix(start) else { return false };
    (0..=text.len()).filter(|at| text.is_char_boundary(*at)).any(|at| like(rest, &text[at..]))
}

/// What the rules make of one call.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) delay: Duration,
    /// Of the first rule that says more than to wait or how a listing looks.
    pub(crate) effect: Option<Effect>,
    pub(crate) keep: Option<usize>,
    pub(crate) stale: Duration,
}

impl Verdict {
    /// How a listing looks that is `lag` behind anyway.
    pub(crate) fn listing(&self, now: Timestamp, lag: Duration) -> Listing {
        Listing { as_of: earlier(now, lag.max(self.stale)), keep: self.keep }
    }

    fn add(&mut self, effect: &Effect) {
        match effect {
            Effect::Delay { ms } => self.delay += Duration::from_millis(*ms),
            Effect::ShortList { keep } => self.keep = Some(self.keep.map_or(*keep, |other| other.min(*keep))),
            Effect::StaleList { ms } => self.stale = self.stale.max(Duration::from_millis(*ms)),
            other => {
                self.effect.get_or_insert_with(|| other.clone());
            }
        }
    }
}

/// A rule in force, and how often it was met.
#[derive(Clone, Debug, Serialize)]
pub struct RuleInForce {
    /// Its id, to remove it by.
    pub id: u64,
    /// The rule.
    pub rule: Rule,
    /// Calls that matched.
    pub met: u64,
    /// Calls that were hit.
    pub hit: u64,
    /// When it was set.
    #[serde(skip)]
    set: Timestamp,
}

impl RuleInForce {
    fn hits(&mut self, subject: Subject<'_>, now: Timestamp) -> bool {
        let over = self.rule.for_ms.is_some_and(|ms| now > super::clock::later(self.set, Duration::from_millis(ms)));
        if over || !self.rule.when.meets(subject) {
            return false;
        }
        self.met += 1;
        let hit = self.met > self.rule.skip && self.rule.times.is_none_or(|times| self.hit < times);
        self.hit += u64::from(hit);
        hit
    }
}

/// The rules in force.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    rules: Vec<RuleInForce>,
    next: u64,
}

impl Rules {
    pub(crate) fn add(&mut self, rule: Rule, now: Timestamp) -> u64 {
        self.next += 1;
        self.rules.push(RuleInForce { id: self.next, rule, met: 0, hit: 0, set: now });
        self.next
    }

    /// `false`: there is none of that id.
    pub(crate) fn remove(&mut self, id: u64) -> bool {
        let before = self.rules.len();
        self.rules.retain(|rule| rule.id != id);
        self.rules.len() < before
    }

    pub(crate) fn clear(&mut self) {
        self.rules.clear();
    }

    pub(crate) fn all(&self) -> Vec<RuleInForce> {
        self.rules.clone()
    }

    pub(crate) fn judge(&mut self, subject: Subject<'_>, now: Timestamp) -> Verdict {
        let mut verdict = Verdict::default();
        for rule in &mut self.rules {
            if rule.hits(subject, now) {
                verdict.add(&rule.rule.effect);
            }
        }
        verdict
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: Subject<'_> = Subject {
        service: "ecs",
        action: "ListServersDetails",
        method: "GET",
        path: "/v1/p/cloudservers/detail",
        mutating: false,
    };

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, text, expected) in [
            ("List*", "ListServers", true),
            ("*Servers", "ListServers", true),
            ("*", "", true),
            ("a*b*c", "a-b-b-c", true),
            ("List", "ListServers", false),
            ("a*b", "a-c", false),
        ] {
            assert_eq!(like(pattern, text), expected, "{pattern} on {text}");
        }
    }

    #[test]
    fn a_rule_hits_the_calls_it_is_about() {
        #[track_caller]
        fn check(rule: Rule, hit: bool) {
            let shown = format!("{rule:?}");
            let mut rules = Rules::default();
            rules.add(rule, Timestamp::UNIX_EPOCH);
            assert_eq!(rules.judge(LIST, Timestamp::UNIX_EPOCH).effect.is_some(), hit, "{shown}");
        }
        check(Rule::new(Effect::Hang), true);
        check(Rule::new(Effect::Hang).service("ecs").action("List*").path("*/detail"), true);
        check(Rule::new(Effect::Hang).service("vpc"), false);
        check(Rule::new(Effect::Hang).mutating(), false);
        check(Rule::new(Effect::Hang).skip(1), false);
        check(Rule::new(Effect::Hang).times(0), false);
    }

    #[test]
    fn a_rule_can_skip_calls_end_by_count_and_end_by_time() {
        #[track_caller]
        fn check(rule: Rule, expected: &[bool]) {
            let mut rules = Rules::default();
            rules.add(rule, Timestamp::UNIX_EPOCH);
            let hits = |second| rules.judge(LIST, Timestamp::from_second(second).unwrap()).effect.is_some();
            assert_eq!((0..i64::try_from(expected.len()).unwrap()).map(hits).collect::<Vec<_>>(), expected);
        }
        check(Rule::new(Effect::Hang).skip(1).times(2), &[false, true, true, false]);
        check(Rule::new(Effect::Hang).lasting(Duration::from_secs(1)), &[true, true, false]);
    }

    #[test]
    fn rules_add_up() {
        let mut rules = Rules::default();
        for effect in [
            Effect::Delay { ms: 10 },
            Effect::Delay { ms: 5 },
            Effect::Hang,
            Effect::CutAnswer,
            Effect::ShortList { keep: 3 },
            Effect::ShortList { keep: 1 },
        ] {
            rules.add(Rule::new(effect), Timestamp::UNIX_EPOCH);
        }
        let verdict = rules.judge(LIST, Timestamp::UNIX_EPOCH);
        assert_eq!((verdict.delay, verdict.effect), (Duration::from_millis(15), Some(Effect::Hang)));
        assert_eq!(verdict.keep, Some(1));
    }
}
