//! `/healthz`, `/livez` and `/readyz`: named checks, shown as the apiserver's libraries show them.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    sync::{Arc, PoisonError, RwLock},
};

/// What a failing check says about the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// It should be restarted: part of `/healthz`, `/livez` and `/readyz`.
    Live,
    /// It cannot do its work now: part of `/readyz` only.
    Ready,
}

type Run = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

#[derive(Clone)]
struct Check {
    name: String,
    scope: Scope,
    run: Run,
}

/// All checks. Clones share them.
#[derive(Clone, Default)]
pub struct Health(Arc<RwLock<Vec<Check>>>);

impl std::fmt::Debug for Health {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Health")
    }
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Probe {
    /// `healthz`, `livez` or `readyz`: shown in the answer.
    pub(super) name: &'static str,
    /// Whether [`Scope::Ready`] counts.
    pub(super) ready: bool,
}

impl Probe {
    pub(super) const ALL: [Self; 3] = [
        Self { name: "healthz", ready: false },
        Self { name: "livez", ready: false },
        Self { name: "readyz", ready: true },
    ];
}

/// The answer to a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) healthy: bool,
    pub(super) text: String,
}

impl Health {
    /// Adds a check; it counts from the next probe on. The reason it fails with goes to the log, not to the caller.
    pub fn add(
        &self,
        name: impl Into<String>,
        scope: Scope,
        run: impl Fn() -> Result<(), String> + Send + Sync + 'static,
    ) {
        let check = Check { name: name.into(), scope, run: Arc::new(run) };
        self.0.write().unwrap_or_else(PoisonError::into_inner).push(check);
    }

    /// Whether nothing calls for a restart.
    #[cfg(test)]
    pub(crate) fn is_live(&self) -> bool {
        self.verdict(Probe::ALL[1], false, &[]).healthy
    }

    /// Runs the checks of `probe`, those `excluded` by name aside. `ping`, which always is well, stands in for none at all.
    pub(super) fn verdict(&self, probe: Probe, verbose: bool, excluded: &[String]) -> Verdict {
        let mut excluded: BTreeSet<&str> = excluded.iter().map(String::as_str).collect();
        let mut text = String::new();
        let mut failed = Vec::new();
        for (name, outcome) in self.outcomes(probe) {
            let _ = if excluded.remove(name.as_str()) {
                writeln!(text, "[+]{name} excluded: ok")
            } else if let Err(reason) = outcome {
                failed.push((name.clone(), reason));
                writeln!(text, "[-]{name} failed: reason withheld")
            } else {
                writeln!(text, "[+]{name} ok")
            };
        }
        if !excluded.is_empty() {
            let names: Vec<_> = excluded.iter().map(|name| format!("{name:?}")).collect();
            let _ = writeln!(text, "warn: some health checks cannot be excluded: no matches for {}", names.join(","));
        }
        if !failed.is_empty() {
            tracing::warn!(probe = probe.name, ?failed, "probe failed");
            let _ = writeln!(text, "{} check failed", probe.name);
            return Verdict { healthy: false, text };
        }
        if !verbose {
            return Verdict { healthy: true, text: "ok".to_owned() };
        }
        let _ = writeln!(text, "{} check passed", probe.name);
        Verdict { healthy: true, text }
    }

    /// One check by name, as `/healthz/NAME` shows it; `None`: there is none of this name.
    pub(super) fn single(&self, probe: Probe, name: &str) -> Option<Verdict> {
        let (_, outcome) = self.outcomes(probe).into_iter().find(|(known, _)| known == name)?;
        Some(match outcome {
            Ok(()) => Verdict { healthy: true, text: "ok".to_owned() },
            Err(reason) => {
                tracing::warn!(probe = probe.name, check = name, reason, "probe failed");
                Verdict { healthy: false, text: format!("internal server error: {name} failed\n") }
            }
        })
    }

