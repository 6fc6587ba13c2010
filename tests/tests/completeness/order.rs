//! The orders' cells.

use anyhow::ensure;
use api::catalog::v1::UnpublishBookRequest;
use api::inventory::v1::RestockInventoryRequest;
use api::order::v1::{
    CancelOrderRequest, CompleteOrderRequest, GetOrderRequest, ListOrdersRequest, PayOrderRequest,
    ShipOrderRequest,
};
use bookstore_e2e::goods::{
    CANCELLED, COMPLETED, MONEY_RETURNED, MONEY_TAKEN, PAID, PENDING, SHIPPED, book, cancel, order,
    pay_order,
};
use bookstore_e2e::{Clients, ENGLISH, Shop};
use futures::future::try_join_all;
use platform::clock::{Clock, SystemClock};
use testkit::eventually;
use types::{OrderNo, UnixMillis};

use crate::table::Aspect::{BadInput, Code, Repeat, Success};
use crate::table::{Cell, ID_TOO_LARGE, cell, key_too_long};

/// A number that no order has.
const NOBODY: &str = "ORD19700101000000000001";

pub(crate) fn cells() -> Vec<Cell> {
    vec![
        cell("CreateOrder", Success, create_order),
        cell("CreateOrder", Code(40100), create_order_for_too_much),
        cell("CreateOrder", Code(40400), create_order_for_no_book),
        cell("CreateOrder", Code(40901), create_order_under_a_used_key),
        cell(
            "CreateOrder",
            Code(50002),
            create_order_under_a_taken_number,
        ),
        cell("CreateOrder", BadInput, create_bad_orders),
        cell("CreateOrder", Repeat, create_order_again),
        cell("GetOrder", Success, get_order),
        cell("GetOrder", Code(40401), get_no_order),
        cell("GetOrder", BadInput, get_bad_numbers),
        cell("GetOrder", Repeat, get_order_again),
        cell("ListOrders", Success, list_orders),
        cell("ListOrders", BadInput, list_bad_orders),
        cell("ListOrders", Repeat, list_orders_again),
        cell("PayOrder", Success, pay_for_order),
        cell("PayOrder", Code(1), pay_order_in_vain),
        cell("PayOrder", Code(40401), pay_no_order),
        cell("PayOrder", Code(40900), pay_cancelled_order),
        cell("PayOrder", BadInput, pay_bad_orders),
        cell("PayOrder", Repeat, pay_order_again),
        cell("CancelOrder", Success, cancel_orders),
        cell("CancelOrder", Code(40401), cancel_no_order),
        cell("CancelOrder", Code(40900), cancel_shipped_order),
        cell("CancelOrder", BadInput, cancel_bad_orders),
        cell("CancelOrder", Repeat, cancel_order_again),
        cell("ShipOrder", Success, ship_order),
        cell("ShipOrder", Code(40401), ship_no_order),
        cell("ShipOrder", Code(40900), ship_unpaid_order),
        cell("ShipOrder", BadInput, ship_bad_orders),
        cell("ShipOrder", Repeat, ship_order_again),
        cell("CompleteOrder", Success, complete_order),
        cell("CompleteOrder", Code(40401), complete_no_order),
        cell("CompleteOrder", Code(40900), complete_unshipped_order),
        cell("CompleteOrder", BadInput, complete_bad_orders),
        cell("CompleteOrder", Repeat, complete_order_again),
    ]
}

async fn create_order(clients: Clients) -> anyhow::Result<()> {
    let (first, second) = (
        clients.stocked(12800, 10).await?,
        clients.stocked(100, 10).await?,
    );
    // A book on two lines is summed.
    let placed = clients
        .place(7, &[(first, 1), (second, 1), (first, 1)])
        .await?;
    ensure!(placed.total == 25700, "{placed:?}");
    let got = clients.order_of(&placed.no).await?;
    ensure!(
        (got.id, got.user_id, got.status) == (placed.id, 7, PENDING),
        "{got:?}"
    );
    // The time to pay runs from when the order became PENDING, maybe a second after it was begun.
    ensure!(got.expire_at == got.updated_at + 15 * 60, "{got:?}");
    let items: Vec<_> = got
        .items
        .iter()
        .map(|i| (i.book_id, i.quantity, i.price))
        .collect();
    ensure!(items == [(first, 2, 12800), (second, 1, 100)], "{items:?}");
    ensure!(clients.stock_of(first).await? == (8, 2));
    let digits = placed.no.strip_prefix("ORD").unwrap_or_default();
    ensure!(
        digits.len() >= 20 && digits.bytes().all(|b| b.is_ascii_digit()),
        "{placed:?}"
    );
    create_largest_order(&clients).await
}

