//! Error bodies: `{"requestId", "code", "message"}`, with the names in whatever case a service likes.

use cloud_rest::words;
use serde_json::{Map, Value};

use super::Said;

/// Reads whatever the cloud sent.
pub(super) fn read(body: &[u8]) -> Said {
    let Ok(Value::Object(object)) = serde_json::from_slice::<Value>(body) else {
        return Said { message: words::foreign(body), ..Said::default() };
    };
    let found = find(&object).or_else(|| nested(&object)).unwrap_or_default();
    let request_id = text(&object, "requestid").filter(|id| !id.is_empty());
    let by_service = !found.0.is_empty();
    Said { code: found.0, message: words::cut(&found.1), request_id, by_service }
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
    words::text(value)
}
