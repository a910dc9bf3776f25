//! How the services put errors, and the refusals that several of them have in common.

use http::StatusCode;
use serde_json::json;

use crate::engine::{Answer, Problem};

/// `{"requestId", "code", "message"}`: all services but CCE v2.
pub(super) fn common(problem: &Problem, request_id: &str) -> Answer {
    put(problem, request_id, "requestId")
}

/// The same with `requestID`: CCE v2.
pub(super) fn cce(problem: &Problem, request_id: &str) -> Answer {
    put(problem, request_id, "requestID")
}

fn put(problem: &Problem, request_id: &str, id: &str) -> Answer {
    let (status, code, message) = told(problem);
    if status == StatusCode::UNAUTHORIZED {
        // Said by the gateway, which is no service.
        return Answer::raw(status, "text/plain", message);
    }
    Answer::json(status, &json!({ id: request_id, "code": code, "message": message }))
}

fn told(problem: &Problem) -> (StatusCode, String, String) {
    let bad = |code: &str, message: String| (StatusCode::BAD_REQUEST, code.to_owned(), message);
    match problem {
        Problem::NoSuchApi => {
            let message = "The API version or path specified is not supported.".to_owned();
            (StatusCode::NOT_FOUND, "InvalidVersion".to_owned(), message)
        }
        Problem::UnknownParameter(key) => bad("InvalidParameter", format!("The call has no parameter {key}.")),
        Problem::BadParameter { name, why } => bad("InvalidParameter", format!("{name}: {why}")),
        Problem::BadBody(why) => bad("InappropriateJSON", why.clone()),
        Problem::Throttled { calls, seconds } => {
            let message = format!("Only {calls} calls in {seconds} seconds are allowed.");
            (StatusCode::TOO_MANY_REQUESTS, "RateLimit".to_owned(), message)
        }
        Problem::Refused { status, code, message } => (*status, code.clone(), message.clone()),
    }
}

/// An object is not there, or is somebody else's.
pub(super) fn no_such(kind: &str, id: &str) -> Problem {
    Problem::refused(404, "NoSuchObject", format!("The {kind} {id} does not exist."))
}

/// An earlier change of the object is still under way.
pub(super) fn busy(kind: &str, id: &str, status: &str) -> Problem {
    let message = format!("The last operation on the {kind} {id} has not finished: it is {status}.");
    Problem::refused(409, "LastOperationNotFinished", message)
}

/// More than there may be.
pub(super) fn over(code: &str, what: &str, most: usize) -> Problem {
    Problem::refused(413, code, format!("There may be at most {most} {what}."))
}

/// A field of the body has a value it cannot have.
pub(super) fn bad(field: &str, why: impl Into<String>) -> Problem {
    Problem::bad_parameter(field, why)
}
