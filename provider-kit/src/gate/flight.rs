//! A call from its arrival to the last byte of its answer: counted, timed and, if it changes anything, put on record.

use std::{collections::BTreeSet, sync::LazyLock};

use cloud_provider_api::FILE_DESCRIPTOR_SET;
use http::HeaderValue;
use prost::Message as _;
use prost_types::FileDescriptorSet;
use tokio::time::Instant;
use tonic::Code;

use crate::{audit::Entry, caller::Call, class::Class, kit::Kit};

/// Ends when dropped, whatever happened to the call.
pub(super) struct Flight {
    kit: Kit,
    method: &'static str,
    class: Class,
    begun: Instant,
    call: Option<Call>,
    code: &'static str,
}

impl Flight {
    pub(super) fn begin(kit: &Kit, method: &'static str, class: Class) -> Self {
        kit.metrics().begun();
        // Until something else is known: the caller went away.
        let code = code_name(Code::Cancelled);
        Self { kit: kit.clone(), method, class, begun: Instant::now(), call: None, code }
    }

    pub(super) fn made_by(&mut self, call: &Call) {
        self.call = Some(call.clone());
    }

    /// How it ended, by its `grpc-status`.
    pub(super) fn code(&mut self, status: &HeaderValue) {
        self.code = code_name(Code::from_bytes(status.as_bytes()));
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let duration = self.begun.elapsed();
        self.kit.metrics().ended(self.method, self.code, duration);
        // Refused calls are on record already.
        if let Some(call) = self.call.as_ref().filter(|_| self.class != Class::Read) {
            self.kit.audit().record(&Entry {
                caller: &call.caller.to_string(),
                request_id: call.request_id.as_str(),
                action: self.method,
                result: self.code,
                duration: Some(duration),
                ..Entry::default()
            });
        }
    }
}

/// The name of a call's method for metrics and audit: one of a closed list, so that a caller cannot make new ones up.
pub(super) fn method_name(path: &str) -> &'static str {
    static NAMES: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
        let plumbing = ["Check", "List", "Watch"].map(|method| format!("grpc.health.v1.Health/{method}"));
        methods_of_the_api().into_iter().chain(plumbing).collect()
    });
    NAMES.get(path.trim_start_matches('/')).map_or("other", String::as_str)
}

fn methods_of_the_api() -> Vec<String> {
    let set = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).expect("the API's own descriptors decode");
    let services = set.file.iter().flat_map(|file| file.service.iter().map(move |service| (file.package(), service)));
    services
        .flat_map(|(package, service)| {
            service.method.iter().map(move |method| format!("{package}.{}/{}", service.name(), method.name()))
        })
        .collect()
}

/// The name of a gRPC code, as the specification writes it.
pub const fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
