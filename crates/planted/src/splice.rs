//! How a text is rewritten so that it chooses at run time between what stood there and its faults.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};

use crate::fault::{Fault, Place};

/// The variable that names the fault of a run.
pub(crate) const VARIABLE: &str = "BOOKSTORE_TEST_PLANT";

/// The crate that all others stand on: every rewritten place can ask it.
pub(crate) const SWITCH_FILE: &str = "crates/types/src/lib.rs";

/// What is appended to [`SWITCH_FILE`] in the copy.
pub(crate) const SWITCH: &str = r#"
extern crate self as types;

/// Whether the fault `name` is planted in this process.
pub fn planted(name: &str) -> bool {
    static CHOSEN: std::sync::LazyLock<Option<String>> =
        std::sync::LazyLock::new(|| std::env::var("BOOKSTORE_TEST_PLANT").ok());
    CHOSEN.as_deref() == Some(name)
}
"#;

/// A place with the name of its fault.
pub(crate) type Named<'a> = (&'a str, &'a Place);

/// Every place, by file.
pub(crate) fn by_file(faults: &[Fault]) -> BTreeMap<&str, Vec<Named<'_>>> {
    let mut files: BTreeMap<&str, Vec<Named<'_>>> = BTreeMap::new();
    for fault in faults {
        for place in &fault.places {
            let places = files.entry(place.file.as_str()).or_default();
            places.push((fault.name.as_str(), place));
        }
    }
    files
}

/// Rewrites `text` with all its places. Faults may share a place; places must not overlap otherwise.
///
/// # Errors
/// A place that is not there exactly once, or that overlaps another one.
pub(crate) fn plant(text: &str, places: &[Named<'_>]) -> anyhow::Result<String> {
    let mut by_start: BTreeMap<usize, (&str, Vec<Named<'_>>)> = BTreeMap::new();
    for (name, place) in places {
        let find = place.find.as_str();
        let mut found = text.match_indices(find).map(|(start, _)| start);
        let start = found
            .next()
            .with_context(|| format!("{name}: what it replaces is not there"))?;
        let again = found.next();
        ensure!(
            !find.is_empty() && again.is_none(),
            "{name}: what it replaces is there more than once"
        );
        let (kept, faults) = by_start.entry(start).or_insert((find, Vec::new()));
        ensure!(*kept == find, "{name}: overlaps another fault");
        faults.push((name, place));
    }
    let mut planted = String::with_capacity(text.len());
    let mut done = 0;
    for (start, (find, faults)) in by_start {
        let before = text.get(done..start);
        planted.push_str(before.with_context(|| format!("{}: overlaps", faults[0].0))?);
        planted.push_str(&choice(find, &faults));
        done = start + find.len();
    }
    planted.push_str(text.get(done..).unwrap_or_default());
    Ok(planted)
}

/// Whole statements, and expressions that are a block, stay without brackets, which would need a
/// semicolon; every other expression gets them, so that operators around it bind as before.
fn choice(find: &str, faults: &[Named<'_>]) -> String {
    let is_open = find.trim_end().ends_with([';', '}']);
    let choices: Vec<String> = faults
        .iter()
        .map(|(name, place)| {
            let plant = place.plant.trim_end();
            format!("if ::types::planted(\"{name}\") {{ {plant} }} else ")
        })
        .collect();
    let choice = format!("{}{{ {find} }}", choices.concat());
    if is_open {
        choice
    } else {
        format!("({choice})")
    }
}

#[cfg(test)]
mod tests {
    //! Proves what a rewritten text looks like, and that places which no longer fit are found.

    use super::*;

    fn place(find: &str, plant: &str) -> Place {
        Place {
            file: "a.rs".to_owned(),
            find: find.to_owned(),
            plant: plant.to_owned(),
        }
    }

    #[test]
    fn expressions_are_bracketed_and_statements_are_not() -> anyhow::Result<()> {
        let (sum, call) = (place("a + b", "a"), place("go();", ""));
        let planted = plant("{ go(); a + b }", &[("sum", &sum), ("call", &call)])?;
        ensure!(
            planted
                == "{ if ::types::planted(\"call\") {  } else { go(); } \
                    (if ::types::planted(\"sum\") { a } else { a + b }) }",
            "{planted}"
        );
        Ok(())
    }

    #[test]
    fn faults_may_share_a_place() -> anyhow::Result<()> {
        let (one, two) = (place("x", "1"), place("x", "2"));
        let planted = plant("x", &[("one", &one), ("two", &two)])?;
        ensure!(
            planted
                == "(if ::types::planted(\"one\") { 1 } else \
                    if ::types::planted(\"two\") { 2 } else { x })",
            "{planted}"
        );
        Ok(())
    }

    #[test]
    fn a_place_that_is_missing_ambiguous_or_overlapping_is_refused() -> anyhow::Result<()> {
        for (finds, complaint) in [
            (vec!["z"], "not there"),
            (vec!["y"], "more than once"),
            (vec!["x y", "y x"], "overlaps"),
            (vec!["x y", "x y x"], "more than once"),
        ] {
            let text = if finds.len() == 1 { "y y" } else { "x y x y" };
            let text = if complaint == "overlaps" {
                "x y x"
            } else {
                text
            };
            let places: Vec<_> = finds.iter().map(|find| place(find, "")).collect();
            let named: Vec<_> = places.iter().map(|place| ("fault", place)).collect();
            let error = plant(text, &named).expect_err("does not fit");
            ensure!(error.to_string().contains(complaint), "{finds:?}: {error}");
        }
        Ok(())
    }

    #[test]
    fn the_switch_reads_the_variable() {
        assert!(SWITCH.contains(VARIABLE));
    }
}