    /// Every check of the probe and how it went.
    pub(super) fn outcomes(&self, probe: Probe) -> Vec<(String, Result<(), String>)> {
        // Run outside the lock: a check that takes its time holds up nobody else's.
        let checks = self.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        let counting: Vec<_> = checks.into_iter().filter(|check| probe.ready || check.scope == Scope::Live).collect();
        if counting.is_empty() {
            return vec![("ping".to_owned(), Ok(()))];
        }
        counting.into_iter().map(|check| (check.name, (check.run)())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEALTHZ: Probe = Probe::ALL[0];
    const LIVEZ: Probe = Probe::ALL[1];
    const READYZ: Probe = Probe::ALL[2];

    /// A check by name, when it counts, and whether it is well.
    type Given<'a> = (&'a str, Scope, bool);

    fn health(checks: &[Given<'_>]) -> Health {
        let health = Health::default();
        for (name, scope, well) in checks.iter().copied() {
            health.add(name, scope, move || if well { Ok(()) } else { Err("a secret reason".to_owned()) });
        }
        health
    }

    /// Upstream's healthz tests: the texts are compared to the letter, since people and scripts read them.
    #[test]
    fn answers_read_as_upstreams() {
        for (case, checks, verbose, excluded, healthy, text) in [
            ("empty", &[][..], false, &[][..], true, "ok"),
            ("empty verbose", &[], true, &[], true, "[+]ping ok\nhealthz check passed\n"),
            ("one good", &[("good", Scope::Live, true)], false, &[], true, "ok"),
            (
                "one good, verbose",
                &[("good", Scope::Live, true)],
                true,
                &[],
                true,
                "[+]good ok\nhealthz check passed\n",
            ),
            (
                "good and bad",
                &[("good", Scope::Live, true), ("bad", Scope::Live, false)],
                false,
                &[],
                false,
                "[+]good ok\n[-]bad failed: reason withheld\nhealthz check failed\n",
            ),
            (
                "bad excluded",
                &[("good", Scope::Live, true), ("bad", Scope::Live, false)],
                true,
                &["bad"],
                true,
                "[+]good ok\n[+]bad excluded: ok\nhealthz check passed\n",
            ),
            (
                "unknown excluded",
                &[("good", Scope::Live, true)],
                true,
                &["other"],
                true,
                "[+]good ok\nwarn: some health checks cannot be excluded: no matches for \"other\"\nhealthz check passed\n",
            ),
        ] {
            let excluded: Vec<_> = excluded.iter().map(|name| (*name).to_owned()).collect();
            let verdict = health(checks).verdict(HEALTHZ, verbose, &excluded);
            assert_eq!(verdict, Verdict { healthy, text: text.to_owned() }, "{case}");
        }
    }

    #[test]
    fn checks_added_later_take_effect() {
        let health = health(&[("good", Scope::Live, true)]);
        assert!(health.verdict(LIVEZ, false, &[]).healthy);
        health.add("bad", Scope::Live, || Err("broken".to_owned()));
        assert!(!health.verdict(LIVEZ, false, &[]).healthy);
    }

    #[test]
    fn what_is_only_about_readiness_restarts_nothing() {
        let health = health(&[("provider-0", Scope::Ready, false)]);
        assert!(health.verdict(LIVEZ, false, &[]).healthy);
        assert!(health.verdict(HEALTHZ, false, &[]).healthy);
        let ready = health.verdict(READYZ, false, &[]);
        assert_eq!(ready.text, "[-]provider-0 failed: reason withheld\nreadyz check failed\n");
    }

    #[test]
    fn one_check_can_be_asked_by_name() {
        let health = health(&[("good", Scope::Live, true), ("bad", Scope::Live, false)]);
        assert_eq!(health.single(HEALTHZ, "good").map(|verdict| verdict.text), Some("ok".to_owned()));
        assert_eq!(health.single(HEALTHZ, "bad").map(|verdict| verdict.healthy), Some(false));
        assert_eq!(health.single(HEALTHZ, "other"), None);
    }
}
