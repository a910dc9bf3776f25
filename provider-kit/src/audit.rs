//! The record of every change: who asked for it, what it was, how it ended. Apart from the log, which may be turned down.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use serde::Serialize;

use crate::caller::Call;

/// Where audit lines go: one JSON object a line. Clones share it.
#[derive(Clone, Default)]
pub struct Audit(Option<Arc<Mutex<Box<dyn Write + Send>>>>);

/// One change, or one refusal.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Entry<'a> {
    /// Who asked: the identity that was let in, or the peer that was not.
    pub caller: &'a str,
    /// Request id of the call it belongs to.
    pub request_id: &'a str,
    /// What was done: the API's method, or the cloud's name of a call.
    pub action: &'a str,
    /// Idempotency key, or the object it acts on.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub key: &'a str,
    /// The cloud's own id of the call.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub cloud_request_id: &'a str,
    /// How it ended: `OK`, or the name of a gRPC code or a cloud error code.
    pub result: &'a str,
    /// How long it took.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "milliseconds", rename = "duration_ms")]
    pub duration: Option<Duration>,
}

#[derive(Serialize)]
struct Line<'a> {
    time: String,
    #[serde(flatten)]
    entry: &'a Entry<'a>,
}

#[allow(clippy::ref_option, clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn milliseconds<S: serde::Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u128(duration.unwrap_or_default().as_millis())
}

impl Audit {
    /// No record is kept.
    pub fn off() -> Self {
        Self(None)
    }

    /// Writes to anything.
    pub fn to(sink: impl Write + Send + 'static) -> Self {
        Self(Some(Arc::new(Mutex::new(Box::new(sink)))))
    }

    /// Appends to a file only this user can read, made if missing; `-` is standard error.
    pub fn open(path: &Path) -> io::Result<Self> {
        if path == Path::new("-") {
            return Ok(Self::to(io::stderr()));
        }
        let file: File = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
        Ok(Self::to(file))
    }

    /// Writes one entry at once. A record that cannot be written is an error in the log, not of the call.
    pub fn record(&self, entry: &Entry<'_>) {
        let Some(sink) = &self.0 else { return };
        let mut line = match serde_json::to_vec(&Line { time: Timestamp::now().to_string(), entry }) {
            Ok(line) => line,
            Err(error) => return tracing::error!(%error, "audit line cannot be written"),
        };
        line.push(b'\n');
        let mut sink = sink.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = sink.write_all(&line).and_then(|()| sink.flush()) {
            tracing::error!(%error, "audit line cannot be written");
        }
    }

    /// Records one mutating call to the cloud, made on behalf of `call`.
    pub fn cloud_call(
        &self,
        call: &Call,
        key: &str,
        action: &str,
        cloud_request_id: &str,
        result: &str,
        duration: Duration,
    ) {
        self.record(&Entry {
            caller: &call.caller.to_string(),
            request_id: call.request_id.as_str(),
            action,
            key,
            cloud_request_id,
            result,
            duration: Some(duration),
        });
    }
}

impl std::fmt::Debug for Audit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Audit").field(&self.0.is_some()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_line_an_entry_in_a_file_of_our_own() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("audit.log");
        for result in ["OK", "ABORTED"] {
            let entry = Entry {
                caller: "uid:0",
                action: "CreateListener",
                result,
                duration: Some(Duration::from_millis(12)),
                ..Entry::default()
            };
            Audit::open(&path).unwrap().record(&entry);
        }
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0]["caller"], "uid:0");
        assert_eq!(lines[0]["duration_ms"], 12);
        assert_eq!(lines[1]["result"], "ABORTED");
        lines[0]["time"].as_str().unwrap().parse::<Timestamp>().unwrap();
        assert!(lines[0].get("key").is_none(), "what is not known is left out");
    }
}
