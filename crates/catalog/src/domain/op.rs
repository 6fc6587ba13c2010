use std::sync::Arc;

use types::{BookId, Code, Isbn, UnixMillis};

use super::{Book, Details, Patch};

/// A change of the catalog, as its writer applies it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Publishes a book.
    Publish(Publish),
    /// Changes a book's details.
    Update(Update),
    /// Takes a book out of lists, search and new orders.
    Unpublish(Unpublish),
}

/// Asks for a new book.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publish {
    /// The id to take; `None`: the next free one.
    pub id: Option<BookId>,
    /// What the book is.
    pub details: Details,
    /// When it was asked for.
    pub at: UnixMillis,
}

/// Asks to change a book, published or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// The book.
    pub id: BookId,
    /// What to change.
    pub patch: Patch,
    /// When it was asked for.
    pub at: UnixMillis,
}

/// Asks to unpublish a book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unpublish {
    /// The book.
    pub id: BookId,
    /// When it was asked for.
    pub at: UnixMillis,
}

impl Op {
    /// What kind of operation it is.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Publish(_) => "catalog.publish",
            Self::Update(_) => "catalog.update",
            Self::Unpublish(_) => "catalog.unpublish",
        }
    }

    /// The id that the operation names; `None` where one is to be generated.
    pub const fn book_id(&self) -> Option<BookId> {
        match self {
            Self::Publish(publish) => publish.id,
            Self::Update(update) => Some(update.id),
            Self::Unpublish(unpublish) => Some(unpublish.id),
        }
    }

    /// The ISBN that the operation would give its book.
    pub fn isbn_key(&self) -> Option<&Isbn> {
        match self {
            Self::Publish(publish) => publish.details.isbn_key(),
            Self::Update(update) => update.patch.isbn_key(),
            Self::Unpublish(_) => None,
        }
    }
}

/// Why a change was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such book.
    NotFound,
    /// A book has that id already (where one was to be generated: every id is taken).
    IdExists,
    /// Another book has that ISBN.
    IsbnExists,
}

impl Refusal {
    /// The business code on the wire.
    pub const fn code(self) -> Code {
        match self {
            Self::NotFound => Code::BookNotFound,
            Self::IdExists => Code::BookIdExists,
            Self::IsbnExists => Code::IsbnExists,
        }
    }
}

/// The book as it is after the operation, or why nothing was done.
pub type Outcome = Result<Arc<Book>, Refusal>;
