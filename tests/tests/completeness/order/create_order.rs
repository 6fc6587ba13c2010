//! The cells of `CreateOrder`.

use anyhow::ensure;
use api::catalog::v1::UnpublishBookRequest;
use api::inventory::v1::RestockInventoryRequest;
use api::order::v1::ListOrdersRequest;
use bookstore_e2e::goods::{PENDING, book, order};
use bookstore_e2e::{Clients, ENGLISH, Shop};
use futures::future::try_join_all;
use platform::clock::{Clock, SystemClock};
use testkit::eventually;
use types::{OrderNo, UnixMillis};

use crate::table::Aspect::{BadInput, Code, Repeat, Success};
use crate::table::{Cell, ID_TOO_LARGE, cell, key_too_long};

pub(super) fn cells() -> Vec<Cell> {
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

async fn restock(clients: &Clients, book_id: u64, key: String) -> anyhow::Result<()> {
    let request = RestockInventoryRequest {
        book_id,
        quantity: 10,
        idempotency_key: key,
    };
    clients.done(request).await?;
    Ok(())
}