/// The most books that an order can have, with the longest descriptions that books can have.
async fn create_largest_order(clients: &Clients) -> anyhow::Result<()> {
    let published = (0..100).map(|_| async {
        let mut longest = book(0, "一部长书", 100);
        if let Some(book) = &mut longest.book {
            book.description = "d".repeat(65_535);
        }
        let book_id = clients.done(longest).await?.book_id;
        restock(clients, book_id, String::new()).await?;
        anyhow::Ok((book_id, 1))
    });
    let items = try_join_all(published).await?;
    let placed = clients.place(8, &items).await?;
    ensure!(clients.order_of(&placed.no).await?.items.len() == 100);
    Ok(())
}

async fn create_order_for_too_much(clients: Clients) -> anyhow::Result<()> {
    let (plenty, few) = (
        clients.stocked(100, 10).await?,
        clients.stocked(100, 1).await?,
    );
    let request = order(1, &[(plenty, 1), (few, 2)], "o-short");
    clients
        .refused(request.clone(), 40100, "库存不足", "insufficient stock")
        .await?;
    ensure!(clients.stock_of(plenty).await? == (10, 0));
    // The same key may be tried again.
    restock(&clients, few, String::new()).await?;
    clients.done(request).await?;
    Ok(())
}

async fn create_order_for_no_book(clients: Clients) -> anyhow::Result<()> {
    let book = clients.stocked(100, 10).await?;
    let missing = order(1, &[(book, 1), (1 << 52, 1)], "");
    clients
        .refused(missing, 40400, "图书不存在", "book not found")
        .await?;
    clients.done(UnpublishBookRequest { book_id: book }).await?;
    eventually("an unpublished book is refused", || async {
        let said = clients.refused(
            order(1, &[(book, 1)], ""),
            40400,
            "图书不存在",
            "book not found",
        );
        said.await.ok()
    })
    .await;
    Ok(())
}

async fn create_order_under_a_used_key(clients: Clients) -> anyhow::Result<()> {
    let book = clients.stocked(100, 10).await?;
    clients.done(order(3, &[(book, 1)], "o-used")).await?;
    let other = order(3, &[(book, 2)], "o-used");
    clients
        .refused(other, 40901, "幂等键冲突", "idempotency key conflict")
        .await?;
    // Another user's key is another key.
    clients.done(order(4, &[(book, 2)], "o-used")).await?;
    ensure!(clients.stock_of(book).await? == (7, 3));
    Ok(())
}

/// Someone restocks under the very numbers that the next orders will have: their stock is refused
/// for certain, and for a reason that has no code of its own. On a system of its own, since the
/// numbers of all orders are taken.
async fn create_order_under_a_taken_number(_: Clients) -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    let clients = shop.clients()?;
    let book = clients.stocked(100, 100).await?;
    for (language, text) in [
        (None, "创建订单失败"),
        (Some(ENGLISH), "could not create the order"),
    ] {
        refuse_some_order(&clients, book, language, text).await?;
    }
    // Nothing of it is held, and nothing is left of it.
    let orders = clients.done(ListOrdersRequest::default()).await?;
    let made = i32::try_from(orders.total)?;
    ensure!(
        clients.stock_of(book).await? == (100 - made, made),
        "{orders:?}"
    );
    shop.expect_clean().await
}

