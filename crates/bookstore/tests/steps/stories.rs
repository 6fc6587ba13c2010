//! The stories that pass every step: most end the same way, however often their people have to ask.

use std::time::Duration;

use anyhow::anyhow;
use api::catalog::v1::{Book, PublishBookRequest, UnpublishBookRequest, UpdateBookRequest};
use api::inventory::v1::{
    BatchDeductStockResponse, BatchReleaseStockRequest, CommitStockRequest, DeductStockRequest,
    ReleaseStockRequest, RestockInventoryRequest,
};
use api::order::v1::{CompleteOrderRequest, ShipOrderRequest};
use api::payment::v1::RefundRequest;
use futures::future::{LocalBoxFuture, join};
use order::domain::REFUSALS_MAX;

use crate::acts::{
    CANCELLED, COMPLETED, PAID, SHIPPED, batch, batches, cancel, charge, order, pay, pay_in_vain,
    pay_order, place, place_under,
};
use crate::plan::{Extent, Fault, Treatment};
use crate::shop::{Shop, Stop};
use crate::step::{GatewayStep, Method, OrderStep, Step};

/// Inventory's "not enough stock", and "was released before it came".
const SHORT: i32 = 40100;
const FENCED: i32 = 40904;
const EXISTS: i32 = 40903;

type Tell = for<'a> fn(&'a Shop) -> LocalBoxFuture<'a, Result<(), Stop>>;

/// One story.
pub(crate) struct Story {
    pub(crate) name: &'static str,
    pub(crate) tell: Tell,
    /// What goes wrong in it by itself.
    pub(crate) faults: &'static [Fault],
    pub(crate) payment_timeout: Duration,
    /// Whether it ends the same whatever is done to it, as long as its people are patient.
    pub(crate) ends_the_same: bool,
}

macro_rules! story {
    ($tell:ident) => {
        story!($tell, &[])
    };
    ($tell:ident, $faults:expr) => {
        Story {
            name: stringify!($tell),
            tell: |shop| Box::pin($tell(shop)),
            faults: $faults,
            payment_timeout: Duration::from_mins(10),
            ends_the_same: true,
        }
    };
}

const fn fault(step: Step, treatment: Treatment, times: u32) -> Fault {
    Fault {
        step,
        treatment,
        extent: Extent::Times(times),
    }
}

/// Every story.
pub(crate) const STORIES: &[Story] = &[
    story!(books_come_and_go),
    story!(stock_moves),
    story!(holds_are_undone),
    story!(an_order_is_completed),
    story!(an_order_is_cancelled),
    story!(a_paid_order_is_cancelled),
    Story {
        payment_timeout: Duration::from_secs(15),
        ..story!(an_order_expires)
    },
    story!(a_payment_past_the_order_is_refunded),
    story!(a_wrong_amount_goes_back),
    story!(late_money_goes_back),
    story!(a_payment_is_overtaken),
    story!(too_much_is_ordered),
    Story {
        ends_the_same: false,
        ..story!(a_buyer_goes_away)
    },
    Story {
        ends_the_same: false,
        ..story!(an_order_has_no_key)
    },
    Story {
        ends_the_same: false,
        ..story!(
            an_intent_is_left_to_recovery,
            &[fault(
                Step::Order(OrderStep::CloseIntent),
                Treatment::Refused,
                1
            )]
        )
    },
    story!(two_order_at_once),
    Story {
        ends_the_same: false,
        ..story!(two_order_at_once_without_keys)
    },
    Story {
        // Whoever is called off has held the last copy meanwhile.
        ends_the_same: false,
        ..story!(two_want_the_last_copy_at_once)
    },
    story!(the_order_service_restarts),
    story!(
        a_charge_is_refused_first,
        &[fault(
            Step::Gateway(GatewayStep::Charge),
            Treatment::Refused,
            1
        )]
    ),
    story!(
        the_bank_is_silent,
        &[
            fault(Step::Gateway(GatewayStep::Charge), Treatment::LostReply, 2),
            fault(Step::Gateway(GatewayStep::Query), Treatment::LostRequest, 3),
        ]
    ),
    story!(
        a_creation_is_called_off,
        &[fault(
            Step::Upstream(Method::BatchDeductStock),
            Treatment::LostReply,
            10
        )]
    ),
    story!(
        a_creation_is_left_to_recovery,
        &[
            fault(
                Step::Upstream(Method::BatchDeductStock),
                Treatment::LostReply,
                10
            ),
            fault(Step::Order(OrderStep::CallOff), Treatment::Refused, 1),
        ]
    ),
    story!(
        a_release_is_parked,
        &[fault(
            Step::Upstream(Method::BatchReleaseStock),
            Treatment::Refused,
            REFUSALS_MAX
        )]
    ),
];

