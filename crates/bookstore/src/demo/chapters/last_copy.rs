//! One copy, two buyers.

use api::catalog::v1::{Book, PublishBookRequest};
use api::inventory::v1::RestockInventoryRequest;
use types::Code;

use super::{PATIENCE, SYSTEMS_PRICE_FEN, basket, cancel_order, find_stock, take_down, tidy_up};
use crate::demo::claim::{done, equal, refused};
use crate::demo::narration::Line;
use crate::demo::stage::{Stage, Stop};

/// The buyers, by user id.
const EARLY: u64 = 1;
const LATE: u64 = 2;

/// Sells the last copy once; gives it to the second buyer when the first lets go of it.
pub(in crate::demo) async fn play(stage: &mut Stage) -> Result<(), Stop> {
    let book_id = publish_last_copy(stage).await?;
    let early = stage
        .call(basket(EARLY, &[(book_id, 1)], String::new()))
        .await?;
    stage.answer(&early, &[done(&early)], Line::Nothing)?;

    let request = basket(LATE, &[(book_id, 1)], stage.key("late"));
    let sold_out = stage.call(request.clone()).await?;
    let claim = refused(&sold_out, Code::InsufficientStock, stage.locale());
    stage.answer(&sold_out, &[claim], Line::SoldOut)?;

    let cancel = cancel_order(&early.order_no, Line::ChangedMindReason, stage);
    let cancelled = stage.call(cancel).await?;
    let claims = [
        done(&cancelled),
        equal("refund_no", cancelled.refund_no.as_str(), ""),
    ];
    stage.answer(&cancelled, &claims, Line::CopyIsFree)?;

    let late = stage
        .call_until(request, PATIENCE, |reply| reply.code == 0)
        .await?;
    stage.answer(&late, &[done(&late)], Line::SameKeyAgain)?;
    find_stock(stage, book_id, (0, 1), Line::NeverBelowZero).await?;
    tidy_up(stage, &late.order_no).await;
    take_down(stage, &[book_id]).await;
    Ok(())
}

async fn publish_last_copy(stage: &mut Stage) -> Result<u64, Stop> {
    let book = Book {
        title: "孤本".to_owned(),
        author: "佚名".to_owned(),
        price: SYSTEMS_PRICE_FEN,
        ..Book::default()
    };
    let published = stage.call(PublishBookRequest { book: Some(book) }).await?;
    stage.answer(&published, &[done(&published)], Line::Nothing)?;
    let book_id = published.book_id;
    let idempotency_key = stage.key("restock-last");
    let restock = RestockInventoryRequest {
        book_id,
        quantity: 1,
        idempotency_key,
    };
    let restocked = stage.call(restock).await?;
    let claims = [
        done(&restocked),
        equal("new_quantity", restocked.new_quantity, 1),
    ];
    stage.answer(&restocked, &claims, Line::OneCopy)?;
    Ok(book_id)
}
