//! Error bodies, of which there are many forms.

use serde_json::{Map, Value};

use super::Said;

/// Names of a code and of the words that go with it, the most telling first.
const PAIRS: [(&str, &str); 4] =
    [("error_code", "error_msg"), ("errorCode", "errorMessage"), ("code", "message"), ("type", "message")];
/// Longer words are cut: nobody reads them.
const LONGEST: usize = 500;

/// Reads whatever the cloud sent.
pub(super) fn read(body: &[u8]) -> Said {
    let Ok(value) = serde_json::from_slice::<Value>(body) else { return foreign(body) };
    let request_id = value.get("request_id").and_then(Value::as_str).map(str::to_owned);
    let Some((code, message)) = find(None, &value) else {
        return Said { message: cut(&value.to_string()), request_id, ..Said::default() };
    };
    let mut message = cut(&message);
    if value.get("encoded_authorization_message").is_some() {
        message += " (the cloud sent an encoded authorization message with details)";
    }
    Said { code, message, request_id, understood: true }
}

/// Not JSON: a page of a proxy in between, or nothing.
fn foreign(body: &[u8]) -> Said {
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    let message = match text {
        "" => String::new(),
        page if page.starts_with('<') => "the answer is a page, not an API's: a proxy or gateway in between".to_owned(),
        text => cut(text),
    };
    Said { message, ..Said::default() }
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
        let (code, message) = (text(object.get(*code)?)?, text(object.get(*message)?)?);
        // Nova's code repeats the status, and the object's name tells what happened.
        let is_number = code.bytes().all(|byte| byte.is_ascii_digit());
        let code = match name {
            Some(name) if is_number && name != "error" => name.to_owned(),
            _ => code,
        };
        Some((code, message))
    })
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn cut(text: &str) -> String {
    let end = text.char_indices().nth(LONGEST).map_or(text.len(), |(at, _)| at);
    let mut short: String = text[..end].chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if end < text.len() {
        short.push('…');
    }
    short
}
