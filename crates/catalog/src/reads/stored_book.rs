//! A book as it is stored in Redis: `b1 REVISION JSON`.
//!
//! The tag names the format: a release that changes it takes another tag, and reads old values as no book.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use types::{BookId, Fen, UnixMillis};

use crate::domain::{Book, Details, PrintedIsbn, Revision};

const TAG: &str = "b1";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredBook<'a> {
    id: u64,
    title: Cow<'a, str>,
    author: Cow<'a, str>,
    isbn: Option<Cow<'a, str>>,
    price_fen: i64,
    description: Cow<'a, str>,
    created_at_ms: i64,
    updated_at_ms: i64,
    unpublished: bool,
}

/// The book as a value.
pub(super) fn encode(book: &Book) -> String {
    let details = &book.details;
    let stored = StoredBook {
        id: book.id.get(),
        title: Cow::from(&details.title),
        author: Cow::from(&details.author),
        isbn: details.isbn.as_ref().map(|isbn| isbn.printed().into()),
        price_fen: details.price.get(),
        description: Cow::from(&details.description),
        created_at_ms: book.created_at.get(),
        updated_at_ms: book.updated_at.get(),
        unpublished: book.unpublished,
    };
    // This struct always serialises; an empty JSON would be read as no book.
    let json = serde_json::to_string(&stored).unwrap_or_default();
    format!("{TAG} {} {json}", book.revision.get())
}

/// The book `id` in a value; `None` if the value is no book, or another one.
pub(super) fn decode(id: BookId, value: &[u8]) -> Option<Book> {
    let text = str::from_utf8(value).ok()?;
    let (tag, rest) = text.split_once(' ')?;
    let (revision, json) = rest.split_once(' ')?;
    let stored: StoredBook<'_> = serde_json::from_str(json).ok()?;
    let is_it = tag == TAG && stored.id == id.get();
    let details = Details {
        title: stored.title.into_owned(),
        author: stored.author.into_owned(),
        isbn: stored.isbn.as_deref().and_then(PrintedIsbn::new),
        price: Fen::stored(stored.price_fen),
        description: stored.description.into_owned(),
    };
    is_it.then_some(Book {
        id,
        details,
        created_at: UnixMillis::new(stored.created_at_ms),
        updated_at: UnixMillis::new(stored.updated_at_ms),
        unpublished: stored.unpublished,
        revision: Revision::new(revision.parse().ok()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn book(isbn: Option<&str>) -> Book {
        Book {
            id: BookId::new(types::ID_MAX).unwrap(),
            details: Details {
                title: "三体 \"I\"\n".to_owned(),
                author: "刘慈欣".to_owned(),
                isbn: isbn.and_then(PrintedIsbn::new),
                price: Fen::stored(1_000_000_000_000),
                description: "tab\t and \\ and 😀".to_owned(),
            },
            created_at: UnixMillis::new(1),
            updated_at: UnixMillis::new(1_795_355_045_678),
            unpublished: true,
            revision: Revision::new(9_007_199_254_740_991),
        }
    }

    #[test]
    fn a_book_comes_back_as_it_went_in() {
        for isbn in [None, Some("978-7-5366-9293-0")] {
            let book = book(isbn);
            assert_eq!(decode(book.id, encode(&book).as_bytes()), Some(book));
        }
    }

    #[test]
    fn what_is_no_book_or_another_is_none() {
        let book = book(None);
        let value = encode(&book);
        assert_eq!(decode(BookId::new(1).unwrap(), value.as_bytes()), None);
        let wrong = [
            value.replacen("b1", "b2", 1),
            value.replacen("b1 9", "b1 x", 1),
            value.replacen("price_fen", "price", 1),
            value.replacen('}', "", 1),
            "b1 7".to_owned(),
            String::new(),
        ];
        for value in wrong {
            assert_eq!(decode(book.id, value.as_bytes()), None, "{value}");
        }
        assert_eq!(decode(book.id, b"\xff\xfe"), None);
    }
}
