use std::sync::Arc;

use types::{BookId, Fen, Isbn, UnixMillis};

/// The place of a change among all changes of the catalog: 1, 2, 3, …, over all books.
///
/// Every change of a book takes the next one, and they become visible in their order: whoever
/// has read all up to one need only ask for what is greater. Of two copies of a book the one
/// with the greater revision is the newer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(i64);

impl Revision {
    /// Before the first change.
    pub const START: Self = Self(0);

    /// Takes the number that a database holds.
    pub const fn new(number: i64) -> Self {
        Self(number)
    }

    /// The number that a database holds.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The revision after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// An ISBN as it was given, with the form in which it is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrintedIsbn {
    printed: Arc<str>,
    key: Isbn,
}

impl PrintedIsbn {
    /// Reads an ISBN; `None` if it holds nothing but hyphens and blanks.
    pub fn new(printed: &str) -> Option<Self> {
        Isbn::new(printed).map(|key| Self {
            printed: printed.into(),
            key,
        })
    }

    /// As it was given: the form that replies carry.
    pub fn printed(&self) -> &str {
        &self.printed
    }

    /// As it is compared: the form that is unique.
    pub const fn key(&self) -> &Isbn {
        &self.key
    }
}

/// A book's fields as callers set them, each within its bounds ([`super::Draft`] checks them).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Details {
    /// 1 to 200 characters.
    pub title: String,
    /// 1 to 100 characters.
    pub author: String,
    /// At most 20 characters; `None` where the book has none.
    pub isbn: Option<PrintedIsbn>,
    /// 0 to 10^12 fen.
    pub price: Fen,
    /// At most 65,535 bytes.
    pub description: String,
}

impl Details {
    /// The ISBN as it is compared.
    pub fn isbn_key(&self) -> Option<&Isbn> {
        self.isbn.as_ref().map(PrintedIsbn::key)
    }
}

/// A change of some of a book's details: what is `None` stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Patch {
    /// The new title.
    pub title: Option<String>,
    /// The new author.
    pub author: Option<String>,
    /// The new ISBN; `Some(None)` removes the old one.
    pub isbn: Option<Option<PrintedIsbn>>,
    /// The new price.
    pub price: Option<Fen>,
    /// The new description.
    pub description: Option<String>,
}

impl Patch {
    /// The details with the change applied.
    pub fn applied_to(&self, details: &Details) -> Details {
        Details {
            title: self.title.as_ref().unwrap_or(&details.title).clone(),
            author: self.author.as_ref().unwrap_or(&details.author).clone(),
            isbn: self.isbn.as_ref().unwrap_or(&details.isbn).clone(),
            price: self.price.unwrap_or(details.price),
            description: self
                .description
                .as_ref()
                .unwrap_or(&details.description)
                .clone(),
        }
    }

    /// The ISBN that the change would give the book, as it is compared.
    pub fn isbn_key(&self) -> Option<&Isbn> {
        self.isbn.as_ref()?.as_ref().map(PrintedIsbn::key)
    }
}

/// A book: one row of the table `books`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Book {
    /// Its id, which never changes.
    pub id: BookId,
    /// Its fields as callers set them.
    pub details: Details,
    /// When it was published.
    pub created_at: UnixMillis,
    /// When it last changed; never before `created_at`.
    pub updated_at: UnixMillis,
    /// Whether it was taken out of lists, search and new orders.
    pub unpublished: bool,
    /// The revision of its last change.
    pub revision: Revision,
}

impl Book {
    /// What search needs to know of the book.
    pub fn listing(&self) -> Listing {
        Listing {
            id: self.id,
            title: self.details.title.clone(),
            author: self.details.author.clone(),
            isbn: self.details.isbn_key().cloned(),
            unpublished: self.unpublished,
            revision: self.revision,
        }
    }
}

/// The part of a book that followers of the change sequence read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The book.
    pub id: BookId,
    /// Its title.
    pub title: String,
    /// Its author.
    pub author: String,
    /// Its ISBN as it is compared.
    pub isbn: Option<Isbn>,
    /// Whether search must not find it.
    pub unpublished: bool,
    /// The revision of its last change.
    pub revision: Revision,
}
