//! Table `books`.

use std::collections::BTreeSet;
use std::sync::Arc;

use platform::args;
use platform::db::{DbError, Insert, Matches, Row, Tx, Value};
use types::{BookId, Fen, Isbn, Page};

use super::PublishedPage;
use crate::domain::{Book, Details, Listing, Op, PrintedIsbn, Revision, Rows};

const LOAD: &str = "
SELECT id, title, author, isbn, price, description, created_at, updated_at, unpublished, revision
FROM books WHERE id IN";

const LIST_PUBLISHED: &str = "
SELECT id, title, author, isbn, price, description, created_at, updated_at, unpublished, revision
FROM books WHERE unpublished = 0 ORDER BY id LIMIT ? OFFSET ?";

const COUNT_PUBLISHED: &str = "SELECT COUNT(*) FROM books WHERE unpublished = 0";

const LIST_CHANGES: &str = "
SELECT id, title, author, isbn, unpublished, revision
FROM books WHERE revision > ? ORDER BY revision LIMIT ?";

const FIND_ISBN_OWNERS: &str = "SELECT isbn_key, id FROM books WHERE isbn_key IN";

const LIST_IDS_FROM: &str = "SELECT id FROM books WHERE id >= ? ORDER BY id LIMIT ?";

const INSERT: Insert = Insert {
    table: "books",
    columns: "id, title, author, isbn, isbn_key, price, description, created_at, updated_at, \
        unpublished, revision",
};

const UPDATE: &str = "
UPDATE books SET title = ?, author = ?, isbn = ?, isbn_key = ?, price = ?, description = ?,
                 updated_at = ?, unpublished = ?, revision = ?
WHERE id = ?";

const CLEAR_ISBN: &str = "UPDATE books SET isbn = NULL, isbn_key = NULL WHERE id = ?";

/// How many ids are read at a time when looking for a free one.
const IDS_PAGE_LEN: u32 = 512;

/// Reads the books with these ids.
pub(super) async fn load(tx: &mut Tx, ids: &[BookId]) -> Result<Vec<Arc<Book>>, DbError> {
    let list = ids.iter().copied().map(Value::from).collect();
    tx.query_in(LOAD, list, "")
        .await?
        .iter()
        .map(read_book)
        .collect()
}

/// Reads one page of the published books and counts them.
pub(super) async fn list_published(tx: &mut Tx, page: Page) -> Result<PublishedPage, DbError> {
    let count = tx.query(COUNT_PUBLISHED, args![]).await?;
    let total = count.first().map_or(Ok(0), |row| row.int(0))?;
    let offset = i64::try_from(page.offset()).unwrap_or(i64::MAX);
    let rows = tx.query(LIST_PUBLISHED, args![page.size(), offset]).await?;
    Ok(PublishedPage {
        books: rows.iter().map(read_book).collect::<Result<_, _>>()?,
        total: u64::try_from(total).map_err(|_| DbError::corrupt("COUNT(*) of books"))?,
    })
}

/// Reads the books that changed after `after`.
pub(super) async fn list_changes(
    tx: &mut Tx,
    after: Revision,
    limit: u32,
) -> Result<Vec<Listing>, DbError> {
    let rows = tx.query(LIST_CHANGES, args![after.get(), limit]).await?;
    rows.iter().map(read_listing).collect()
}

/// Loads into `rows` all that the operations of `batch` may touch.
///
/// The counters are locked, so nobody else writes: what is read here stays true until the commit.
pub(super) async fn load_touched(
    tx: &mut Tx,
    batch: &[Op],
    rows: &mut Rows,
) -> Result<(), DbError> {
    let ids: BTreeSet<BookId> = batch.iter().filter_map(Op::book_id).collect();
    let ids: Vec<BookId> = ids.into_iter().collect();
    for book in load(tx, &ids).await? {
        rows.put_book(book);
    }
    load_isbn_owners(tx, batch, rows).await?;
    if batch.iter().any(|op| op.book_id().is_none()) {
        note_taken_ids(tx, batch, rows).await?;
    }
    Ok(())
}

async fn load_isbn_owners(tx: &mut Tx, batch: &[Op], rows: &mut Rows) -> Result<(), DbError> {
    let wanted: BTreeSet<&Isbn> = batch.iter().filter_map(Op::isbn_key).collect();
    let list = wanted.into_iter().map(isbn_value).collect();
    for row in tx.query_in(FIND_ISBN_OWNERS, list, "").await? {
        let key = String::from_utf8(row.bytes(0)?)
            .ok()
            .and_then(|key| Isbn::new(&key));
        let key = key.ok_or_else(|| DbError::corrupt("books.isbn_key"))?;
        rows.put_isbn_owner(key, read_id(&row, 1)?);
    }
    Ok(())
}

