//! Early refusal: no saga is begun for a book that is still short.
//!
//! A refusal at the end of the saga costs a commit, to check the stock under a lock, and with a key
//! two more, for the order's row and its end. In a flash sale most requests end that way. Hence the
//! balance of a book that was short a moment ago is read before anything is written, by a read that
//! all who ask at once share. The memory refuses nobody; only the balance read then does.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use platform::context::CallContext;
use platform::deadline::Deadline;
use types::BookId;

use crate::app::App;
use crate::domain::{Basket, Line};

/// How long that read of the balance may take: the saga can do without it.
const LOOK_LIMIT: Duration = Duration::from_millis(300);
/// How many books are remembered. Beyond that all are forgotten.
const LEN_MAX: usize = 1024;

/// Books that were short a moment ago.
pub(crate) struct ShortBooks {
    /// How long a book is remembered.
    remembered_for: Duration,
    /// The books, and until when each is remembered.
    books: Mutex<HashMap<BookId, Deadline>>,
}

impl ShortBooks {
    pub(crate) fn new(remembered_for: Duration) -> Self {
        Self {
            remembered_for,
            books: Mutex::default(),
        }
    }

    /// Notes that this book was short just now.
    pub(super) fn note(&self, book: BookId) {
        let mut books = self.lock();
        if books.len() >= LEN_MAX && !books.contains_key(&book) {
            books.clear();
        }
        books.insert(book, Deadline::after(self.remembered_for));
    }

    /// The lines of `basket` whose books were short a moment ago.
    fn lines_of<'b>(&self, basket: &'b Basket) -> Vec<&'b Line> {
        let mut books = self.lock();
        if books.is_empty() {
            return Vec::new();
        }
        books.retain(|_, end| !end.has_passed());
        let was_short = |line: &&Line| books.contains_key(&line.book_id);
        basket.lines().iter().filter(was_short).collect()
    }

    fn forget(&self, book: BookId) {
        self.lock().remove(&book);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<BookId, Deadline>> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl App {
    /// Whether a book of `basket` that was short a moment ago still is. `false` where nobody
    /// answers: the saga then asks in its own way.
    pub(super) async fn is_short_at_sight(&self, context: &CallContext, basket: &Basket) -> bool {
        let lines = self.short_books.lines_of(basket);
        if lines.is_empty() {
            return false;
        }
        let context = CallContext {
            deadline: context.deadline.earlier(Deadline::after(LOOK_LIMIT)),
            ..context.clone()
        };
        for line in lines {
            match self.inventory.read_free(&context, line.book_id).await {
                Ok(free) if free < line.quantity.get() => {
                    self.short_books.note(line.book_id);
                    return true;
                }
                Ok(_) => self.short_books.forget(line.book_id),
                Err(_) => return false,
            }
        }
        false
    }
}
