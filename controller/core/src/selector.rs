//! Label selectors, written as `kubectl -l` takes them.

use std::{collections::BTreeMap, fmt, str::FromStr};

/// A label selector: all of its requirements must hold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Selector {
    text: String,
    requirements: Vec<Requirement>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Requirement {
    key: String,
    /// `None`: any value, as long as the label is there.
    values: Option<Vec<String>>,
    /// The opposite must hold. A label that is not there is none of the values.
    negated: bool,
}

impl Selector {
    /// Whether these labels are selected.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.requirements.iter().all(|requirement| {
            let value = labels.get(&requirement.key);
            let holds = match &requirement.values {
                None => value.is_some(),
                Some(values) => value.is_some_and(|value| values.contains(value)),
            };
            holds != requirement.negated
        })
    }

    /// Selects what both select.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.text = format!("{self},{other}");
        self.requirements.extend(other.requirements);
        self
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Why a text is no selector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no requirement on a label; write key, !key, key=value, key!=value, key in (a,b) or key notin (a,b)")]
pub struct InvalidSelector(String);

impl FromStr for Selector {
    type Err = InvalidSelector;

    fn from_str(text: &str) -> Result<Self, InvalidSelector> {
        let requirements = parts(text).map(|part| requirement(part.trim())).collect::<Result<_, _>>()?;
        Ok(Self { text: text.to_owned(), requirements })
    }
}

/// The text between commas that are not in brackets.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_i32;
    text.split(move |letter| {
        depth += i32::from(letter == '(') - i32::from(letter == ')');
        letter == ',' && depth == 0
    })
}

fn requirement(text: &str) -> Result<Requirement, InvalidSelector> {
    let wrong = || InvalidSelector(text.to_owned());
    let (key, values, negated) = if let Some((key, value)) = text.split_once("!=") {
        (key, Some(vec![value]), true)
    } else if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        (key, Some(vec![value]), false)
    } else if let Some((key, list)) = text.split_once(" notin ") {
        (key, Some(list_of(list).ok_or_else(wrong)?), true)
    } else if let Some((key, list)) = text.split_once(" in ") {
        (key, Some(list_of(list).ok_or_else(wrong)?), false)
    } else if let Some(key) = text.strip_prefix('!') {
        (key, None, true)
    } else {
        (text, None, false)
    };
    let key = key.trim();
    let of_label = |text: &str, more: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c));
    let values: Option<Vec<String>> =
        values.map(|values| values.into_iter().map(|value| value.trim().to_owned()).collect());
    let fits = !key.is_empty() && of_label(key, "-_./") && values.iter().flatten().all(|value| of_label(value, "-_."));
    if fits { Ok(Requirement { key: key.to_owned(), values, negated }) } else { Err(wrong()) }
}

fn list_of(text: &str) -> Option<Vec<&str>> {
    let inner = text.trim().strip_prefix('(')?.strip_suffix(')')?;
    Some(inner.split(',').collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_selected_as_kubectl_does() {
        let labels: BTreeMap<String, String> =
            [("cloud", "huawei"), ("example.com/zone", "a")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        let check = |text: &str, expected: bool| {
            assert_eq!(text.parse::<Selector>().map(|selector| selector.matches(&labels)), Ok(expected), "{text}");
        };
        check("cloud=huawei", true);
        check("cloud==huawei", true);
        check("cloud=baidu", false);
        check("cloud!=baidu", true);
        check("cloud!=huawei", false);
        check("edge!=yes", true);
        check("cloud", true);
        check("edge", false);
        check("!edge", true);
        check("!cloud", false);
        check("cloud in (huawei, baidu)", true);
        check("cloud in (baidu)", false);
        check("cloud notin (baidu,mock)", true);
        check("edge notin (yes)", true);
        check("cloud=huawei,example.com/zone in (a,b),!edge", true);
        check("cloud=huawei,example.com/zone=b", false);
        check("cloud = huawei, example.com/zone = a", true);
    }

    #[test]
    fn two_selectors_select_what_both_do() {
        let selector = |text: &str| text.parse::<Selector>().expect("a selector");
        assert_eq!(selector("a=b").and(selector("c in (d,e)")), selector("a=b,c in (d,e)"));
    }

    #[test]
    fn what_is_no_selector_is_refused() {
        for text in ["", "cloud=huawei,", "=x", "cloud in huawei", "cloud=a b", "two words", "cloud=(a)", "!"] {
            assert!(text.parse::<Selector>().is_err(), "{text:?}");
        }
        let said = "cloud=a b".parse::<Selector>().unwrap_err().to_string();
        assert!(said.contains("cloud=a b") && said.contains("key in (a,b)"), "{said}");
    }
}