async fn refuse_some_order(
    clients: &Clients,
    book: u64,
    language: Option<&'static str>,
    text: &str,
) -> anyhow::Result<()> {
    for _ in 0..10 {
        let reply = clients
            .call_in(language, order(1, &[(book, 1)], ""))
            .await?;
        if reply.code == 50002 {
            ensure!(
                reply.message == text && reply.order_no.is_empty(),
                "{reply:?}"
            );
            return Ok(());
        }
        // Made; now the numbers of the next ones are guessed, a few seconds and ids ahead.
        ensure!(reply.code == 0, "{reply:?}");
        let (latest, now) = (reply.order_id, SystemClock.now());
        let guesses = (0..4).flat_map(|second| (1..=3).map(move |step| (second, latest + step)));
        let taken = guesses.map(|(second, id)| {
            let at = UnixMillis::new(now.get() + second * 1000);
            let key = OrderNo::generate(at, id).as_str().to_owned();
            restock(clients, book + 1, key)
        });
        try_join_all(taken).await?;
    }
    anyhow::bail!("no order met a taken number")
}

async fn create_bad_orders(clients: Clients) -> anyhow::Result<()> {
    let all = ["user_id", "items", "idempotency_key"];
    clients
        .malformed(order(0, &[], &key_too_long()), &all)
        .await?;
    let bad = order(ID_TOO_LARGE, &[(0, 1), (1, 0), (2, 10_000)], "");
    let fields = [
        "user_id",
        "items[0].book_id",
        "items[1].quantity",
        "items[2].quantity",
    ];
    clients.malformed(bad, &fields).await?;
    let lines: Vec<_> = (1..=101).map(|book| (book, 1)).collect();
    clients.malformed(order(1, &lines, ""), &["items"]).await?;
    // 9,999 copies are a line's limit and a book's.
    clients
        .malformed(order(1, &[(1, 9999), (1, 1)], ""), &["items[1].quantity"])
        .await?;
    let dear = clients.stocked(1_000_000_000_000, 9999).await?;
    clients
        .malformed(order(1, &[(dear, 1001)], ""), &["items"])
        .await?;
    let free = clients.stocked(0, 10).await?;
    clients
        .malformed(order(1, &[(free, 1)], ""), &["items"])
        .await?;
    ensure!(clients.stock_of(dear).await? == (9999, 0));
    Ok(())
}

async fn create_order_again(clients: Clients) -> anyhow::Result<()> {
    let book = clients.stocked(100, 3).await?;
    let request = order(5, &[(book, 2), (book, 1)], "o-twice");
    let first = clients.done(request.clone()).await?;
    ensure!(clients.done(request).await? == first);
    // One line in place of two is the same order.
    ensure!(clients.done(order(5, &[(book, 3)], "o-twice")).await? == first);
    ensure!(clients.stock_of(book).await? == (0, 3));
    Ok(())
}

async fn get_order(clients: Clients) -> anyhow::Result<()> {
    let placed = clients.placed().await?;
    let got = clients.order_of(&placed.no).await?;
    ensure!(
        (got.order_no.as_str(), got.total) == (placed.no.as_str(), placed.total),
        "{got:?}"
    );
    ensure!(
        got.items.len() == 1 && got.items[0].book_title == "货架上的书",
        "{got:?}"
    );
    ensure!(
        got.updated_at >= got.created_at && got.cancel_reason.is_empty(),
        "{got:?}"
    );
    Ok(())
}

async fn get_no_order(clients: Clients) -> anyhow::Result<()> {
    let request = GetOrderRequest {
        order_no: NOBODY.to_owned(),
    };
    let reply = clients
        .refused(request, 40401, NO_ORDER.0, NO_ORDER.1)
        .await?;
    ensure!(reply.order.is_none(), "{reply:?}");
    Ok(())
}

const NO_ORDER: (&str, &str) = ("订单不存在", "order not found");

async fn get_bad_numbers(clients: Clients) -> anyhow::Result<()> {
    for order_no in ["", &"9".repeat(33), "ORD\u{7}1"] {
        let request = GetOrderRequest {
            order_no: order_no.to_owned(),
        };
        clients.malformed(request, &["order_no"]).await?;
    }
    Ok(())
}

async fn get_order_again(clients: Clients) -> anyhow::Result<()> {
    let request = GetOrderRequest {
        order_no: clients.placed().await?.no,
    };
    ensure!(clients.done(request.clone()).await? == clients.done(request).await?);
    Ok(())
}

