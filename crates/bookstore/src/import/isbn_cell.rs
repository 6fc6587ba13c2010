//! The cells that should hold an ISBN.

use types::{Isbn, IsbnRepair, repair_isbn};

use super::cells::half_width;
use super::finding::Repair;

/// Reads the first ISBN among `cells` that is valid, as an ISBN-13, and tells what was done to it.
///
/// Blank cells count for nothing. Where none of the others is valid, the book has no ISBN.
pub(super) fn read_isbn<'a>(
    cells: impl Iterator<Item = &'a str>,
) -> (Option<String>, Option<Repair>) {
    let mut unusable: Vec<String> = Vec::new();
    for cell in cells {
        let Some(was) = bare(cell) else { continue };
        match repair_isbn(&was) {
            IsbnRepair::Valid(now) => {
                let converted = Isbn::new(&was).is_some_and(|isbn| isbn.as_str() != now);
                let repair = converted.then(|| Repair::IsbnConverted {
                    was,
                    now: now.clone(),
                });
                return (Some(now), repair);
            }
            IsbnRepair::LeadingZerosRestored(now) => {
                return (
                    Some(now.clone()),
                    Some(Repair::IsbnZerosRestored { was, now }),
                );
            }
            IsbnRepair::Invalid => unusable.push(was),
        }
    }
    let dropped = (!unusable.is_empty()).then(|| Repair::IsbnDropped {
        was: unusable.join(", "),
    });
    (None, dropped)
}

/// The cell without what spreadsheets and people put around an ISBN; `None` where it is blank.
fn bare(cell: &str) -> Option<String> {
    let text = half_width(cell).to_uppercase();
    let text = text.trim().trim_start_matches("=\"").trim_end_matches('"');
    let text = text
        .strip_prefix("ISBN")
        .unwrap_or(text)
        .trim_start_matches(['-', ':', ' ']);
    let text = text.strip_suffix(".0").unwrap_or(text).trim();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn isbns_are_repaired_converted_or_dropped() {
        let now = || "9780439023481".to_owned();
        let zeros = |was: &str| {
            Some(Repair::IsbnZerosRestored {
                was: was.to_owned(),
                now: now(),
            })
        };
        let converted = |was: &str| {
            Some(Repair::IsbnConverted {
                was: was.to_owned(),
                now: now(),
            })
        };
        let dropped = |was: &str| {
            Some(Repair::IsbnDropped {
                was: was.to_owned(),
            })
        };
        let cases: [(&[&str], _, _); 13] = [
            (&["9780439023481"], Some(now()), None),
            (&["978-0-439-02348-1"], Some(now()), None),
            (&["ISBN: 978 0 439 02348 1"], Some(now()), None),
            (&["=\"9780439023481\""], Some(now()), None),
            (&["9780439023481.0"], Some(now()), None),
            (&["９７８０４３９０２３４８１"], Some(now()), None),
            (&["0439023483"], Some(now()), converted("0439023483")),
            (&["439023483"], Some(now()), zeros("439023483")),
            // The rounded float is of no use, the ISBN-10 beside it is.
            (
                &["9.78043902348e+12", "439023483"],
                Some(now()),
                zeros("439023483"),
            ),
            (
                &["9.78043902348e+12", ""],
                None,
                dropped("9.78043902348E+12"),
            ),
            (&["439023484"], None, dropped("439023484")),
            (&["", " "], None, None),
            (&[], None, None),
        ];
        for (cells, isbn, repair) in cases {
            assert_eq!(
                read_isbn(cells.iter().copied()),
                (isbn, repair),
                "{cells:?}"
            );
        }
    }
}
