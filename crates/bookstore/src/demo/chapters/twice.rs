//! The same request, sent twice under one key: one order.

use types::Code;

use super::{Books, GO_PRICE_FEN, basket, tidy_up};
use crate::demo::claim::{done, equal, refused, starts};
use crate::demo::narration::Line;
use crate::demo::stage::{Stage, Stop};

/// Orders twice under one key, then something else under the same key.
pub(in crate::demo) async fn play(stage: &mut Stage, books: Books) -> Result<(), Stop> {
    let request = basket(1, &[(books.go, 1)], stage.key("cart"));
    let first = stage.call(request.clone()).await?;
    let claims = [
        done(&first),
        starts("order_no", &first.order_no, "ORD"),
        equal("total", first.total, GO_PRICE_FEN),
    ];
    stage.answer(&first, &claims, Line::AnswerLost)?;

    let second = stage.call(request).await?;
    let claims = [
        done(&second),
        equal("order_no", &second.order_no, &first.order_no),
    ];
    stage.answer(&second, &claims, Line::SameAnswer)?;

    let other = stage
        .call(basket(1, &[(books.go, 2)], stage.key("cart")))
        .await?;
    stage.answer(
        &other,
        &[refused(&other, Code::KeyConflict, stage.locale())],
        Line::OtherBasket,
    )?;
    tidy_up(stage, &first.order_no).await;
    Ok(())
}
