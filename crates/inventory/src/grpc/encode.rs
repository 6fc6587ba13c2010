//! Encodes answers as messages.

use api::Reply;
use api::inventory::v1 as wire;
use platform::error::{Class, Classify};
use types::{Code, Locale};

use crate::domain::{Line, Refusal, Stock};
use crate::error::InventoryError;

/// One more than the largest version on the wire.
const WIRE_VERSIONS: i64 = 1 << 31;

pub(super) fn stock(stock: &Stock) -> wire::Stock {
    // The wire has 31 bits for a number that only ever grows: past them it wraps to 0, which still
    // tells one version from the next.
    let version = i32::try_from(stock.version.rem_euclid(WIRE_VERSIONS)).unwrap_or_default();
    wire::Stock {
        book_id: stock.book.get(),
        quantity: stock.quantity,
        reserved: stock.reserved,
        version,
    }
}

pub(super) fn line(line: &Line) -> wire::StockItem {
    wire::StockItem {
        book_id: line.book.get(),
        quantity: line.quantity.get(),
    }
}

/// The reply of `DeductStock`; a refusal for want of stock also says how many copies are free.
pub(super) fn deducted(
    locale: Locale,
    result: Result<i32, InventoryError>,
) -> Result<wire::DeductStockResponse, InventoryError> {
    match result {
        Ok(remaining_quantity) => Ok(wire::DeductStockResponse {
            remaining_quantity,
            ..Default::default()
        }),
        Err(InventoryError::Refused(Refusal::Insufficient { remaining, .. })) => {
            let mut reply: wire::DeductStockResponse = insufficient(locale);
            reply.remaining_quantity = remaining;
            Ok(reply)
        }
        Err(error) => Err(error),
    }
}

/// The reply of `BatchDeductStock`; a refusal for want of stock also names the book.
pub(super) fn batch_deducted(
    locale: Locale,
    result: Result<Vec<Stock>, InventoryError>,
) -> Result<wire::BatchDeductStockResponse, InventoryError> {
    match result {
        Ok(stocks) => {
            let stocks = stocks.iter().map(stock).collect();
            Ok(wire::BatchDeductStockResponse {
                stocks,
                ..Default::default()
            })
        }
        Err(InventoryError::Refused(Refusal::Insufficient { book, .. })) => {
            let mut reply: wire::BatchDeductStockResponse = insufficient(locale);
            reply.failed_book_id = book.get();
            Ok(reply)
        }
        Err(error) => Err(error),
    }
}

/// The reply of `DeductBatches` to one batch; an error means that the whole call has no answer.
pub(super) fn one_of_batches(
    locale: Locale,
    result: Result<Vec<Stock>, InventoryError>,
) -> Result<wire::BatchDeductStockResponse, InventoryError> {
    batch_deducted(locale, result).or_else(|error| match error.class() {
        Class::Refused(code) => Ok(wire::BatchDeductStockResponse::refused(
            code.number(),
            api::message(code, locale),
        )),
        // Whatever became of this one, the others may have been carried out.
        _ => Err(InventoryError::SomeUnanswered(Box::new(error))),
    })
}

fn insufficient<R: Reply>(locale: Locale) -> R {
    let code = Code::InsufficientStock;
    R::refused(code.number(), api::message(code, locale))
}
