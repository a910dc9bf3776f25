//! Error bodies: `{"requestId", "code", "message"}`, with the names in whatever case a service likes.

use serde_json::{Map, Value};

use super::Said;

/// Longer words are cut: nobody reads them.
const LONGEST: usize = 500;

/// Reads whatever the cloud sent.
pub(super) fn read(body: &[u8]) -> Said {
    let Ok(Value::Object(object)) = serde_json::from_slice::<Value>(body) else { return foreign(body) };
    let found = find(&object).or_else(|| nested(&object)).unwrap_or_default();
    let request_id = text(&object, "requestid").filter(|id| !id.is_empty());
    let by_service = !found.0.is_empty();
    Said { code: found.0, message: cut(&found.1), request_id, by_service }
}

/// Not an error of the API's: a page of a proxy in between, or nothing.
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

fn find(object: &Map<String, Value>) -> Option<(String, String)> {
    let code = text(object, "code")?;
    Some((code, text(object, "message").unwrap_or_default()))
}

/// Some services wrap it: `{"error": {…}}`.
fn nested(object: &Map<String, Value>) -> Option<(String, String)> {
    object.values().filter_map(Value::as_object).find_map(find)
}

fn text(object: &Map<String, Value>, name: &str) -> Option<String> {
    let (_, value) = object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
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