async fn list_orders(clients: Clients) -> anyhow::Result<()> {
    let (user_id, book) = (901, clients.stocked(100, 10).await?);
    let mut made = Vec::new();
    for _ in 0..3 {
        made.push(clients.place(user_id, &[(book, 1)]).await?);
    }
    clients.cancel(&made[1].no).await?;
    let list = |status, page| ListOrdersRequest {
        user_id,
        status,
        page,
        page_size: 2,
    };
    let first = clients.done(list(0, 1)).await?;
    let ids: Vec<_> = first.orders.iter().map(|order| order.id).collect();
    ensure!(
        ids == [made[2].id, made[1].id] && first.total == 3,
        "{first:?}"
    );
    ensure!(
        first.orders.iter().all(|order| order.items.len() == 1),
        "{first:?}"
    );
    ensure!(clients.done(list(0, 2)).await?.orders.len() == 1);
    ensure!(clients.done(list(0, 3)).await?.orders.is_empty());
    let cancelled = clients.done(list(CANCELLED, 0)).await?;
    ensure!(
        cancelled.total == 1 && cancelled.orders[0].id == made[1].id,
        "{cancelled:?}"
    );
    // User 0 is everybody.
    let everybody = clients.done(ListOrdersRequest::default()).await?;
    ensure!(
        everybody.total >= 3 && everybody.orders.len() <= 20,
        "{}",
        everybody.total
    );
    Ok(())
}

async fn list_bad_orders(clients: Clients) -> anyhow::Result<()> {
    let worst = ListOrdersRequest {
        user_id: ID_TOO_LARGE,
        status: 6,
        page: -1,
        page_size: 101,
    };
    clients
        .malformed(worst, &["user_id", "status", "page", "page_size"])
        .await?;
    let below = ListOrdersRequest {
        status: -1,
        ..ListOrdersRequest::default()
    };
    clients.malformed(below, &["status"]).await
}

async fn list_orders_again(clients: Clients) -> anyhow::Result<()> {
    let book = clients.stocked(100, 10).await?;
    clients.place(902, &[(book, 1)]).await?;
    let request = ListOrdersRequest {
        user_id: 902,
        ..ListOrdersRequest::default()
    };
    ensure!(clients.done(request).await? == clients.done(request).await?);
    Ok(())
}

async fn pay_for_order(clients: Clients) -> anyhow::Result<()> {
    let placed = clients.placed().await?;
    let reply = clients.pay_until_accepted(&placed.no).await?;
    ensure!(reply.message == "支付成功", "{reply:?}");
    ensure!(
        reply.third_party_no == format!("MOCK{}", reply.payment_no),
        "{reply:?}"
    );
    ensure!(clients.order_of(&placed.no).await?.status == PAID);
    let english = clients
        .said(
            pay_order(&placed.no),
            Some(ENGLISH),
            0,
            "order already paid",
        )
        .await?;
    ensure!(english.payment_no == reply.payment_no, "{english:?}");
    Ok(())
}

async fn pay_order_in_vain(clients: Clients) -> anyhow::Result<()> {
    for (language, text) in [
        (None, "支付失败（Mock）"),
        (Some(ENGLISH), "payment refused (mock)"),
    ] {
        refused_payment(&clients, language, text).await?;
    }
    Ok(())
}

/// Pays new orders until the mock, which refuses three in ten, refuses one.
async fn refused_payment(
    clients: &Clients,
    language: Option<&'static str>,
    text: &str,
) -> anyhow::Result<()> {
    for _ in 0..64 {
        let placed = clients.placed().await?;
        let reply = clients.call_in(language, pay_order(&placed.no)).await?;
        if reply.code == 0 {
            continue;
        }
        ensure!(reply.code == 1 && reply.message == text, "{reply:?}");
        ensure!(reply.payment_no.is_empty(), "{reply:?}");
        // It stays PENDING and may be paid again.
        ensure!(clients.order_of(&placed.no).await?.status == PENDING);
        clients.pay_until_accepted(&placed.no).await?;
        return Ok(());
    }
    anyhow::bail!("the mock refused nobody: is success_rate 1?")
}

async fn pay_no_order(clients: Clients) -> anyhow::Result<()> {
    clients
        .refused(pay_order(NOBODY), 40401, NO_ORDER.0, NO_ORDER.1)
        .await?;
    Ok(())
}

