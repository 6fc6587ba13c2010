//! Texts that are longer than a book may have, made to fit by rules that are stated to the user.

/// The longest title, in characters.
const TITLE_CHARS_MAX: usize = 200;
/// The longest author, in characters.
const AUTHOR_CHARS_MAX: usize = 100;
/// The longest description, in bytes.
const DESCRIPTION_BYTES_MAX: usize = 65_535;
/// Stands for what was cut off.
const CUT: &str = "…";

/// What parts names, the surest sign first, and how names are put together again.
const SEPARATORS: [(char, &str); 6] = [
    (';', "; "),
    ('；', "；"),
    ('|', " | "),
    ('、', "、"),
    ('，', "，"),
    (',', ", "),
];

/// Cuts a title to at most 200 characters, the last of them `…`; `None` where it fits.
pub(super) fn shorten_title(title: &str) -> Option<String> {
    cut_chars(title, TITLE_CHARS_MAX)
}

/// Leaves out the last names until the rest and ` et al.` (after Chinese names `等`) have at most
/// 100 characters; a single name is cut like a title. `None` where it fits.
pub(super) fn shorten_authors(authors: &str) -> Option<String> {
    if count(authors) <= AUTHOR_CHARS_MAX {
        return None;
    }
    let separator = SEPARATORS
        .into_iter()
        .find(|(mark, _)| authors.contains(*mark));
    let whole_names = separator.and_then(|(mark, joint)| keep_names(authors.split(mark), joint));
    whole_names.or_else(|| cut_chars(authors, AUTHOR_CHARS_MAX))
}

/// Cuts a description to at most 65,535 bytes and ends it with `…`; `None` where it fits.
pub(super) fn shorten_description(description: &str) -> Option<String> {
    if description.len() <= DESCRIPTION_BYTES_MAX {
        return None;
    }
    let end = description.floor_char_boundary(DESCRIPTION_BYTES_MAX.saturating_sub(CUT.len()));
    Some(format!(
        "{}{CUT}",
        description.get(..end).unwrap_or_default().trim_end()
    ))
}

fn keep_names<'a>(names: impl Iterator<Item = &'a str>, joint: &str) -> Option<String> {
    let mut kept = String::new();
    let mut fits = None;
    for name in names.map(str::trim).filter(|name| !name.is_empty()) {
        if !kept.is_empty() {
            kept.push_str(joint);
        }
        kept.push_str(name);
        let marked = if kept.is_ascii() || !kept.chars().any(is_han) {
            format!("{kept} et al.")
        } else {
            format!("{kept}等")
        };
        if count(&marked) > AUTHOR_CHARS_MAX {
            break;
        }
        fits = Some(marked);
    }
    fits
}

fn is_han(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{20000}'..='\u{3ffff}')
}

fn cut_chars(text: &str, chars_max: usize) -> Option<String> {
    if count(text) <= chars_max {
        return None;
    }
    let kept: String = text.chars().take(chars_max.saturating_sub(1)).collect();
    Some(format!("{}{CUT}", kept.trim_end()))
}

fn count(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_stays() {
        assert_eq!(shorten_title(&"书".repeat(200)), None);
        assert_eq!(shorten_authors(&"名".repeat(100)), None);
        assert_eq!(shorten_description(&"a".repeat(65_535)), None);
    }

    #[test]
    fn whole_names_are_kept() {
        let english = ["Neil Gaiman"; 12].join(", ");
        let short = shorten_authors(&english).unwrap();
        assert_eq!(short, format!("{} et al.", ["Neil Gaiman"; 7].join(", ")));
        let chinese = ["司马相如"; 30].join("、");
        let short = shorten_authors(&chinese).unwrap();
        assert_eq!(short, format!("{}等", ["司马相如"; 20].join("、")));
        // The surer separator counts: a comma may stand inside a name.
        let inverted = ["Gaiman, Neil"; 12].join("; ");
        assert!(
            shorten_authors(&inverted)
                .unwrap()
                .ends_with("Gaiman, Neil et al.")
        );
    }

    #[test]
    fn one_long_name_is_cut() {
        for name in ["n".repeat(101), format!("{}, B", "n".repeat(120))] {
            let short = shorten_authors(&name).unwrap();
            assert_eq!((count(&short), short.ends_with('…')), (100, true), "{name}");
        }
    }

    #[test]
    fn long_titles_and_descriptions_are_cut_between_characters() {
        let title = shorten_title(&"书".repeat(201)).unwrap();
        assert_eq!((count(&title), title.ends_with("书…")), (200, true));
        let description = shorten_description(&"书".repeat(30_000)).unwrap();
        assert!(description.len() <= 65_535 && description.ends_with("书…"));
    }
}
