//! The map in ARCHITECTURE.md: every room of the workspace is on it, and nothing else is.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail, ensure};

use super::tree::Tree;

/// The heading under which the table stands.
const HEADING: &str = "## Rooms";

/// Top-level folders and files that are no rooms.
const NO_ROOMS: [&str; 1] = [".cargo"];

/// A line of the map.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Room {
    /// Folder, without the last slash.
    pub(super) dir: String,
    /// Name of its crate; `None` for a folder without one.
    pub(super) krate: Option<String>,
    /// Which of our crates it may depend on.
    pub(super) may_use: Uses,
}

/// What a room may depend on, of ours.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Uses {
    /// These crates.
    Only(BTreeSet<String>),
    /// Whatever it likes.
    Anything,
}

/// Reads the table: folder, crate, what it holds, what it may depend on.
pub(super) fn rooms(architecture: &str) -> Result<Vec<Room>> {
    let section = architecture.split(&format!("\n{HEADING}\n")).nth(1);
    let section = section.with_context(|| format!("ARCHITECTURE.md has no section `{HEADING}`"))?;
    let section = section.split("\n## ").next().unwrap_or(section);
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let rooms = rows.map(row).collect::<Result<Vec<_>>>()?;
    ensure!(!rooms.is_empty(), "ARCHITECTURE.md: section `{HEADING}` has no table");
    Ok(rooms)
}

fn row(line: &str) -> Result<Room> {
    let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
    let &[dir, krate, _holds, may_use] = cells.as_slice() else {
        bail!("ARCHITECTURE.md: not four cells: {line}");
    };
    let may_use = match may_use {
        "anything" => Uses::Anything,
        "–" => Uses::Only(BTreeSet::new()),
        list => Uses::Only(list.split(", ").map(|name| name.trim_matches('`').to_owned()).collect()),
    };
    let krate = (krate != "–").then(|| krate.trim_matches('`').to_owned());
    Ok(Room { dir: dir.trim_matches('`').trim_end_matches('/').to_owned(), krate, may_use })
}

/// Compares the map with the workspace.
pub(super) fn check(rooms: &[Room], tree: &Tree) -> Vec<String> {
    let mut wrong = Vec::new();
    for package in &tree.packages {
        match rooms.iter().find(|room| room.dir == package.dir) {
            None => wrong.push(format!("ARCHITECTURE.md: `{}/` ({}) is not on the map", package.dir, package.name)),
            Some(room) if room.krate.as_ref() != Some(&package.name) => {
                let said = room.krate.as_deref().unwrap_or("–");
                wrong.push(format!("ARCHITECTURE.md: the crate in `{}/` is {}, not {said}", package.dir, package.name));
            }
            Some(_) => {}
        }
    }
    for room in rooms {
        let there = tree.files.iter().any(|file| super::tree::is_inside(file, &room.dir));
        let package = tree.packages.iter().any(|package| package.dir == room.dir);
        if !there {
            wrong.push(format!("ARCHITECTURE.md: `{}/` is on the map and not in the tree", room.dir));
        } else if room.krate.is_some() && !package {
            wrong.push(format!("ARCHITECTURE.md: `{}/` has no crate", room.dir));
        }
    }
    let folders: BTreeSet<&str> = tree.files.iter().filter_map(|file| Some(file.split_once('/')?.0)).collect();
    for folder in folders.iter().filter(|folder| !NO_ROOMS.contains(*folder)) {
        if !rooms.iter().any(|room| super::tree::is_inside(&room.dir, folder)) {
            wrong.push(format!("ARCHITECTURE.md: `{folder}/` is not on the map"));
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{super::tree::Package, *};

    const MAP: &str = "# A\n\n## Rooms\n\n| folder | crate | holds | may depend on |\n| --- | --- | --- | --- |\n\
        | `a/` | `a-crate` | words | – |\n| `b/c/` | `c` | more | `a-crate`, `d` |\n| `t/` | `t` | x | anything |\n\
        | `docs/` | – | text | – |\n\n## Next\n\n| `z/` | `z` | not of this table | – |\n";

    fn tree(files: &[&str], packages: &[(&str, &str)]) -> Tree {
        let package = |&(name, dir): &(&str, &str)| Package {
            name: name.to_owned(),
            dir: dir.to_owned(),
            dependencies: Vec::new(),
            targets: Vec::new(),
        };
        Tree {
            root: PathBuf::new(),
            files: files.iter().map(|&file| file.to_owned()).collect(),
            packages: packages.iter().map(package).collect(),
        }
    }

    #[test]
    fn the_table_of_the_section_is_read() {
        let rooms = rooms(MAP).unwrap();
        let dirs: Vec<&str> = rooms.iter().map(|room| room.dir.as_str()).collect();
        assert_eq!(dirs, ["a", "b/c", "t", "docs"]);
        assert_eq!(rooms[1].krate.as_deref(), Some("c"));
        assert_eq!(rooms[1].may_use, Uses::Only(["a-crate".to_owned(), "d".to_owned()].into()));
        assert_eq!(rooms[2].may_use, Uses::Anything);
        assert_eq!(rooms[3].krate, None);
    }

    #[test]
    fn a_map_that_lost_its_table_is_an_error() {
        assert!(rooms("# A\n").is_err());
        assert!(rooms("# A\n\n## Rooms\n\ntext\n").is_err());
        assert!(rooms("# A\n\n## Rooms\n\n| `a/` | `a` |\n").is_err());
    }

    #[test]
    fn the_map_is_compared_with_the_workspace() {
        #[track_caller]
        fn check(files: &[&str], packages: &[(&str, &str)], expected: &[&str]) {
            let found = super::check(&rooms(MAP).unwrap(), &tree(files, packages));
            assert_eq!(found.len(), expected.len(), "{found:#?}");
            for (found, expected) in found.iter().zip(expected) {
                assert!(found.contains(expected), "{found} does not say {expected}");
            }
        }
        let files = ["README.md", ".cargo/config.toml", "a/x.rs", "b/c/x.rs", "t/x.rs", "docs/x.md"];
        let packages = [("a-crate", "a"), ("c", "b/c"), ("t", "t")];
        check(&files, &packages, &[]);
        check(&[&files[..], &["e/x.rs"]].concat(), &packages, &["`e/` is not on the map"]);
        check(&files[..5], &packages, &["`docs/` is on the map and not in the tree"]);
        check(&files, &packages[..2], &["`t/` has no crate"]);
        check(&files, &[packages[0], ("d", "b/c"), packages[2]], &["the crate in `b/c/` is d, not c"]);
        check(&files, &[&packages[..], &[("n", "b/n")]].concat(), &["`b/n/` (n) is not on the map"]);
    }
}
