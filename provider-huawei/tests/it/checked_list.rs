//! The list of failures known of the Go provider, checked: each row has its tests, or the reason why there is nothing to test, and
//! no test of a failure is missing from the list.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;

/// Rows of each section, so that none is lost unnoticed.
const ROWS: [(&str, usize); 3] = [("11.1", 25), ("11.2", 17), ("11.3", 5)];
/// Where tests of failures are, and how their names begin.
const FILES: [&str; 5] = [
    "provider-huawei/tests/it/failure_list.rs",
    "provider-huawei/src/load_balancers/tests/failure_list.rs",
    "provider-huawei/src/load_balancers/tests/failure_list/balancers.rs",
    "provider-huawei/src/load_balancers/tests/failure_list/pools.rs",
    "provider-huawei/src/load_balancers/tests/failure_list/cost.rs",
];
const PREFIXES: [&str; 6] = ["issue_", "pr_", "seen_", "dh_", "deckhouse_", "cost_"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    row: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    section: String,
    item: String,
    what: String,
    #[serde(default)]
    tests: Vec<Named>,
    reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    here: String,
    name: String,
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn source(path: &str) -> Result<String, String> {
    fs::read_to_string(workspace().join(path)).map_err(|error| format!("{path}: {error}"))
}

/// Names of the test functions in a file.
fn tests_in(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if !line.trim_start().starts_with("#[") || !line.contains("test") {
            continue;
        }
        let named = lines.next().and_then(|line| line.split_once("fn ")?.1.split('(').next());
        names.extend(named.map(str::to_owned));
    }
    names
}

fn check_row(row: &Row) -> Vec<String> {
    let Row { section, item, what, tests, reason } = row;
    let about = |problem: String| format!("{section} {item} ({what}): {problem}");
    match reason {
        Some(reason) if tests.is_empty() && reason.len() > 10 => return Vec::new(),
        Some(_) => return vec![about("has tests and a reason, or a reason that is none".to_owned())],
        None if tests.is_empty() => return vec![about("has neither tests nor a reason".to_owned())],
        None => {}
    }
    let missing = |Named { here, name }: &Named| match source(here) {
        Err(problem) => Some(about(problem)),
        Ok(text) if tests_in(&text).contains(name) => None,
        Ok(_) => Some(about(format!("{here} has no test {name}"))),
    };
    tests.iter().filter_map(missing).collect()
}

fn check(list: &str) -> Vec<String> {
    let list: List = match toml::from_str(list) {
        Ok(list) => list,
        Err(error) => return vec![error.to_string()],
    };
    let mut problems: Vec<String> = list.row.iter().flat_map(check_row).collect();
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for row in &list.row {
        *count.entry(&row.section).or_default() += 1;
        if !seen.insert((&row.section, &row.item)) {
            problems.push(format!("{} {} stands twice", row.section, row.item));
        }
    }
    if count != BTreeMap::from(ROWS) {
        problems.push(format!("the list has {count:?} rows"));
    }
    let listed: BTreeSet<&str> = list.row.iter().flat_map(|row| &row.tests).map(|test| test.name.as_str()).collect();
    for file in FILES {
        let tests = source(file).map(|text| tests_in(&text)).unwrap_or_default();
        if tests.is_empty() {
            problems.push(format!("{file} has no test"));
        }
        let of_failures = tests.iter().filter(|name| PREFIXES.iter().any(|prefix| name.starts_with(prefix)));
        problems.extend(
            of_failures
                .filter(|name| !listed.contains(name.as_str()))
                .map(|name| format!("{file}: {name} is not listed")),
        );
    }
    problems
}

fn the_list() -> String {
    source("provider-huawei/tests/failure-list.toml").unwrap()
}

#[test]
fn every_known_failure_is_tested_or_has_its_reason() {
    let problems = check(&the_list());
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn a_wrong_list_is_refused() {
    let list = the_list();
    for (wrong, problem) in [
        (list.replace("seen_9_source_ranges_are_enforced", "seen_9_no_such_test"), "has no test seen_9_no_such_test"),
        (
            list.replace("seen_9_source_ranges_are_enforced", "seen_9_no_such_test"),
            "seen_9_source_ranges_are_enforced is not listed",
        ),
        (list.replacen("section = \"11.3\"", "section = \"11.2\"", 1), "rows"),
        (list.replace("item = \"17\"", "item = \"16\""), "stands twice"),
        (list.replace("provider-huawei/tests/it/nodes.rs", "no/such/file.rs"), "no/such/file.rs"),
        (format!("{list}\n[[row]]\nsection = \"11.3\"\nitem = \"x\"\nwhat = \"y\"\n"), "neither tests nor a reason"),
    ] {
        let problems = check(&wrong).join("\n");
        assert!(problems.contains(problem), "{problem} is not among: {problems}");
    }
}
