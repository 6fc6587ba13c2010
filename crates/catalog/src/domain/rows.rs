use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use types::{BookId, ID_MAX, Isbn, UnixMillis};

use super::{Book, Op, Outcome, Publish, Refusal, Revision, Unpublish, Update};

/// The numbers that the catalog hands out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counters {
    /// No id generated from here on is smaller: the smallest id that was neither generated nor skipped.
    pub next_id: u64,
    /// The revision of the last change.
    pub last_revision: Revision,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            next_id: 1,
            last_revision: Revision::START,
        }
    }
}

/// The rows that a batch of operations touches, and what it did to them.
///
/// A store first puts in: every book that an operation names, the owner of every ISBN that an
/// operation wants, and, if ids are to be generated, the ids in use from
/// `counters().next_id` on, as far as they can matter ([`Rows::note_taken_id`]).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rows {
    books: BTreeMap<BookId, Arc<Book>>,
    isbn_owners: BTreeMap<Isbn, BookId>,
    taken_ids: BTreeSet<BookId>,
    counters: Counters,
    /// The changed books as they were before; `None` if they are new.
    before: BTreeMap<BookId, Option<Arc<Book>>>,
}

impl Rows {
    /// Starts with no books.
    pub fn new(counters: Counters) -> Self {
        Self {
            counters,
            ..Self::default()
        }
    }

    /// Puts in a book as it is stored, with the ISBN it owns.
    pub fn put_book(&mut self, book: Arc<Book>) {
        if let Some(isbn) = book.details.isbn_key() {
            self.isbn_owners.insert(isbn.clone(), book.id);
        }
        self.books.insert(book.id, book);
    }

    /// Notes that the book `owner` has the ISBN `isbn`.
    pub fn put_isbn_owner(&mut self, isbn: Isbn, owner: BookId) {
        self.isbn_owners.insert(isbn, owner);
    }

    /// Notes that an id is in use, without its book.
    pub fn note_taken_id(&mut self, id: BookId) {
        self.taken_ids.insert(id);
    }

    /// The counters as they are now.
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// Every book that is known, by ascending id.
    pub fn books(&self) -> impl Iterator<Item = &Arc<Book>> {
        self.books.values()
    }

    /// One book, where it is known.
    pub fn book(&self, id: BookId) -> Option<&Arc<Book>> {
        self.books.get(&id)
    }

    /// Carries out one operation, wholly or not at all.
    ///
    /// Idempotent, except for publishing: an update to the same details, and unpublishing an
    /// unpublished book, change nothing, not even a time.
    pub fn apply(&mut self, op: &Op) -> Outcome {
        match op {
            Op::Publish(publish) => self.publish(publish),
            Op::Update(update) => self.update(update),
            Op::Unpublish(unpublish) => self.unpublish(*unpublish),
        }
    }

    /// The books that were changed, by ascending id: as they were (`None`: new) and as they are.
    pub fn changes(&self) -> impl Iterator<Item = (Option<&Arc<Book>>, &Arc<Book>)> {
        self.before
            .iter()
            .filter_map(|(id, before)| Some((before.as_ref(), self.books.get(id)?)))
    }

    /// Makes the present state the one from which changes are counted.
    pub fn settle(&mut self) {
        self.before.clear();
    }

    fn publish(&mut self, publish: &Publish) -> Outcome {
        let id = match publish.id {
            Some(id) if self.is_taken(id) => return Err(Refusal::IdExists),
            Some(id) => id,
            None => self.next_free_id().ok_or(Refusal::IdExists)?,
        };
        self.check_isbn(publish.details.isbn_key(), id)?;
        // The counter moves past an id only when the id is used: a refused publication leaves no
        // gap, and a caller who numbers books in step with the counter does not make it search for
        // a free id.
        if publish.id.is_none() || id.get() == self.counters.next_id {
            self.counters.next_id = id.get().saturating_add(1);
        }
        let (at, revision) = (publish.at, self.next_revision());
        Ok(self.store(Book {
            id,
            details: publish.details.clone(),
            created_at: at,
            updated_at: at,
            unpublished: false,
            revision,
        }))
    }

    fn update(&mut self, update: &Update) -> Outcome {
        let book = self.books.get(&update.id).ok_or(Refusal::NotFound)?.clone();
        let details = update.patch.applied_to(&book.details);
        if details == book.details {
            return Ok(book);
        }
        self.check_isbn(details.isbn_key(), book.id)?;
        Ok(self.replace(
            Book {
                details,
                ..Book::clone(&book)
            },
            update.at,
        ))
    }

    fn unpublish(&mut self, unpublish: Unpublish) -> Outcome {
        let book = self
            .books
            .get(&unpublish.id)
            .ok_or(Refusal::NotFound)?
            .clone();
        if book.unpublished {
            return Ok(book);
        }
        Ok(self.replace(
            Book {
                unpublished: true,
                ..Book::clone(&book)
            },
            unpublish.at,
        ))
    }

    fn is_taken(&self, id: BookId) -> bool {
        self.books.contains_key(&id) || self.taken_ids.contains(&id)
    }

    fn next_free_id(&self) -> Option<BookId> {
        (self.counters.next_id..=ID_MAX)
            .map_while(BookId::new)
            .find(|id| !self.is_taken(*id))
    }

    fn check_isbn(&self, isbn: Option<&Isbn>, id: BookId) -> Result<(), Refusal> {
        match isbn.and_then(|isbn| self.isbn_owners.get(isbn)) {
            Some(owner) if *owner != id => Err(Refusal::IsbnExists),
            _ => Ok(()),
        }
    }

    fn next_revision(&mut self) -> Revision {
        self.counters.last_revision = self.counters.last_revision.next();
        self.counters.last_revision
    }

    fn replace(&mut self, book: Book, at: UnixMillis) -> Arc<Book> {
        let revision = self.next_revision();
        // Replicas' clocks may differ a little; a book's times still never run backwards.
        let updated_at = at.max(book.updated_at);
        self.store(Book {
            updated_at,
            revision,
            ..book
        })
    }

    fn store(&mut self, book: Book) -> Arc<Book> {
        let book = Arc::new(book);
        let old = self.books.get(&book.id).cloned();
        if let Some(isbn) = old.as_ref().and_then(|old| old.details.isbn_key()) {
            self.isbn_owners.remove(isbn);
        }
        self.put_book(book.clone());
        self.before.entry(book.id).or_insert(old);
        book
    }
}

#[cfg(test)]
mod tests;
