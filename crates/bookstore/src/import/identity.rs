//! By what a row is known, in the file, in the shop and in a second run.

use std::fmt::Write;

use types::{BookId, Fen, Fingerprint, Fingerprinter};

/// The rule of [`Identity::derived_price`], for people.
pub(crate) const DERIVED_PRICE_RULE: &str =
    "19 to 99 whole yuan, derived from the book's identity (always the same for the same book)";

/// Derived prices run from here…
const DERIVED_YUAN_MIN: u64 = 19;
/// …over so many whole yuan.
const DERIVED_YUAN_STEPS: u64 = 81;

/// Which book a row means: its ISBN where it has one, else its title and author.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Identity(Fingerprint);

impl Identity {
    /// The book with this ISBN-13.
    pub(super) fn of_isbn(isbn: &str) -> Self {
        Self(Fingerprinter::new(&format!("isbn {isbn}")).finish())
    }

    /// The book of this title and author that has no ISBN. Compared exactly.
    pub(super) fn of_words(title: &str, author: &str) -> Self {
        // No control character gets into a title, so the two cannot run into each other.
        Self(Fingerprinter::new(&format!("title {title}\u{1}author {author}")).finish())
    }

    /// The idempotency key under which the row's stock is added, once and for all.
    pub(super) fn stock_key(self) -> String {
        let mut key = "import-".to_owned();
        for byte in self.0.as_bytes() {
            // Writing to a string cannot fail.
            write!(key, "{byte:02x}").unwrap_or_default();
        }
        key
    }

    /// The id under which a book without an ISBN is published: 2^52 to 2^53 - 1, far from the ids
    /// that the catalog counts out.
    ///
    /// The ISBN keeps a book from being published twice; where there is none, this id does.
    pub(super) fn book_id(self) -> Option<BookId> {
        const LOWEST: u64 = 1 << 52;
        BookId::new(LOWEST | (self.first_number() & (LOWEST - 1)))
    }

    /// A price for a book whose row has none.
    pub(super) fn derived_price(self) -> Fen {
        let yuan =
            DERIVED_YUAN_MIN.saturating_add(self.last_number().rem_euclid(DERIVED_YUAN_STEPS));
        Fen::stored(i64::try_from(yuan.saturating_mul(100)).unwrap_or_default())
    }

    fn first_number(self) -> u64 {
        self.0
            .as_bytes()
            .first_chunk()
            .copied()
            .map_or(0, u64::from_be_bytes)
    }

    fn last_number(self) -> u64 {
        self.0
            .as_bytes()
            .last_chunk()
            .copied()
            .map_or(0, u64::from_be_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_never_changes() {
        // These values are in the databases of everybody who ever imported a file.
        let isbn = Identity::of_isbn("9780439023481");
        let words = Identity::of_words("红楼梦", "曹雪芹");
        assert_eq!(isbn.stock_key(), ISBN_KEY);
        assert_eq!(words.stock_key(), WORDS_KEY);
        assert_eq!(words.book_id().map(BookId::get), Some(WORDS_ID));
    }

    const ISBN_KEY: &str = "import-f423110cfa8b50d0a88ebdeadd72ad89";
    const WORDS_KEY: &str = "import-b32e2732da03448e12725f16acf93f63";
    const WORDS_ID: u64 = 8_487_348_660_814_990;

    #[test]
    fn title_and_author_do_not_run_into_each_other() {
        assert_ne!(Identity::of_words("ab", "c"), Identity::of_words("a", "bc"));
        assert_ne!(Identity::of_words("a", "b"), Identity::of_words("a", "B"));
        assert_ne!(
            Identity::of_words("9780439023481", ""),
            Identity::of_isbn("9780439023481")
        );
    }

    #[test]
    fn derived_values_stay_in_their_bounds() {
        for number in 0..2_000 {
            let identity = Identity::of_words(&format!("book {number}"), "somebody");
            let price = identity.derived_price().get();
            assert!(
                (1_900..=9_900).contains(&price) && price % 100 == 0,
                "{price}"
            );
            let id = identity.book_id().unwrap().get();
            assert!((1 << 52..1 << 53).contains(&id), "{id}");
            assert!(types::IdempotencyKey::new(&identity.stock_key()).is_some());
        }
    }
}
