//! No file names the machine it was written on: its folders, or the hosts it fetches packages from.

use anyhow::Result;

use super::tree::Tree;

/// Folders in which people and build machines work, as absolute paths. In pieces, so that this file passes too. `/home/` is
/// not among them: examples use it.
const FOLDERS: [&str; 4] =
    [concat!("/ro", "ot/"), concat!("/wo", "rk/"), concat!("/Us", "ers/"), concat!("/tmp", "/w/")];

/// Hosts of package registries. Which one is used is the reader's setting.
const HOSTS: [&str; 9] = [
    concat!("proxy.gol", "ang.org"),
    concat!("sum.gol", "ang.org"),
    concat!("goproxy", "."),
    concat!("index.cra", "tes.io"),
    concat!("static.cra", "tes.io"),
    concat!("registry.npm", "js.org"),
    concat!("py", "pi.org"),
    concat!("artifact", "ory."),
    concat!("nex", "us."),
];

/// Looks through every text file.
pub(super) fn check(tree: &Tree) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    for file in &tree.files {
        // What is not UTF-8 was not written by hand.
        if let Ok(text) = String::from_utf8(std::fs::read(tree.root.join(file))?) {
            wrong.extend(check_file(file, &text));
        }
    }
    Ok(wrong)
}

fn check_file(path: &str, text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let place = format!("{path}:{}", at + 1);
        let folders = FOLDERS.iter().filter(|folder| names_folder(line, folder));
        wrong.extend(folders.map(|folder| format!("{place}: `{folder}` is a folder of one machine")));
        let hosts = HOSTS.iter().filter(|host| line.contains(*host));
        wrong.extend(
            hosts.map(|host| format!("{place}: `{host}` is a package registry; leave it to the reader's settings")),
        );
    }
    wrong
}

/// Whether an absolute path under the folder begins in the line: `x/work/` is relative.
fn names_folder(line: &str, folder: &str) -> bool {
    let continues = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '}' | ')' | '/');
    line.match_indices(folder).any(|(at, _)| !line[..at].chars().next_back().is_some_and(continues))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traces_of_a_machine_are_found() {
        #[track_caller]
        fn check(line: &str, found: bool) {
            assert_eq!(!check_file("x", line).is_empty(), found, "{line}");
        }
        for folder in FOLDERS {
            check(&format!("see {folder}somewhere"), true);
            check(&format!("path = \"{folder}x\""), true);
            check(&format!("a{folder}x is relative"), false);
            check(&format!("https://example.com{folder}x"), false);
        }
        for host in HOSTS {
            check(&format!("url = https://{host}/x"), true);
        }
        check("registry+https://github.com/rust-lang/crates.io-index", false);
        check("/run/cloud-provider/provider.sock", false);
        check("", false);
    }

    #[test]
    fn the_place_is_named() {
        let found = check_file("a.md", &format!("one\ntwo {}x\n", FOLDERS[0]));
        assert!(found[0].starts_with("a.md:2: "), "{found:?}");
    }
}
