//! Decodes requests into what `app` takes, collecting all violations of each.

use api::catalog::v1::{Book, PublishBookRequest, SearchBooksRequest, UpdateBookRequest};
use platform::error::Repeat;
use types::{BookId, ID_MAX, Page, TextRule, Violations, checked_text};

use crate::app::{PublishBook, UpdateBook};
use crate::domain::{Draft, Field};

/// The most ids that one request may name.
const BATCH_LEN_MAX: usize = 500;
/// As long as the longest title, so that every title finds its book.
const KEYWORD: TextRule = TextRule {
    chars_min: 1,
    chars_max: 200,
    multiline: false,
};

pub(super) fn publish_book(request: &PublishBookRequest) -> Result<PublishBook, Violations> {
    let mut violations = Violations::default();
    let book = required_book(request.book.as_ref())?;
    let id = (book.id != 0)
        .then(|| check_id("book.id", book.id, &mut violations))
        .flatten();
    let details = draft_of(book).check(&mut violations);
    violations.into_result()?;
    Ok(PublishBook { id, details })
}

/// A repeat of a publication with an id or an ISBN is refused; without either it makes a duplicate.
pub(super) fn repeat_of_publish(request: &PublishBookRequest) -> Repeat {
    match &request.book {
        Some(book) if book.id != 0 || !book.isbn.trim().is_empty() => Repeat::Safe,
        _ => Repeat::Unsafe,
    }
}

pub(super) fn update_book(request: &UpdateBookRequest) -> Result<UpdateBook, Violations> {
    let mut violations = Violations::default();
    let book = required_book(request.book.as_ref())?;
    let id = check_id("book.id", book.id, &mut violations);
    let paths = request
        .update_mask
        .as_ref()
        .map_or(&[][..], |mask| &mask.paths);
    let fields = Field::read_mask(paths, &mut violations);
    let patch = draft_of(book).check_fields(&fields, &mut violations);
    match id {
        Some(id) if violations.is_empty() => Ok(UpdateBook { id, patch }),
        _ => Err(violations),
    }
}

pub(super) fn book_id(field: &str, id: u64) -> Result<BookId, Violations> {
    let mut violations = Violations::default();
    check_id(field, id, &mut violations).ok_or(violations)
}

pub(super) fn book_ids(ids: &[u64]) -> Result<Vec<BookId>, Violations> {
    if ids.len() > BATCH_LEN_MAX {
        let rule = format!("must have at most {BATCH_LEN_MAX} ids");
        return Err(Violations::one("book_ids", rule));
    }
    let mut violations = Violations::default();
    let mut checked = Vec::with_capacity(ids.len());
    for (position, id) in ids.iter().enumerate() {
        checked.extend(check_id(
            &format!("book_ids[{position}]"),
            *id,
            &mut violations,
        ));
    }
    violations.into_result()?;
    Ok(checked)
}

pub(super) fn page(page: i32, page_size: i32) -> Result<Page, Violations> {
    let mut violations = Violations::default();
    let page = Page::read(page, page_size, &mut violations);
    violations.into_result()?;
    Ok(page)
}

pub(super) fn search(request: &SearchBooksRequest) -> Result<(String, Page), Violations> {
    let mut violations = Violations::default();
    let keyword = checked_text("keyword", &request.keyword, KEYWORD, &mut violations);
    let page = Page::read(request.page, request.page_size, &mut violations);
    violations.into_result()?;
    Ok((keyword, page))
}

fn required_book(book: Option<&Book>) -> Result<&Book, Violations> {
    book.ok_or_else(|| Violations::one("book", "must be given"))
}

fn draft_of(book: &Book) -> Draft<'_> {
    Draft {
        title: &book.title,
        author: &book.author,
        isbn: &book.isbn,
        price: book.price,
        description: &book.description,
    }
}

fn check_id(field: &str, id: u64, violations: &mut Violations) -> Option<BookId> {
    let checked = BookId::new(id);
    if checked.is_none() {
        violations.add(field, format!("must be between 1 and {ID_MAX}"));
    }
    checked
}
