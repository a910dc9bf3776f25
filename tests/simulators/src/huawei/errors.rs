//! How the services put errors. Which of them uses which shape is a matter of their age.

use http::StatusCode;
use serde_json::{Value, json};

use crate::engine::{Answer, Problem};

/// A problem as status, code and message.
struct Told {
    status: StatusCode,
    code: String,
    message: String,
}

impl Told {
    fn of(problem: &Problem, invalid: &str) -> Self {
        let told = |status, code: &str, message| Self { status, code: code.to_owned(), message };
        match problem {
            Problem::NoSuchApi => told(
                StatusCode::NOT_FOUND,
                "APIGW.0101",
                "The API does not exist or has not been published in the environment".to_owned(),
            ),
            Problem::Throttled { calls, seconds } => told(
                StatusCode::TOO_MANY_REQUESTS,
                "APIGW.0308",
                format!(
                    "The throttling threshold has been reached: policy user over ratelimit,limit:{calls},time:{}",
                    span(*seconds)
                ),
            ),
            Problem::UnknownParameter(name) => {
                told(StatusCode::BAD_REQUEST, invalid, format!("query parameter {name} is not known"))
            }
            Problem::BadParameter { name, why } => told(StatusCode::BAD_REQUEST, invalid, format!("{name}: {why}")),
            Problem::BadBody(why) => told(StatusCode::BAD_REQUEST, invalid, format!("request body: {why}")),
            Problem::Refused { status, code, message } => told(*status, code, message.clone()),
        }
    }

    /// In the service's shape; in the gateway's, when it is the gateway that refuses.
    fn shaped(self, request_id: &str, shape: fn(&Self, &str) -> Value) -> Answer {
        let gateway = self.code.starts_with("APIGW.");
        let body = if gateway { flat_with_prefix(&self, request_id) } else { shape(&self, request_id) };
        Answer::json(self.status, &body)
    }
}

fn span(seconds: u64) -> String {
    if seconds.is_multiple_of(60) { format!("{} minute", seconds / 60) } else { format!("{seconds} second") }
}

fn flat_with_prefix(told: &Told, request_id: &str) -> Value {
    json!({ "error_msg": told.message, "error_code": told.code, "request_id": request_id })
}

/// `{"error_msg", "error_code", "request_id"}`: the gateway's own.
pub fn gateway(problem: &Problem, request_id: &str) -> Answer {
    Told::of(problem, "APIGW.0106").shaped(request_id, flat_with_prefix)
}

/// The same, of ELB v3.
pub fn elb(problem: &Problem, request_id: &str) -> Answer {
    Told::of(problem, "ELB.8902").shaped(request_id, flat_with_prefix)
}

/// `{"error": {"code", "message"}}`: ECS v1.
pub fn ecs(problem: &Problem, request_id: &str) -> Answer {
    Told::of(problem, "Ecs.0005")
        .shaped(request_id, |told, _| json!({ "error": { "code": told.code, "message": told.message } }))
}

/// The same, of EIP v3.
pub fn eip(problem: &Problem, request_id: &str) -> Answer {
    Told::of(problem, "EIP.0001").shaped(request_id, flat_with_prefix)
}

/// `{"code", "message"}`: VPC, EIP v1.
pub fn vpc(problem: &Problem, request_id: &str) -> Answer {
    Told::of(problem, "VPC.0301").shaped(request_id, flat)
}

fn flat(told: &Told, _: &str) -> Value {
    json!({ "code": told.code, "message": told.message })
}

/// `{"itemNotFound": {"code": 404, "message"}}`: Nova.
pub fn nova(problem: &Problem, request_id: &str) -> Answer {
    Told::of(problem, "badRequest").shaped(
        request_id,
        |told, _| json!({ told.code.clone(): { "code": told.status.as_u16(), "message": told.message } }),
    )
}

/// `{"NeutronError": {"type", "message", "detail"}}`: Neutron.
pub fn neutron(problem: &Problem, request_id: &str) -> Answer {
    Told::of(problem, "HTTPBadRequest").shaped(
        request_id,
        |told, _| json!({ "NeutronError": { "type": told.code, "message": told.message, "detail": "" } }),
    )
}

/// `{"error": {"code": 401, "message", "title"}}`: IAM.
pub fn iam(problem: &Problem, request_id: &str) -> Answer {
    Told::of(problem, "400").shaped(request_id, |told, _| {
        let title = told.status.canonical_reason().unwrap_or_default();
        json!({ "error": { "code": told.status.as_u16(), "message": told.message, "title": title } })
    })
}

/// Text: the metadata service.
pub fn metadata(problem: &Problem, _: &str) -> Answer {
    let told = Told::of(problem, "");
    Answer::raw(told.status, "text/plain", told.message)
}

/// What ELB v2 says: Neutron's shape where an object is not there or in the way, else the service's own.
pub fn elb_v2(problem: &Problem, request_id: &str) -> Answer {
    match problem {
        Problem::Refused { status, message, .. } if *status == StatusCode::NOT_FOUND => {
            neutron(&Problem::refused(404, "HTTPNotFound", message), request_id)
        }
        Problem::Refused { status, message, .. } if *status == StatusCode::CONFLICT => {
            neutron(&Problem::refused(409, "HTTPConflict", message), request_id)
        }
        _ => elb(problem, request_id),
    }
}

/// `{"code", "message"}`: NAT.
pub fn nat(problem: &Problem, request_id: &str) -> Answer {
    Told::of(problem, "NAT.0001").shaped(request_id, flat)
}

/// CCE, which says everything twice.
pub fn cce(problem: &Problem, request_id: &str) -> Answer {
    Told::of(problem, "CCE.01400001").shaped(request_id, |told, _| {
        json!({
            "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": told.status.as_u16(),
            "errorCode": told.code, "errorMessage": told.message, "error_code": told.code, "error_msg": told.message,
            "reason": told.status.canonical_reason().unwrap_or_default(),
        })
    })
}

/// `{"errors": [{"errorCode", "errorMessage"}]}`: SWR.
pub fn swr(problem: &Problem, request_id: &str) -> Answer {
    Told::of(problem, "SVCSTG.SWR.4000001").shaped(request_id, |told, request_id| {
        json!({ "errors": [{ "errorCode": told.code, "errorMessage": told.message, "requestId": request_id }] })
    })
}