async fn books_come_and_go(shop: &Shop) -> Result<(), Stop> {
    let book = |price| {
        Some(Book {
            id: 7,
            title: "来去之书".to_owned(),
            author: "作者".to_owned(),
            price,
            ..Book::default()
        })
    };
    // A repeat of a publication that took place hears that the book is there.
    shop.until(PublishBookRequest { book: book(100) }, |reply| {
        [0, EXISTS].contains(&reply.code)
    })
    .await?;
    let update = UpdateBookRequest {
        book: book(300),
        update_mask: None,
    };
    shop.done(update).await?;
    shop.done(UnpublishBookRequest { book_id: 7 }).await?;
    Ok(())
}

async fn stock_moves(shop: &Shop) -> Result<(), Stop> {
    let key = |name: &str| format!("moves-{name}");
    let (book_id, reference_id) = (9, 1 << 40);
    shop.done(RestockInventoryRequest {
        book_id,
        quantity: 50,
        idempotency_key: key("restock"),
    })
    .await?;
    shop.done(DeductStockRequest {
        book_id,
        quantity: 5,
        reference_id,
        idempotency_key: key("deduct"),
    })
    .await?;
    shop.done(ReleaseStockRequest {
        book_id,
        quantity: 2,
        reference_id,
        idempotency_key: key("release"),
    })
    .await?;
    shop.done(batch(book_id, 4, &key("back"))).await?;
    let idempotency_key = key("back");
    shop.done(BatchReleaseStockRequest { idempotency_key })
        .await?;
    shop.done(batch(book_id, 6, &key("gone"))).await?;
    let idempotency_key = key("gone");
    shop.done(CommitStockRequest { idempotency_key }).await?;
    let (back, gone) = (key("one-back"), key("one-gone"));
    shop.done(batches([
        batch(book_id, 3, &back),
        batch(book_id, 1, &gone),
    ]))
    .await?;
    shop.done(BatchReleaseStockRequest {
        idempotency_key: back,
    })
    .await?;
    shop.done(CommitStockRequest {
        idempotency_key: gone,
    })
    .await?;
    Ok(())
}

/// Whoever deducts does not wait for the answer; what undoes it may come first.
async fn holds_are_undone(shop: &Shop) -> Result<(), Stop> {
    let book_id = 9;
    shop.done(RestockInventoryRequest {
        book_id,
        quantity: 50,
        idempotency_key: "undone-restock".to_owned(),
    })
    .await?;
    let idempotency_key = "undone-batch".to_owned();
    let deduct = batch(book_id, 4, &idempotency_key);
    shop.try_once(deduct.clone()).await?;
    shop.done(BatchReleaseStockRequest { idempotency_key })
        .await?;
    shop.until(deduct, |reply| reply.code == FENCED).await?;
    let idempotency_key = "undone-among-others".to_owned();
    let deduct = batches([batch(book_id, 2, &idempotency_key)]);
    shop.try_once(deduct.clone()).await?;
    shop.done(BatchReleaseStockRequest { idempotency_key })
        .await?;
    let is_fenced = |reply: &BatchDeductStockResponse| reply.code == FENCED;
    shop.until(deduct, |reply| reply.replies.iter().all(is_fenced))
        .await?;
    let idempotency_key = "undone-single".to_owned();
    let deduct = DeductStockRequest {
        book_id,
        quantity: 3,
        reference_id: 1 << 40,
        idempotency_key: idempotency_key.clone(),
    };
    shop.try_once(deduct.clone()).await?;
    shop.done(BatchReleaseStockRequest { idempotency_key })
        .await?;
    shop.until(deduct, |reply| reply.code == FENCED).await?;
    Ok(())
}

async fn an_order_is_completed(shop: &Shop) -> Result<(), Stop> {
    let placed = place(shop).await?;
    pay(shop, &placed).await?;
    let order_no = placed.no.clone();
    shop.done(ShipOrderRequest { order_no }).await?;
    shop.note(&placed.no, &[SHIPPED, COMPLETED]);
    let order_no = placed.no.clone();
    shop.done(CompleteOrderRequest { order_no }).await?;
    shop.note(&placed.no, &[COMPLETED]);
    Ok(())
}

async fn an_order_is_cancelled(shop: &Shop) -> Result<(), Stop> {
    let placed = place(shop).await?;
    cancel(shop, &placed).await
}

async fn a_paid_order_is_cancelled(shop: &Shop) -> Result<(), Stop> {
    let placed = place(shop).await?;
    pay(shop, &placed).await?;
    cancel(shop, &placed).await
}

