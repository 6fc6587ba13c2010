//! What there is to tell about a row: why it was refused, what was repaired, what was left alone.

use types::{BookId, Fen};

/// Why a row was not loaded. Its text follows "line 7: ".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("is not UTF-8")]
    NotUtf8,
    #[error("has {found} fields where the header has {expected}: a quote or a comma is astray")]
    FieldCount { found: usize, expected: usize },
    #[error("opens a quote that never closes: nothing behind it was read")]
    NeverCloses,
    #[error("has no {0}")]
    Missing(&'static str),
    #[error("the {0} holds control characters")]
    ControlCharacters(&'static str),
    #[error("the price {} {why}", quote(text))]
    BadPrice { text: String, why: &'static str },
    #[error("the stock {} {why}", quote(text))]
    BadStock { text: String, why: &'static str },
    #[error("has the ISBN {isbn} of line {line}")]
    DuplicateIsbn { isbn: String, line: u64 },
    #[error("has no ISBN, and the title and author of line {line}")]
    DuplicateWords { line: u64 },
    #[error("the ISBN {isbn} belongs to book {}, {}", book.get(), quote(title))]
    IsbnOfAnother {
        isbn: String,
        book: BookId,
        title: String,
    },
    #[error("the ISBN {isbn} belongs to a book that is no longer published")]
    IsbnOfUnpublished { isbn: String },
    #[error("the shop refused it: {0}")]
    Rejected(String),
}

/// What was changed to make a row fit. Its text follows "line 7: ".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Repair {
    #[error("the ISBN {was} had lost its leading zeros: {now}")]
    IsbnZerosRestored { was: String, now: String },
    #[error("the ISBN-10 {was} became the ISBN-13 {now}")]
    IsbnConverted { was: String, now: String },
    #[error("loaded without its ISBN, which is not valid: {}", quote(was))]
    IsbnDropped { was: String },
    #[error("the title of {chars} characters was shortened")]
    TitleShortened { chars: usize },
    #[error("the authors, {chars} characters, were shortened to {}", quote(now))]
    AuthorsShortened { chars: usize, now: String },
    #[error("the description of {bytes} bytes was shortened")]
    DescriptionShortened { bytes: usize },
}

/// What in the shop differs from the row and was left as it is. Its text follows "line 7: ".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Kept {
    #[error("costs {there} in the shop, {file} in the file")]
    Price { there: Fen, file: Fen },
    #[error("is called {} in the shop", quote(there))]
    Title { there: String },
    #[error("is in the shop, but no longer published: not restocked")]
    Unpublished,
    #[error("was stocked by an earlier run, with another number of copies")]
    Stock,
    #[error("the shop refused its stock: {0}")]
    StockRejected(String),
}

impl Repair {
    /// The kind of repair, to go after a count.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::IsbnZerosRestored { .. } => "ISBNs got their leading zeros back",
            Self::IsbnConverted { .. } => "ISBN-10s became ISBN-13s",
            Self::IsbnDropped { .. } => "books without their ISBN, which is not valid",
            Self::TitleShortened { .. } => "titles shortened to 200 characters",
            Self::AuthorsShortened { .. } => "lists of authors shortened to 100 characters",
            Self::DescriptionShortened { .. } => "descriptions shortened to 65535 bytes",
        }
    }
}

impl Kept {
    /// The kind of difference, to go after a count.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Price { .. } => "books with another price in the shop",
            Self::Title { .. } => "books with another title in the shop",
            Self::Unpublished => "books no longer published",
            Self::Stock => "books stocked by an earlier run, with another number",
            Self::StockRejected(_) => "books whose stock was refused",
        }
    }
}

/// A piece of the file for people: short, on one line, nothing in it that a terminal obeys.
fn quote(text: &str) -> String {
    const CHARS_MAX: usize = 60;
    let mut short: String = text
        .chars()
        .take(CHARS_MAX)
        .flat_map(char::escape_debug)
        .collect();
    if text.chars().count() > CHARS_MAX {
        short.push('…');
    }
    format!("“{short}”")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_text_cannot_command_a_terminal() {
        let refusal = Refusal::BadPrice {
            text: "\u{1b}[2Jfree\n".to_owned(),
            why: "is not a number",
        };
        assert_eq!(
            refusal.to_string(),
            "the price “\\u{1b}[2Jfree\\n” is not a number"
        );
        assert_eq!(quote(&"长".repeat(61)), format!("“{}…”", "长".repeat(60)));
    }
}