async fn pay_cancelled_order(clients: Clients) -> anyhow::Result<()> {
    let placed = clients.cancelled().await?;
    illegal(&clients, pay_order(&placed.no), "CANCELLED", "PAID").await?;
    ensure!(clients.payment_of(placed.id).await?.is_none());
    Ok(())
}

async fn pay_bad_orders(clients: Clients) -> anyhow::Result<()> {
    let pay = |order_no: &str, payment_method: &str| PayOrderRequest {
        order_no: order_no.to_owned(),
        payment_method: payment_method.to_owned(),
    };
    clients.malformed(pay("", "mock"), &["order_no"]).await?;
    let placed = clients.placed().await?;
    clients
        .malformed(pay(&placed.no, "cash"), &["payment_method"])
        .await?;
    clients
        .malformed(pay(&placed.no, ""), &["payment_method"])
        .await?;
    ensure!(clients.order_of(&placed.no).await?.status == PENDING);
    Ok(())
}

async fn pay_order_again(clients: Clients) -> anyhow::Result<()> {
    let placed = clients.placed().await?;
    let first = clients.pay_until_accepted(&placed.no).await?;
    let again = clients
        .said(pay_order(&placed.no), None, 0, "订单已支付")
        .await?;
    ensure!(again.payment_no == first.payment_no, "{again:?}");
    ensure!(again.third_party_no == first.third_party_no, "{again:?}");
    Ok(())
}

async fn cancel_orders(clients: Clients) -> anyhow::Result<()> {
    let book = clients.stocked(100, 10).await?;
    let pending = clients.place(1, &[(book, 2)]).await?;
    ensure!(clients.cancel(&pending.no).await?.refund_no.is_empty());
    let got = clients.until_order_is(&pending.no, CANCELLED).await;
    ensure!(got.cancel_reason == "changed my mind", "{got:?}");
    clients.until_stock_is(book, 10, 0).await;

    let paid = clients.place(1, &[(book, 2)]).await?;
    let payment = clients.pay_until_accepted(&paid.no).await?;
    let reply = clients.cancel(&paid.no).await?;
    ensure!(
        reply.refund_no == format!("REF{}", payment.payment_no),
        "{reply:?}"
    );
    clients.until_payment_is(paid.id, MONEY_RETURNED).await;
    clients.until_stock_is(book, 10, 0).await;
    Ok(())
}

async fn cancel_no_order(clients: Clients) -> anyhow::Result<()> {
    clients
        .refused(cancel(NOBODY), 40401, NO_ORDER.0, NO_ORDER.1)
        .await?;
    Ok(())
}

async fn cancel_shipped_order(clients: Clients) -> anyhow::Result<()> {
    let placed = clients.shipped().await?;
    illegal(&clients, cancel(&placed.no), "SHIPPED", "CANCELLED").await?;
    clients
        .done(CompleteOrderRequest {
            order_no: placed.no.clone(),
        })
        .await?;
    illegal(&clients, cancel(&placed.no), "COMPLETED", "CANCELLED").await?;
    ensure!(
        clients
            .until_payment_is(placed.id, MONEY_TAKEN)
            .await
            .amount
            == placed.total
    );
    Ok(())
}

async fn cancel_bad_orders(clients: Clients) -> anyhow::Result<()> {
    let cancel = |order_no: &str, reason: &str| CancelOrderRequest {
        order_no: order_no.to_owned(),
        reason: reason.to_owned(),
    };
    let long = "因".repeat(201);
    clients
        .malformed(cancel("", &long), &["order_no", "reason"])
        .await?;
    let placed = clients.placed().await?;
    clients
        .malformed(cancel(&placed.no, "nul \0"), &["reason"])
        .await?;
    ensure!(clients.order_of(&placed.no).await?.status == PENDING);
    clients.done(cancel(&placed.no, &"因".repeat(200))).await?;
    Ok(())
}

async fn cancel_order_again(clients: Clients) -> anyhow::Result<()> {
    let placed = clients.paid().await?;
    let first = clients.cancel(&placed.no).await?;
    ensure!(
        !first.refund_no.is_empty() && clients.cancel(&placed.no).await? == first,
        "{first:?}"
    );
    let pending = clients.cancelled().await?;
    ensure!(clients.cancel(&pending.no).await?.refund_no.is_empty());
    Ok(())
}