async fn an_order_expires(shop: &Shop) -> Result<(), Stop> {
    let placed = place(shop).await?;
    shop.until_order_is(placed.id, CANCELLED).await
}

async fn a_payment_past_the_order_is_refunded(shop: &Shop) -> Result<(), Stop> {
    let placed = place(shop).await?;
    shop.done(charge(placed.id, placed.total)).await?;
    shop.until_order_is(placed.id, PAID).await?;
    let order_id = placed.id;
    shop.until(RefundRequest { order_id }, |reply| {
        reply.code == 0 || !reply.refund_no.is_empty()
    })
    .await?;
    shop.until_order_is(placed.id, CANCELLED).await
}

async fn a_wrong_amount_goes_back(shop: &Shop) -> Result<(), Stop> {
    let placed = place(shop).await?;
    pay_in_vain(shop, placed.id, placed.total + 1).await?;
    shop.until_order_is(placed.id, CANCELLED).await
}

async fn late_money_goes_back(shop: &Shop) -> Result<(), Stop> {
    let placed = place(shop).await?;
    cancel(shop, &placed).await?;
    pay_in_vain(shop, placed.id, placed.total).await?;
    pay_in_vain(shop, 4_000_000, 77).await
}

/// Whoever pays does not wait for the answer, and cancels.
async fn a_payment_is_overtaken(shop: &Shop) -> Result<(), Stop> {
    let placed = place(shop).await?;
    shop.try_once(pay_order(&placed)).await?;
    cancel(shop, &placed).await
}

async fn too_much_is_ordered(shop: &Shop) -> Result<(), Stop> {
    // Refused at the end of the saga, and then at sight.
    for key in ["too-much", "still-too-much"] {
        let order = order(&[(1, 2), (3, 2)], key);
        shop.until(order, |reply| reply.code == SHORT).await?;
    }
    Ok(())
}

async fn a_buyer_goes_away(shop: &Shop) -> Result<(), Stop> {
    shop.try_once(order(&[(1, 2), (2, 1)], "gone")).await
}

/// Nobody can ask for it twice.
async fn an_order_has_no_key(shop: &Shop) -> Result<(), Stop> {
    shop.try_once(order(&[(1, 2), (2, 1)], "")).await?;
    shop.until_no_intent_is_open().await
}

async fn an_intent_is_left_to_recovery(shop: &Shop) -> Result<(), Stop> {
    an_order_has_no_key(shop).await
}

/// Their orders share a call to inventory.
async fn two_order_at_once(shop: &Shop) -> Result<(), Stop> {
    let one = place_under("one-of-two", shop);
    let other = place_under("other-of-two", shop);
    let (one, other) = join(one, other).await;
    one.and(other).map(drop)
}

async fn two_order_at_once_without_keys(shop: &Shop) -> Result<(), Stop> {
    let one = shop.try_once(order(&[(1, 2), (2, 1)], ""));
    let other = shop.try_once(order(&[(2, 1)], ""));
    let (one, other) = join(one, other).await;
    one.and(other)?;
    shop.until_no_intent_is_open().await
}

async fn two_want_the_last_copy_at_once(shop: &Shop) -> Result<(), Stop> {
    let want = |key| {
        shop.until(order(&[(3, 1)], key), |reply| {
            [0, SHORT].contains(&reply.code)
        })
    };
    let (one, other) = join(want("last-for-one"), want("last-for-other")).await;
    let is_made = [one?.code, other?.code].map(|code| code == 0);
    if is_made == [true, true] {
        return Err(anyhow!("the last copy was sold twice").into());
    }
    Ok(())
}

async fn the_order_service_restarts(shop: &Shop) -> Result<(), Stop> {
    let placed = place(shop).await?;
    shop.restart_order().await;
    shop.done(charge(placed.id, placed.total)).await?;
    shop.until_order_is(placed.id, PAID).await
}

async fn a_charge_is_refused_first(shop: &Shop) -> Result<(), Stop> {
    let placed = place(shop).await?;
    pay(shop, &placed).await
}

async fn the_bank_is_silent(shop: &Shop) -> Result<(), Stop> {
    let placed = place(shop).await?;
    pay(shop, &placed).await?;
    cancel(shop, &placed).await
}

async fn a_creation_is_called_off(shop: &Shop) -> Result<(), Stop> {
    place(shop).await?;
    Ok(())
}

async fn a_creation_is_left_to_recovery(shop: &Shop) -> Result<(), Stop> {
    place(shop).await?;
    Ok(())
}

async fn a_release_is_parked(shop: &Shop) -> Result<(), Stop> {
    let placed = place(shop).await?;
    cancel(shop, &placed).await?;
    shop.until_parked_or_done().await?;
    shop.resume_parked().await?;
    Ok(())
}
