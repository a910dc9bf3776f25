//! Error bodies, of which there are many forms.

use cloud_rest::words;
use serde_json::{Map, Value};

use super::Said;

/// Names of a code and of the words that go with it, the most telling first.
const PAIRS: [(&str, &str); 4] =
    [("error_code", "error_msg"), ("errorCode", "errorMessage"), ("code", "message"), ("type", "message")];

/// Reads whatever the cloud sent.
pub(super) fn read(body: &[u8]) -> Said {
    let Ok(value) = serde_json::from_slice::<Value>(body) else {
        return Said { message: words::foreign(body), ..Said::default() };
    };
    let request_id = value.get("request_id").and_then(Value::as_str).map(str::to_owned);
    let Some((code, message)) = find(None, &value) else {
        return Said { message: words::cut(&value.to_string()), request_id, ..Said::default() };
    };
    let mut message = words::cut(&message);
    if value.get("encoded_authorization_message").is_some() {
        message += " (the cloud sent an encoded authorization message with details)";
    }
    Said { code, message, request_id, understood: true }
}

/// The outermost pair of code and words; among neighbours, the first by name.
fn find(name: Option<&str>, value: &Value) -> Option<(String, String)> {
    match value {
        Value::Object(object) => {
            pair(name, object).or_else(|| object.iter().find_map(|(name, value)| find(Some(name), value)))
        }
        Value::Array(values) => values.iter().find_map(|value| find(name, value)),
        _ => None,
    }
}

fn pair(name: Option<&str>, object: &Map<String, Value>) -> Option<(String, String)> {
    PAIRS.iter().find_map(|(code, message)| {
        let (code, message) = (words::text(object.get(*code)?)?, words::text(object.get(*message)?)?);
        // Nova's code repeats the status, and the object's name tells what happened.
        let is_number = code.bytes().all(|byte| byte.is_ascii_digit());
        let code = match name {
            Some(name) if is_number && name != "error" => name.to_owned(),
            _ => code,
        };
        Some((code, message))
    })
}
