//! The transcript of a shop's first orders, step by step: what the README shows, and a little more.

use anyhow::{Context, ensure};
use api::catalog::v1::{BatchGetBooksRequest, Book, GetBookRequest, PublishBookRequest};
use api::inventory::v1::{DeductStockRequest, ReleaseStockRequest, RestockInventoryRequest};
use api::order::v1::OrderItem;
use api::payment::v1::{GetPaymentStatusRequest, RefundRequest};

use crate::clients::Clients;
use crate::goods::{CANCELLED, MONEY_RETURNED, MONEY_TAKEN, PAID, PENDING, Placed, order, pay};

/// Plays it from the first line to the last; the system must be fresh.
///
/// # Errors
/// The first answer that is not the promised one.
pub async fn play(clients: &Clients) -> anyhow::Result<()> {
    publish(clients).await?;
    stock(clients).await?;
    let placed = place(clients).await?;
    pay_and_refund(clients, &placed).await?;
    clients.until_stock_is(1, 100, 0).await;
    clients.until_stock_is(2, 100, 0).await;
    Ok(())
}

async fn publish(clients: &Clients) -> anyhow::Result<()> {
    let first = Book {
        id: 1,
        title: "Go微服务实战".to_owned(),
        author: "张三".to_owned(),
        isbn: "978-7-111-00000-1".to_owned(),
        price: 12800,
        ..Book::default()
    };
    let second = Book {
        id: 0,
        title: "分布式系统原理".to_owned(),
        price: 100,
        isbn: String::new(),
        ..first.clone()
    };
    let reply = clients
        .done(PublishBookRequest {
            book: Some(first.clone()),
        })
        .await?;
    ensure!(reply.book_id == 1 && reply.message.is_empty(), "{reply:?}");
    let reply = clients
        .done(PublishBookRequest { book: Some(second) })
        .await?;
    ensure!(reply.book_id == 2, "{reply:?}");

    let got = clients
        .done(GetBookRequest { book_id: 1 })
        .await?
        .book
        .context("no book")?;
    ensure!(
        got.created_at > 0 && got.updated_at >= got.created_at,
        "{got:?}"
    );
    let times = Book {
        created_at: got.created_at,
        updated_at: got.updated_at,
        ..first
    };
    ensure!(got == times, "{got:?}");
    let books = clients
        .done(BatchGetBooksRequest {
            book_ids: vec![1, 2],
        })
        .await?
        .books;
    ensure!(
        books.iter().map(|book| book.id).collect::<Vec<_>>() == [1, 2],
        "{books:?}"
    );
    Ok(())
}

async fn stock(clients: &Clients) -> anyhow::Result<()> {
    let restock = |book_id, key: &str| RestockInventoryRequest {
        book_id,
        quantity: 100,
        idempotency_key: key.to_owned(),
    };
    ensure!(clients.done(restock(1, "restock-001")).await?.new_quantity == 100);
    let deduct = DeductStockRequest {
        book_id: 1,
        quantity: 5,
        reference_id: 1,
        idempotency_key: "order-1-book-1".to_owned(),
    };
    ensure!(clients.done(deduct.clone()).await?.remaining_quantity == 95);
    ensure!(clients.done(deduct).await?.remaining_quantity == 95);
    let release = ReleaseStockRequest {
        book_id: 1,
        quantity: 5,
        reference_id: 1,
        idempotency_key: String::new(),
    };
    ensure!(clients.done(release).await?.new_quantity == 100);
    ensure!(clients.done(restock(2, "restock-002")).await?.new_quantity == 100);
    Ok(())
}

async fn place(clients: &Clients) -> anyhow::Result<Placed> {
    let reply = clients.done(order(1, &[(1, 2), (2, 1)], "")).await?;
    ensure!(
        reply.order_no.starts_with("ORD") && reply.order_no.len() <= 32,
        "{reply:?}"
    );
    ensure!(reply.total == 25700 && reply.order_id == 1, "{reply:?}");
    let got = clients.order_of(&reply.order_no).await?;
    let item = |book_id, title: &str, quantity, price| OrderItem {
        book_id,
        book_title: title.to_owned(),
        quantity,
        price,
    };
    let items = [
        item(1, "Go微服务实战", 2, 12800),
        item(2, "分布式系统原理", 1, 100),
    ];
    ensure!(
        (got.id, got.user_id, got.total, got.status) == (1, 1, 25700, PENDING),
        "{got:?}"
    );
    ensure!(got.items == items, "{got:?}");
    Ok(Placed {
        no: reply.order_no,
        id: reply.order_id,
        total: reply.total,
    })
}

async fn pay_and_refund(clients: &Clients, placed: &Placed) -> anyhow::Result<()> {
    let first = clients
        .charge_until_accepted(placed.id, placed.total)
        .await?;
    ensure!(first.message == "支付成功", "{first:?}");
    ensure!(
        first.payment_no.starts_with("PAY") && first.payment_no.len() <= 32,
        "{first:?}"
    );
    ensure!(
        first.third_party_no == format!("MOCK{}", first.payment_no),
        "{first:?}"
    );
    let again = clients
        .said(pay(placed.id, placed.total), None, 0, "订单已支付")
        .await?;
    ensure!(again.payment_no == first.payment_no, "{again:?}");

    let status = clients
        .done(GetPaymentStatusRequest {
            order_id: placed.id,
        })
        .await?;
    let payment = status.payment.context("no payment")?;
    ensure!(
        (payment.status, payment.amount) == (MONEY_TAKEN, 25700),
        "{payment:?}"
    );
    ensure!(payment.payment_method == "mock", "{payment:?}");
    clients.until_order_is(&placed.no, PAID).await;

    let refund = RefundRequest {
        order_id: placed.id,
    };
    let refunded = clients.said(refund, None, 0, "退款成功").await?;
    ensure!(
        refunded.refund_no == format!("REF{}", first.payment_no),
        "{refunded:?}"
    );
    clients.until_payment_is(placed.id, MONEY_RETURNED).await;
    clients.until_order_is(&placed.no, CANCELLED).await;
    Ok(())
}
