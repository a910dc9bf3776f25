//! Taints as lists: they have no merge key, so the whole list is always written.

use crate::{
    names::{OUT_OF_SERVICE_VALUE, TAINT_OUT_OF_SERVICE, TAINT_SHUTDOWN},
    view::Taint,
};

/// The taint of a node whose machine is stopped.
pub fn shutdown() -> Taint {
    Taint { key: TAINT_SHUTDOWN.to_owned(), value: None, effect: "NoSchedule".to_owned(), time_added: None }
}

/// The taint that frees pods and volumes of a node whose machine is known to be stopped.
pub fn out_of_service() -> Taint {
    Taint {
        key: TAINT_OUT_OF_SERVICE.to_owned(),
        value: Some(OUT_OF_SERVICE_VALUE.to_owned()),
        effect: "NoExecute".to_owned(),
        time_added: None,
    }
}

/// Whether two taints are the same one: key and effect decide, the value does not.
pub fn matches(a: &Taint, b: &Taint) -> bool {
    a.key == b.key && a.effect == b.effect
}

/// Whether the taint is there.
pub fn exists(taints: &[Taint], taint: &Taint) -> bool {
    taints.iter().any(|other| matches(other, taint))
}

/// The list without the taint; `None` when it is not there.
pub fn without(taints: &[Taint], taint: &Taint) -> Option<Vec<Taint>> {
    retain(taints, |other| !matches(other, taint))
}

/// The list without all taints of the key; `None` when there is none.
pub fn without_key(taints: &[Taint], key: &str) -> Option<Vec<Taint>> {
    retain(taints, |other| other.key != key)
}

/// The list with the taint, in the place of the one it matches; `None` when it is there as it is.
pub fn with(taints: &[Taint], taint: &Taint) -> Option<Vec<Taint>> {
    if taints.contains(taint) {
        return None;
    }
    let mut list = taints.to_vec();
    match list.iter_mut().find(|other| matches(other, taint)) {
        Some(other) => other.clone_from(taint),
        None => list.push(taint.clone()),
    }
    Some(list)
}

fn retain(taints: &[Taint], keep: impl Fn(&Taint) -> bool) -> Option<Vec<Taint>> {
    let list: Vec<Taint> = taints.iter().filter(|taint| keep(taint)).cloned().collect();
    (list.len() < taints.len()).then_some(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `key:effect` or `key=value:effect`, separated by blanks.
    fn list(text: &str) -> Vec<Taint> {
        text.split_whitespace()
            .map(|taint| {
                let (key, effect) = taint.split_once(':').expect("key:effect");
                let (key, value) = key.split_once('=').map_or((key, None), |(k, v)| (k, Some(v.to_owned())));
                Taint { key: key.to_owned(), value, effect: effect.to_owned(), time_added: None }
            })
            .collect()
    }

    fn one(text: &str) -> Taint {
        list(text).remove(0)
    }

    #[test]
    fn key_and_effect_decide_whether_a_taint_exists() {
        // Upstream's TestTaintExists.
        let check = |case: &str, taint: &str, expected: bool| {
            let there = list("foo_1=bar_1:NoExecute foo_2=bar_2:NoSchedule");
            assert_eq!(exists(&there, &one(taint)), expected, "{case}");
        };
        check("taint exists", "foo_1=bar_1:NoExecute", true);
        check("taint doesn't exist, different key", "foo_3=bar_1:NoExecute", false);
        check("taint doesn't exist, different effect", "foo_1=bar_1:NoSchedule", false);
        check("another value is the same taint", "foo_1=other:NoExecute", true);
    }

    #[test]
    fn a_taint_is_taken_out() {
        // Upstream's TestRemoveTaint and TestDeleteTaint: one function here.
        let check = |case: &str, there: &str, taint: &str, expected: Option<&str>| {
            assert_eq!(without(&list(there), &one(taint)), expected.map(list), "{case}");
        };
        check("remove taint unsuccessfully", "foo:NoSchedule", "foo_1:NoSchedule", None);
        check("remove taint successfully", "foo:NoSchedule", "foo:NoSchedule", Some(""));
        check("remove taint from node with no taint", "", "foo:NoSchedule", None);
        check("delete taint with different name", "foo:NoSchedule", "foo_1:NoSchedule", None);
        check("delete taint with different effect", "foo:NoSchedule", "foo:NoExecute", None);
        check("delete taint successfully", "foo:NoSchedule", "foo:NoSchedule", Some(""));
        check("delete taint from empty taint array", "", "foo:NoSchedule", None);
        check(
            "others keep their order",
            "a:NoExecute b:NoSchedule c:NoExecute",
            "b:NoSchedule",
            Some("a:NoExecute c:NoExecute"),
        );
    }

    #[test]
    fn a_key_is_taken_out_whatever_its_value_and_effect() {
        let there = list("u=true:NoSchedule other:NoSchedule u:NoExecute");
        assert_eq!(without_key(&there, "u"), Some(list("other:NoSchedule")));
        assert_eq!(without_key(&list("other:NoSchedule"), "u"), None);
    }

    #[test]
    fn a_taint_is_put_in_once() {
        let check = |there: &str, taint: &str, expected: Option<&str>| {
            assert_eq!(with(&list(there), &one(taint)), expected.map(list), "{there} + {taint}");
        };
        check("", "a:NoSchedule", Some("a:NoSchedule"));
        check("a:NoSchedule b:NoExecute", "a:NoSchedule", None);
        check("a=1:NoSchedule b:NoExecute", "a=2:NoSchedule", Some("a=2:NoSchedule b:NoExecute"));
        check("a:NoExecute", "a:NoSchedule", Some("a:NoExecute a:NoSchedule"));
    }
}