async fn ship_order(clients: Clients) -> anyhow::Result<()> {
    let book = clients.stocked(100, 10).await?;
    let placed = clients.place(1, &[(book, 4)]).await?;
    clients.pay_until_accepted(&placed.no).await?;
    clients.done(ship(&placed.no)).await?;
    ensure!(clients.order_of(&placed.no).await?.status == SHIPPED);
    // The goods have left.
    clients.until_stock_is(book, 6, 0).await;
    Ok(())
}

async fn ship_no_order(clients: Clients) -> anyhow::Result<()> {
    clients
        .refused(ship(NOBODY), 40401, NO_ORDER.0, NO_ORDER.1)
        .await?;
    Ok(())
}

async fn ship_unpaid_order(clients: Clients) -> anyhow::Result<()> {
    let placed = clients.placed().await?;
    illegal(&clients, ship(&placed.no), "PENDING", "SHIPPED").await?;
    let cancelled = clients.cancelled().await?;
    illegal(&clients, ship(&cancelled.no), "CANCELLED", "SHIPPED").await?;
    let completed = clients.shipped().await?;
    clients.done(complete(&completed.no)).await?;
    illegal(&clients, ship(&completed.no), "COMPLETED", "SHIPPED").await
}

async fn ship_bad_orders(clients: Clients) -> anyhow::Result<()> {
    clients.malformed(ship(""), &["order_no"]).await
}

async fn ship_order_again(clients: Clients) -> anyhow::Result<()> {
    let placed = clients.shipped().await?;
    clients.done(ship(&placed.no)).await?;
    ensure!(clients.order_of(&placed.no).await?.status == SHIPPED);
    Ok(())
}

async fn complete_order(clients: Clients) -> anyhow::Result<()> {
    let placed = clients.shipped().await?;
    clients.done(complete(&placed.no)).await?;
    ensure!(clients.order_of(&placed.no).await?.status == COMPLETED);
    // Paid long ago is still paid.
    clients
        .said(pay_order(&placed.no), None, 0, "订单已支付")
        .await?;
    Ok(())
}

async fn complete_no_order(clients: Clients) -> anyhow::Result<()> {
    clients
        .refused(complete(NOBODY), 40401, NO_ORDER.0, NO_ORDER.1)
        .await?;
    Ok(())
}

async fn complete_unshipped_order(clients: Clients) -> anyhow::Result<()> {
    let placed = clients.placed().await?;
    illegal(&clients, complete(&placed.no), "PENDING", "COMPLETED").await?;
    let paid = clients.paid().await?;
    illegal(&clients, complete(&paid.no), "PAID", "COMPLETED").await?;
    let cancelled = clients.cancelled().await?;
    illegal(&clients, complete(&cancelled.no), "CANCELLED", "COMPLETED").await
}

async fn complete_bad_orders(clients: Clients) -> anyhow::Result<()> {
    clients.malformed(complete(""), &["order_no"]).await
}

async fn complete_order_again(clients: Clients) -> anyhow::Result<()> {
    let placed = clients.shipped().await?;
    clients.done(complete(&placed.no)).await?;
    clients.done(complete(&placed.no)).await?;
    ensure!(clients.order_of(&placed.no).await?.status == COMPLETED);
    Ok(())
}

/// The call is refused because the state machine has no such arrow, in both languages.
async fn illegal<M: bookstore_e2e::Rpc>(
    clients: &Clients,
    request: M,
    from: &str,
    to: &str,
) -> anyhow::Result<()> {
    let chinese = format!("不允许从 {from} 转换到 {to}");
    let english = format!("cannot go from {from} to {to}");
    clients.refused(request, 40900, &chinese, &english).await?;
    Ok(())
}

async fn restock(clients: &Clients, book_id: u64, key: String) -> anyhow::Result<()> {
    let request = RestockInventoryRequest {
        book_id,
        quantity: 10,
        idempotency_key: key,
    };
    clients.done(request).await?;
    Ok(())
}

fn ship(order_no: &str) -> ShipOrderRequest {
    ShipOrderRequest {
        order_no: order_no.to_owned(),
    }
}

fn complete(order_no: &str) -> CompleteOrderRequest {
    CompleteOrderRequest {
        order_no: order_no.to_owned(),
    }
}
