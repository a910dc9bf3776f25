//! The list of upstream's test cases, checked: each is a test here or stands in the list with the reason why it cannot be.
//!
//! `controller/core/upstream-tests/*.toml` holds one file for each test file of upstream, with
//!
//! ```toml
//! source = "controllers/node/node_controller_test.go"
//! [count]                       # cases of each test function, so that no row is lost unnoticed
//! Test_syncNode = 22
//! [[case]]
//! test = "Test_syncNode"
//! case = "node ignored"         # must stand as a string in the file below
//! here = "controller/core/src/node/tests.rs"
//! [[case]]
//! test = "Test_syncNode"
//! case = "provider ID not implemented"
//! reason = "why there is nothing to test here"
//! ```
//!
//! and `improvements.toml` names the test that shows each shortcoming of upstream's mended.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Inventory {
    source: String,
    count: BTreeMap<String, usize>,
    #[serde(rename = "case")]
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    test: String,
    #[serde(rename = "case")]
    name: String,
    here: Option<String>,
    reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Improvements {
    #[serde(rename = "improvement")]
    improvements: Vec<Improvement>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Improvement {
    /// Number of the shortcoming, `10.1.1`.
    item: String,
    /// What is better here.
    what: String,
    /// File with the test.
    here: String,
    /// Name of the test function.
    test: String,
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn lists() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("upstream-tests");
    let mut lists: Vec<_> = fs::read_dir(folder)
        .expect("the lists")
        .map(|entry| entry.expect("an entry").path())
        .map(|path| {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, fs::read_to_string(&path).expect("a list"))
        })
        .collect();
    lists.sort();
    lists
}

fn source(path: &str) -> Result<String, String> {
    fs::read_to_string(workspace().join(path)).map_err(|error| format!("{path}: {error}"))
}

fn check_case(case: &Case) -> Result<(), String> {
    match (&case.here, &case.reason) {
        (Some(here), None) => {
            let literal = format!("\"{}\"", case.name);
            if source(here)?.contains(&literal) { Ok(()) } else { Err(format!("{here} has no string {literal}")) }
        }
        (None, Some(reason)) if reason.len() > 10 => Ok(()),
        (None, Some(reason)) => Err(format!("{reason:?} is no reason")),
        _ => Err("needs either `here` or `reason`".to_owned()),
    }
}

fn check_list(name: &str, text: &str) -> Vec<String> {
    let list: Inventory = match toml::from_str(text) {
        Ok(list) => list,
        Err(error) => return vec![format!("{name}: {error}")],
    };
    let mut problems = Vec::new();
    let mut seen = BTreeSet::new();
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    for case in &list.cases {
        *count.entry(case.test.clone()).or_default() += 1;
        if !seen.insert((&case.test, &case.name)) {
            problems.push(format!("{name}: {} / {} stands twice", case.test, case.name));
        }
        if let Err(problem) = check_case(case) {
            problems.push(format!("{name} ({}): {} / {}: {problem}", list.source, case.test, case.name));
        }
    }
    if count != list.count {
        problems.push(format!("{name}: the list has {count:?}, upstream {:?}", list.count));
    }
    problems
}

#[test]
fn every_upstream_case_is_tested_or_has_its_reason() {
    let problems: Vec<String> = lists()
        .iter()
        .filter(|(name, _)| name != "improvements.toml")
        .flat_map(|(name, text)| check_list(name, text))
        .collect();
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn every_improvement_names_its_test() {
    let (_, text) = lists().into_iter().find(|(name, _)| name == "improvements.toml").expect("the list");
    let list: Improvements = toml::from_str(&text).expect("well-formed");
    let problems: Vec<String> = list
        .improvements
        .iter()
        .filter_map(|Improvement { item, what, here, test }| match source(here) {
            Err(problem) => Some(format!("{item} ({what}): {problem}")),
            Ok(text) if text.contains(&format!("fn {test}(")) => None,
            Ok(_) => Some(format!("{item} ({what}): {here} has no test {test}")),
        })
        .collect();
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn a_wrong_list_is_refused() {
    let list = |case: &str| {
        format!("source = \"x_test.go\"\n[count]\nTest_x = 1\n[[case]]\ntest = \"Test_x\"\ncase = \"a case\"\n{case}")
    };
    for (case, problem) in [
        ("", "needs either"),
        ("here = \"controller/core/src/lib.rs\"", "has no string"),
        ("here = \"no/such/file.rs\"", "no/such/file.rs"),
        ("reason = \"no\"", "is no reason"),
        (
            "reason = \"there is no such thing here\"\n[[case]]\ntest = \"Test_x\"\ncase = \"b\"\nreason = \"nor that one here\"",
            "upstream",
        ),
    ] {
        let problems = check_list("x", &list(case)).join("\n");
        assert!(problems.contains(problem), "{case}: {problems}");
    }
}
