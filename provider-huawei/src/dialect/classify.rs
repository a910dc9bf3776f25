//! What a refusal means for the caller. The HTTP status comes first: many codes are documented badly or not at all.

use std::time::Duration;

use cloud_rest::Kind;
use http::StatusCode;

use super::{Pace, Said};

/// Signature, key or date are wrong, whatever the status.
const UNAUTHENTICATED: [&str; 5] = ["APIGW.0301", "APIGW.0303", "APIG.0301", "APIG.0303", "VPC.0008"];
/// The limit of calls is reached, whatever the status.
const THROTTLED: [&str; 2] = ["APIGW.0308", "APIG.0308"];
/// A quota is used up: some services say so with 400 or 403.
const QUOTA: [&str; 5] = ["Ecs.0001", "VPC.0114", "VPC.0304", "VPC.0532", "ELB.6091"];
/// The thing asked for is missing although the status is another: an EIP with 500, a load balancer with 400.
const NOT_FOUND: [(u16, &str); 2] = [(500, "VPC.0504"), (400, "ELB.1003")];

/// The kind of an answer other than 2xx.
pub fn classify(status: StatusCode, said: &Said) -> Kind {
    let code = said.code.as_str();
    if status.is_client_error() {
        if UNAUTHENTICATED.contains(&code) {
            return Kind::Unauthenticated;
        }
        if THROTTLED.contains(&code) {
            return Kind::Throttled;
        }
    }
    if NOT_FOUND.contains(&(status.as_u16(), code)) {
        return Kind::NotFound;
    }
    match status {
        StatusCode::UNAUTHORIZED => Kind::Unauthenticated,
        StatusCode::NOT_FOUND => missing(said),
        StatusCode::TOO_MANY_REQUESTS => Kind::Throttled,
        StatusCode::REQUEST_TIMEOUT => Kind::Timeout,
        StatusCode::METHOD_NOT_ALLOWED => Kind::NoSuchApi,
        StatusCode::LOCKED => Kind::Pending,
        StatusCode::BAD_REQUEST | StatusCode::FORBIDDEN | StatusCode::CONFLICT | StatusCode::PAYLOAD_TOO_LARGE
            if is_quota(said) =>
        {
            Kind::Quota
        }
        StatusCode::FORBIDDEN => Kind::PermissionDenied,
        StatusCode::CONFLICT if is_busy(&said.message) => Kind::Pending,
        StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED => Kind::Conflict,
        StatusCode::BAD_REQUEST if code == "APIGW.0201" => Kind::Server,
        status if status.is_server_error() => Kind::Server,
        // Redirects are not followed: whoever sends one is not the API.
        status if status.is_redirection() => Kind::NoSuchApi,
        _ => Kind::Invalid,
    }
}

/// A 404 speaks about an object only if it comes from the service: the gateway's says that the address is wrong.
fn missing(said: &Said) -> Kind {
    let gateway = said.code.starts_with("APIGW.") || said.code.starts_with("APIG.");
    if gateway || !said.understood { Kind::NoSuchApi } else { Kind::NotFound }
}

fn is_quota(said: &Said) -> bool {
    QUOTA.contains(&said.code.as_str()) || said.message.to_ascii_lowercase().contains("quota")
}

/// The object is in the middle of an earlier change.
fn is_busy(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    ["pending", "immutable", "task_state", "being created", "being updated", "being deleted"]
        .iter()
        .any(|word| message.contains(word))
}

/// The numbers in "policy user over ratelimit,limit:200,time:5 minute".
pub(super) fn pace(message: &str) -> Option<Pace> {
    let after = |word: &str| message.split_once(word).map(|(_, rest)| rest.trim_start());
    let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let limit = after("limit:")?;
    let calls: u32 = limit[..digits(limit)].parse().ok().filter(|calls| *calls > 0)?;
    let time = after("time:")?;
    let end = digits(time);
    let count: u64 = if end == 0 { 1 } else { time[..end].parse().ok()? };
    let unit = match time[end..].trim_start().chars().next().unwrap_or('s') {
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => 1,
    };
    Some((calls, Duration::from_secs(count.checked_mul(unit)?)))
}