/// Notes which ids from the counter on are in use, far enough for every publication of the batch
/// to find a free one. Almost always there are none: one query of an empty range.
async fn note_taken_ids(tx: &mut Tx, batch: &[Op], rows: &mut Rows) -> Result<(), DbError> {
    // An id that the batch itself takes is one less for the others.
    let publications = batch
        .iter()
        .filter(|op| matches!(op, Op::Publish(_)))
        .count();
    let wanted = u64::try_from(publications).unwrap_or(u64::MAX);
    let mut free = 0_u64;
    let mut from = rows.counters().next_id;
    while free < wanted {
        let page = tx
            .query(LIST_IDS_FROM, args![from.cast_signed(), IDS_PAGE_LEN])
            .await?;
        for row in &page {
            let id = read_id(row, 0)?;
            free = free.saturating_add(id.get().saturating_sub(from));
            from = id.get().saturating_add(1);
            rows.note_taken_id(id);
        }
        if page.len() < usize::try_from(IDS_PAGE_LEN).unwrap_or(usize::MAX) {
            break;
        }
    }
    Ok(())
}

/// Writes the books that the batch changed.
pub(super) async fn write_changes(tx: &mut Tx, rows: &Rows) -> Result<(), DbError> {
    let (mut cleared, mut inserted, mut updated) = (Vec::new(), Vec::new(), Vec::new());
    for (before, book) in rows.changes() {
        match before {
            None => inserted.push(insert_args(book)),
            Some(before) => {
                if gives_up_isbn(before, book) {
                    cleared.push(args![book.id]);
                }
                updated.push(update_args(book));
            }
        }
    }
    // ISBNs are given up before they are taken: within one batch an ISBN may pass from book to
    // book, and unique indexes are checked at every statement, not at the commit.
    let books = Matches::OneEach("books");
    tx.execute_each(CLEAR_ISBN, cleared, books).await?;
    tx.insert_rows(&INSERT, inserted).await?;
    tx.execute_each(UPDATE, updated, books).await
}

fn gives_up_isbn(before: &Book, after: &Book) -> bool {
    before.details.isbn.is_some() && before.details.isbn != after.details.isbn
}

fn insert_args(book: &Book) -> Vec<Value> {
    let details = &book.details;
    args![
        book.id,
        details.title.as_str(),
        details.author.as_str(),
        details.isbn.as_ref().map(PrintedIsbn::printed),
        details.isbn_key().map(isbn_value),
        details.price,
        details.description.as_str(),
        book.created_at,
        book.updated_at,
        book.unpublished,
        book.revision.get(),
    ]
}

fn update_args(book: &Book) -> Vec<Value> {
    let details = &book.details;
    args![
        details.title.as_str(),
        details.author.as_str(),
        details.isbn.as_ref().map(PrintedIsbn::printed),
        details.isbn_key().map(isbn_value),
        details.price,
        details.description.as_str(),
        book.updated_at,
        book.unpublished,
        book.revision.get(),
        book.id,
    ]
}

/// ISBN keys are stored as bytes, so that no collation can treat two as equal.
fn isbn_value(isbn: &Isbn) -> Value {
    Value::from(isbn.as_str().as_bytes())
}

fn read_id(row: &Row, column: usize) -> Result<BookId, DbError> {
    BookId::from_i64(row.int(column)?).ok_or_else(|| DbError::corrupt("books.id"))
}

fn read_isbn(row: &Row, column: usize) -> Result<Option<PrintedIsbn>, DbError> {
    let read =
        |printed: String| PrintedIsbn::new(&printed).ok_or_else(|| DbError::corrupt("books.isbn"));
    row.opt_text(column)?.map(read).transpose()
}

fn read_book(row: &Row) -> Result<Arc<Book>, DbError> {
    let price = Fen::price(row.int(4)?).ok_or_else(|| DbError::corrupt("books.price"))?;
    Ok(Arc::new(Book {
        id: read_id(row, 0)?,
        details: Details {
            title: row.text(1)?,
            author: row.text(2)?,
            isbn: read_isbn(row, 3)?,
            price,
            description: row.text(5)?,
        },
        created_at: row.time(6)?,
        updated_at: row.time(7)?,
        unpublished: row.flag(8)?,
        revision: Revision::new(row.int(9)?),
    }))
}

fn read_listing(row: &Row) -> Result<Listing, DbError> {
    Ok(Listing {
        id: read_id(row, 0)?,
        title: row.text(1)?,
        author: row.text(2)?,
        isbn: read_isbn(row, 3)?.map(|isbn| isbn.key().clone()),
        unpublished: row.flag(4)?,
        revision: Revision::new(row.int(5)?),
    })
}
