//! The ways clouds cut listings into pages. Each answers the rows of the page and what the next one is asked for with.

use super::Problem;

/// A page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// Its rows.
    pub rows: Vec<T>,
    /// Id of the last row, when there are more after it.
    pub next: Option<String>,
    /// Id of the first row, when there are others before it.
    pub previous: Option<String>,
    /// How many rows there are in all.
    pub total: usize,
}

/// A page that starts after the row whose id is the marker. A marker that is no row's is refused.
pub fn by_marker<T>(
    rows: Vec<T>,
    id_of: impl Fn(&T) -> &str,
    marker: Option<&str>,
    limit: usize,
) -> Result<Page<T>, Problem> {
    let start = match marker {
        None => 0,
        Some(marker) => {
            let at = rows.iter().position(|row| id_of(row) == marker);
            at.ok_or_else(|| Problem::bad_parameter("marker", format!("{marker} is not the id of a row")))? + 1
        }
    };
    Ok(cut(rows, id_of, start, limit))
}

/// A page that starts where a marker says that is none of the rows' ids and nothing to be read by callers. It names the last row that
/// was shown, and its place for the case that it is gone.
pub fn by_opaque_marker<T>(
    rows: Vec<T>,
    id_of: impl Fn(&T) -> &str,
    marker: Option<&str>,
    limit: usize,
) -> Result<Page<T>, Problem> {
    let start = match marker {
        None => 0,
        Some(marker) => {
            let unknown = || Problem::bad_parameter("marker", format!("{marker} is not one that was given out"));
            let text = hex::decode(marker).ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(unknown)?;
            let (place, id) = text.split_once(' ').ok_or_else(unknown)?;
            let place = place.parse::<usize>().map_err(|_| unknown())?;
            rows.iter().position(|row| id_of(row) == id).map_or(place, |at| at + 1)
        }
    };
    let mut page = cut(rows, id_of, start, limit);
    page.next = page.next.map(|id| hex::encode(format!("{} {id}", start + page.rows.len())));
    Ok(page)
}

/// The page of a number, counted from 1.
pub fn by_number<T>(rows: Vec<T>, id_of: impl Fn(&T) -> &str, number: usize, size: usize) -> Page<T> {
    let start = number.saturating_sub(1).saturating_mul(size);
    cut(rows, id_of, start, size)
}

/// A page that starts at the row of a number, counted from 0.
pub fn by_offset<T>(rows: Vec<T>, id_of: impl Fn(&T) -> &str, offset: usize, limit: usize) -> Page<T> {
    cut(rows, id_of, offset, limit)
}

fn cut<T>(rows: Vec<T>, id_of: impl Fn(&T) -> &str, start: usize, limit: usize) -> Page<T> {
    let total = rows.len();
    let end = start.saturating_add(limit);
    let rows: Vec<_> = rows.into_iter().skip(start).take(limit).collect();
    let next = rows.last().filter(|_| end < total).map(|row| id_of(row).to_owned());
    let previous = rows.first().filter(|_| start > 0).map(|row| id_of(row).to_owned());
    Page { rows, next, previous, total }
}

/// The size of a page: what is asked for, within bounds.
pub fn size(asked: Option<usize>, default: usize, max: usize) -> Result<usize, Problem> {
    match asked {
        None => Ok(default),
        Some(limit) if limit <= max => Ok(limit),
        Some(limit) => Err(Problem::bad_parameter("limit", format!("{limit} is more than {max}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: [&str; 5] = ["a", "b", "c", "d", "e"];

    #[track_caller]
    fn check(page: &Page<&str>, rows: &[&str], next: Option<&str>) {
        assert_eq!(page.rows, rows);
        assert_eq!((page.next.as_deref(), page.total), (next, 5));
    }

    #[test]
    fn pages_follow_one_another_to_the_end() {
        let marked = |marker, limit| by_marker(ROWS.to_vec(), |row| row, marker, limit).unwrap();
        check(&marked(None, 2), &["a", "b"], Some("b"));
        check(&marked(Some("b"), 2), &["c", "d"], Some("d"));
        check(&marked(Some("d"), 2), &["e"], None);
        check(&marked(Some("e"), 2), &[], None);
        check(&marked(None, 5), &ROWS, None);
        let numbered = |number| by_number(ROWS.to_vec(), |row| row, number, 3);
        check(&numbered(1), &["a", "b", "c"], Some("c"));
        check(&numbered(2), &["d", "e"], None);
        check(&numbered(3), &[], None);
        check(&by_offset(ROWS.to_vec(), |row| row, 1, 2), &["b", "c"], Some("c"));
    }

    #[test]
    fn a_marker_that_is_no_row_is_refused() {
        assert!(by_marker(ROWS.to_vec(), |row| row, Some("x"), 2).is_err());
        for marker in ["b", "x", "00", &hex::encode("b"), &hex::encode("two b")] {
            assert!(by_opaque_marker(ROWS.to_vec(), |row| row, Some(marker), 2).is_err(), "{marker}");
        }
    }

    #[test]
    fn an_opaque_marker_leads_on_even_when_its_row_is_gone() {
        let opaque = |rows: &[&'static str], marker: Option<&str>| {
            by_opaque_marker(rows.to_vec(), |row| row, marker, 2).unwrap()
        };
        let first = opaque(&ROWS, None);
        assert!(first.next.as_ref().is_some_and(|next| !ROWS.contains(&next.as_str())));
        assert_eq!(opaque(&ROWS, first.next.as_deref()).rows, ["c", "d"]);
        assert_eq!(opaque(&["a", "c", "b", "d"], first.next.as_deref()).rows, ["d"]);
        assert_eq!(opaque(&["a", "c", "d", "e"], first.next.as_deref()).rows, ["d", "e"]);
        let second = opaque(&ROWS, first.next.as_deref());
        assert_eq!(
            opaque(&ROWS, second.next.as_deref()),
            Page { rows: vec!["e"], next: None, previous: Some("e".to_owned()), total: 5 }
        );
    }
}
