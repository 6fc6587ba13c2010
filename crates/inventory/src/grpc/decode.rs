//! Decodes messages into values that are valid by construction; all violations are reported at once.

use api::inventory::v1 as wire;
use types::{BookId, ID_MAX, IdempotencyKey, KEY_BYTES_MAX, Quantity, Violations};

use crate::domain::{
    BASKET_ITEMS_MAX, Basket, BasketError, BatchDeduct, Deduct, Line, Reference, Release, Restock,
};

/// The most batches that one call may carry out.
const BATCHES_MAX: usize = 128;
/// The most books that one read may ask for.
const BOOKS_READ_MAX: usize = 500;

pub(super) fn restock(request: &wire::RestockInventoryRequest) -> Result<Restock, Violations> {
    let mut wrong = Violations::default();
    let line = read_line("", request.book_id, request.quantity, &mut wrong);
    let key = read_optional_key(&request.idempotency_key, &mut wrong);
    finish(wrong, line.map(|line| Restock::new(line, key)))
}

pub(super) fn deduct(request: &wire::DeductStockRequest) -> Result<Deduct, Violations> {
    let mut wrong = Violations::default();
    let line = read_line("", request.book_id, request.quantity, &mut wrong);
    let reference = read_reference("", request.reference_id, &mut wrong);
    let key = read_key("", &request.idempotency_key, &mut wrong);
    let deduct = (|| Some(Deduct::new(line?, reference?, key?)))();
    finish(wrong, deduct)
}

pub(super) fn release(request: &wire::ReleaseStockRequest) -> Result<Release, Violations> {
    let mut wrong = Violations::default();
    let line = read_line("", request.book_id, request.quantity, &mut wrong);
    let reference = read_reference("", request.reference_id, &mut wrong);
    let key = read_optional_key(&request.idempotency_key, &mut wrong);
    let release = (|| Some(Release::new(line?, reference?, key)))();
    finish(wrong, release)
}

pub(super) fn batch_deduct(
    request: &wire::BatchDeductStockRequest,
) -> Result<BatchDeduct, Violations> {
    let mut wrong = Violations::default();
    let key = read_key("", &request.idempotency_key, &mut wrong);
    let reference = read_reference("", request.reference_id, &mut wrong);
    let basket = read_basket("", &request.items, &mut wrong);
    let deduct = (|| Some(BatchDeduct::new(basket?, reference?, key?)))();
    finish(wrong, deduct)
}

pub(super) fn batches(
    request: &wire::DeductBatchesRequest,
) -> Result<Vec<BatchDeduct>, Violations> {
    let batches = &request.batches;
    if batches.is_empty() || batches.len() > BATCHES_MAX {
        let wrong = format!("must have 1 to {BATCHES_MAX} batches");
        return Err(Violations::one("batches", wrong));
    }
    let mut wrong = Violations::default();
    let mut deducts = Vec::with_capacity(batches.len());
    for (index, batch) in batches.iter().enumerate() {
        let prefix = format!("batches[{index}].");
        let key = read_key(&prefix, &batch.idempotency_key, &mut wrong);
        let reference = read_reference(&prefix, batch.reference_id, &mut wrong);
        let basket = read_basket(&prefix, &batch.items, &mut wrong);
        deducts.push((|| Some(BatchDeduct::new(basket?, reference?, key?)))());
    }
    finish(wrong, deducts.into_iter().collect())
}

pub(super) fn key(text: &str) -> Result<IdempotencyKey, Violations> {
    let mut wrong = Violations::default();
    let key = read_key("", text, &mut wrong);
    finish(wrong, key)
}

pub(super) fn book(id: u64) -> Result<BookId, Violations> {
    let mut wrong = Violations::default();
    let book = read_book("book_id", id, &mut wrong);
    finish(wrong, book)
}

pub(super) fn books(ids: &[u64]) -> Result<Vec<BookId>, Violations> {
    if ids.len() > BOOKS_READ_MAX {
        let too_many = format!("must have at most {BOOKS_READ_MAX} ids");
        return Err(Violations::one("book_ids", too_many));
    }
    let mut wrong = Violations::default();
    let books: Vec<BookId> = ids
        .iter()
        .enumerate()
        .filter_map(|(index, id)| read_book(&format!("book_ids[{index}]"), *id, &mut wrong))
        .collect();
    finish(wrong, Some(books))
}

fn read_basket(prefix: &str, items: &[wire::StockItem], wrong: &mut Violations) -> Option<Basket> {
    let too_few_or_many = || format!("must have 1 to {BASKET_ITEMS_MAX} items");
    // The count is checked before any item, so that the list of violations stays short.
    if items.is_empty() || items.len() > BASKET_ITEMS_MAX {
        wrong.add(format!("{prefix}items"), too_few_or_many());
        return None;
    }
    let mut lines = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let item_prefix = format!("{prefix}items[{index}].");
        lines.push(read_line(&item_prefix, item.book_id, item.quantity, wrong));
    }
    let lines: Vec<Line> = lines.into_iter().collect::<Option<_>>()?;
    match Basket::new(&lines) {
        Ok(basket) => Some(basket),
        Err(BasketError::Empty | BasketError::TooLong) => {
            wrong.add(format!("{prefix}items"), too_few_or_many());
            None
        }
        Err(BasketError::SumOverflows { index }) => {
            let field = format!("{prefix}items[{index}].quantity");
            wrong.add(
                field,
                format!("must keep the book's sum at {} or below", i32::MAX),
            );
            None
        }
    }
}

fn read_line(prefix: &str, book_id: u64, quantity: i32, wrong: &mut Violations) -> Option<Line> {
    let book = read_book(&format!("{prefix}book_id"), book_id, wrong);
    let field = format!("{prefix}quantity");
    let quantity = wrong.require(&field, Quantity::new(quantity), "must be 1 or more");
    Some(Line {
        book: book?,
        quantity: quantity?,
    })
}

fn read_book(field: &str, id: u64, wrong: &mut Violations) -> Option<BookId> {
    let description = format!("must be between 1 and {ID_MAX}");
    wrong.require(field, BookId::new(id), &description)
}

fn read_reference(prefix: &str, id: u64, wrong: &mut Violations) -> Option<Reference> {
    let description = format!("must be at most {ID_MAX}");
    let field = format!("{prefix}reference_id");
    wrong.require(&field, Reference::new(id), &description)
}

fn read_key(prefix: &str, text: &str, wrong: &mut Violations) -> Option<IdempotencyKey> {
    let description = format!("must have 1 to {KEY_BYTES_MAX} bytes, no control characters");
    let field = format!("{prefix}idempotency_key");
    wrong.require(&field, IdempotencyKey::new(text), &description)
}

fn read_optional_key(text: &str, wrong: &mut Violations) -> Option<IdempotencyKey> {
    if text.is_empty() {
        None
    } else {
        read_key("", text, wrong)
    }
}

/// The value, or all that is wrong; a value is missing exactly where something is wrong.
fn finish<T>(wrong: Violations, value: Option<T>) -> Result<T, Violations> {
    match value {
        Some(value) if wrong.is_empty() => Ok(value),
        _ => Err(wrong),
    }
}
