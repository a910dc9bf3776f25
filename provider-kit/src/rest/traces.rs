//! What calls to the cloud leave behind: numbers, and lines in the audit log.

use std::sync::{Arc, OnceLock};

use cloud_rest::{AuditEntry, Metrics};

use crate::{
    audit::{Audit, Entry as Line},
    kit::Kit,
};

/// Collected from the start; where it leads is known once the daemon is set up.
#[derive(Clone, Default)]
pub struct Traces {
    metrics: Metrics,
    audit: Arc<Log>,
}

#[derive(Default)]
struct Log(OnceLock<Audit>);

impl Traces {
    /// Where a client counts its calls.
    pub fn metrics(&self) -> Metrics {
        self.metrics.clone()
    }

    /// Where a client records the calls that change something.
    pub fn audit(&self) -> Arc<dyn cloud_rest::Audit> {
        self.audit.clone()
    }

    /// Shows the numbers with the daemon's own, and writes in its audit log.
    pub fn lead_to(&self, kit: &Kit) {
        kit.metrics().register(|registry| self.metrics.register(registry));
        let _ = self.audit.0.set(kit.audit().clone());
    }
}

impl cloud_rest::Audit for Log {
    fn record(&self, entry: &AuditEntry<'_>) {
        let Some(audit) = self.0.get() else { return };
        audit.record(&Line {
            caller: &entry.actor.caller,
            request_id: &entry.actor.request_id,
            action: entry.call,
            key: &entry.actor.key,
            cloud_request_id: entry.cloud_request_id,
            result: entry.result,
            duration: Some(entry.duration),
        });
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Write, sync::Mutex, time::Duration};

    use cloud_rest::{Actor, Audit as _};

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_call_that_changes_something_is_a_line_of_the_audit_log() {
        let (log, sink) = (Log::default(), Sink::default());
        log.0.set(Audit::to(sink.clone())).unwrap();
        let actor = Actor { caller: "uid:7".into(), key: "cluster/uid".into(), ..Actor::daemon() };
        log.record(&AuditEntry {
            account: "",
            actor: &actor,
            call: "CreateListener",
            method: "POST",
            path: "/v3/p/elb/listeners",
            cloud_request_id: "request-1",
            result: "OK",
            failed: None,
            duration: Duration::from_millis(5),
        });
        let line: serde_json::Value = serde_json::from_slice(&sink.0.lock().unwrap()).unwrap();
        for (field, want) in [
            ("caller", "uid:7"),
            ("key", "cluster/uid"),
            ("action", "CreateListener"),
            ("cloud_request_id", "request-1"),
            ("result", "OK"),
        ] {
            assert_eq!(line[field], want, "{field}");
        }
    }
}
