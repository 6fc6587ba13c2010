//! Proves: every RPC that changes something, sent twice, and again late, changes once. Late means
//! after all side effects of the whole story, and once more after the system was killed and started
//! again.
//!
//! The story ends in numbers that only a single effect of each call can give; from then on no
//! repeat of anything changes anything that can be read, but for the time of a book's last update.

use std::collections::BTreeSet;

use anyhow::{Context, ensure};
use api::catalog::v1::{
    BatchGetBooksRequest, Book, ListBooksRequest, UnpublishBookRequest, UpdateBookRequest,
};
use api::inventory::v1::{
    BatchDeductStockRequest, BatchGetStockRequest, BatchReleaseStockRequest, CommitStockRequest,
    DeductBatchesRequest, DeductStockRequest, ReleaseStockRequest, RestockInventoryRequest, Stock,
    StockItem,
};
use api::order::v1::{CompleteOrderRequest, ListOrdersRequest, Order, ShipOrderRequest};
use api::payment::v1::{Payment, RefundRequest};
use api::{Reply, Rpc};
use bookstore_e2e::goods::{
    CANCELLED, COMPLETED, MONEY_RETURNED, PAID, book, cancel, order, pay, pay_order,
};
use bookstore_e2e::{Clients, Layout, System};
use futures::future::BoxFuture;
use prost::Message;
use prost_types::{FieldMask, FileDescriptorSet};

/// The book that is sold.
const SOLD: u64 = 11;
/// The book that is taken off the shelf.
const WITHDRAWN: u64 = 12;

#[tokio::test]
async fn everything_sent_twice_and_late_changes_once() -> anyhow::Result<()> {
    send_all_twice_and_late(System::alone(Layout::Together, &[]).await?).await
}

#[tokio::test]
async fn everything_sent_twice_and_late_to_any_replica_changes_once() -> anyhow::Result<()> {
    let Some(system) = System::twice(&[]).await? else {
        return Ok(());
    };
    send_all_twice_and_late(system).await
}

async fn send_all_twice_and_late(mut shop: System) -> anyhow::Result<()> {
    let clients = shop.clients()?;
    let mut post = Post::default();
    stock_story(&clients, &mut post).await?;
    order_story(&clients, &mut post).await?;
    ensure!(
        post.methods() == changing_methods()?,
        "{:?}",
        post.methods()
    );
    shop.expect_clean().await?;

    let before = visible(&clients).await?;
    post.deliver_late(&clients).await?;
    shop.expect_clean().await?;
    ensure!(
        visible(&clients).await? == before,
        "a late delivery changed something"
    );

    shop.kill()?;
    shop.start().await?;
    let clients = shop.clients()?;
    post.deliver_late(&clients).await?;
    shop.expect_clean().await?;
    ensure!(
        visible(&clients).await? == before,
        "a delivery after the restart changed something"
    );
    Ok(())
}

/// Books and stock: 50 copies come, 3 stay reserved, 7 are committed.
async fn stock_story(clients: &Clients, post: &mut Post) -> anyhow::Result<()> {
    // A book that exists is refused; so is its twin.
    post.deliver(clients, book(SOLD, "卖的书", 100), 40903, 40903)
        .await?;
    post.deliver(clients, book(WITHDRAWN, "撤的书", 100), 40903, 40903)
        .await?;
    let changed = Book {
        id: SOLD,
        price: 200,
        ..Book::default()
    };
    let update_mask = Some(FieldMask {
        paths: vec!["price".to_owned()],
    });
    post.deliver(
        clients,
        UpdateBookRequest {
            book: Some(changed),
            update_mask,
        },
        0,
        0,
    )
    .await?;
    post.deliver(clients, UnpublishBookRequest { book_id: WITHDRAWN }, 0, 0)
        .await?;

    let restock = RestockInventoryRequest {
        book_id: SOLD,
        quantity: 50,
        idempotency_key: key("r"),
    };
    post.deliver(clients, restock, 0, 0).await?;
    let deduct = DeductStockRequest {
        book_id: SOLD,
        quantity: 5,
        reference_id: 1 << 40,
        idempotency_key: key("d"),
    };
    post.deliver(clients, deduct, 0, 0).await?;
    let release = ReleaseStockRequest {
        book_id: SOLD,
        quantity: 2,
        reference_id: 1 << 40,
        idempotency_key: key("rel"),
    };
    post.deliver(clients, release, 0, 0).await?;
    // What was released as a whole refuses its deduction for ever after.
    post.deliver(clients, batch("b-released", 4), 0, 40904)
        .await?;
    let release_all = BatchReleaseStockRequest {
        idempotency_key: key("b-released"),
    };
    post.deliver(clients, release_all, 0, 0).await?;
    post.deliver(clients, batch("b-committed", 6), 0, 0).await?;
    let commit = CommitStockRequest {
        idempotency_key: key("b-committed"),
    };
    post.deliver(clients, commit, 0, 0).await?;
    // Many in one call: one of them is released afterwards, one leaves.
    let many = [batch("m-released", 3), batch("m-committed", 1)];
    let many = DeductBatchesRequest {
        batches: many.map(Into::into).into(),
    };
    post.deliver(clients, many, 0, 0).await?;
    let release_all = BatchReleaseStockRequest {
        idempotency_key: key("m-released"),
    };
    post.deliver(clients, release_all, 0, 0).await?;
    let commit = CommitStockRequest {
        idempotency_key: key("m-committed"),
    };
    post.deliver(clients, commit, 0, 0).await?;
    ensure!(clients.stock_of(SOLD).await? == (40, 3));
    Ok(())
}

/// Four orders: completed, cancelled after payment, refunded directly, cancelled before payment.
async fn order_story(clients: &Clients, post: &mut Post) -> anyhow::Result<()> {
    let completed = post
        .deliver(clients, one_copy("completed"), 0, 0)
        .await?
        .order_no;
    post.deliver(clients, pay_order(&completed), 0, 0).await?;
    let ship = ShipOrderRequest {
        order_no: completed.clone(),
    };
    post.deliver(clients, ship, 0, 40900).await?;
    let complete = CompleteOrderRequest {
        order_no: completed.clone(),
    };
    post.deliver(clients, complete, 0, 0).await?;
    clients.until_order_is(&completed, COMPLETED).await;
    clients.until_stock_is(SOLD, 39, 3).await;

    let returned = post.deliver(clients, one_copy("returned"), 0, 0).await?;
    post.deliver(clients, pay_order(&returned.order_no), 0, 40900)
        .await?;
    let first = post
        .deliver(clients, cancel(&returned.order_no), 0, 0)
        .await?;
    ensure!(!first.refund_no.is_empty(), "{first:?}");
    clients
        .until_payment_is(returned.order_id, MONEY_RETURNED)
        .await;
    clients.until_stock_is(SOLD, 39, 3).await;

    let direct = post.deliver(clients, one_copy("direct"), 0, 0).await?;
    let charge = pay(direct.order_id, direct.total);
    post.deliver(clients, charge, 0, 1).await?;
    clients.until_order_is(&direct.order_no, PAID).await;
    let refund = RefundRequest {
        order_id: direct.order_id,
    };
    post.deliver(clients, refund, 1, 1).await?;
    clients.until_order_is(&direct.order_no, CANCELLED).await;
    clients.until_stock_is(SOLD, 39, 3).await;

    let unpaid = post.deliver(clients, one_copy("unpaid"), 0, 0).await?;
    post.deliver(clients, cancel(&unpaid.order_no), 0, 0)
        .await?;
    clients.until_stock_is(SOLD, 39, 3).await;
    Ok(())
}

/// Delivers requests twice, and keeps a copy of each for later.
#[derive(Default)]
struct Post {
    delivered: Vec<Delivered>,
}

struct Delivered {
    method: &'static str,
    send_late: Box<dyn Fn(Clients) -> BoxFuture<'static, anyhow::Result<()>> + Send>,
}

impl Post {
    /// Sends a request, then at once again, which must answer `again`; late it must answer `late`.
    async fn deliver<M: Rpc>(
        &mut self,
        clients: &Clients,
        request: M,
        again: i32,
        late: i32,
    ) -> anyhow::Result<M::Reply> {
        let first = clients.done(request.clone()).await?;
        let second = clients.call(request.clone()).await?;
        ensure!(second.code() == again, "{request:?} again: {second:?}");
        // A repeat with the first's code is word for word the same. Not compared are answers with a
        // text, as payments say “already paid” the second time, and updates, which have a new time.
        let is_same = second == first || !first.message().is_empty() || again != 0;
        ensure!(
            is_same || M::METHOD == "UpdateBook",
            "{first:?}, then {second:?}"
        );
        let send_late = Box::new(move |clients: Clients| -> BoxFuture<'static, _> {
            let request = request.clone();
            Box::pin(async move {
                let reply = clients.call(request.clone()).await?;
                ensure!(reply.code() == late, "{request:?} late: {reply:?}");
                Ok(())
            })
        });
        self.delivered.push(Delivered {
            method: M::PATH,
            send_late,
        });
        Ok(first)
    }

    /// Everything once more, in the order it came, and then in the opposite one.
    async fn deliver_late(&self, clients: &Clients) -> anyhow::Result<()> {
        for letter in self.delivered.iter().chain(self.delivered.iter().rev()) {
            (letter.send_late)(clients.clone()).await?;
        }
        Ok(())
    }

    fn methods(&self) -> BTreeSet<String> {
        self.delivered
            .iter()
            .map(|letter| letter.method.to_owned())
            .collect()
    }
}

/// The methods that change something: all but the reads, which say so by their names.
fn changing_methods() -> anyhow::Result<BTreeSet<String>> {
    let set = FileDescriptorSet::decode(api::FILE_DESCRIPTOR_SET)?;
    let mut methods = BTreeSet::new();
    for file in &set.file {
        for service in &file.service {
            for method in &service.method {
                let reads = ["Get", "List", "Search", "BatchGet", "Watch"];
                if !reads.iter().any(|read| method.name().starts_with(read)) {
                    let name = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                    methods.insert(name);
                }
            }
        }
    }
    Ok(methods)
}

/// What can be read: books, balances with their versions, orders, payments.
type Visible = (Vec<Book>, i64, Vec<Stock>, Vec<Order>, Vec<Option<Payment>>);

async fn visible(clients: &Clients) -> anyhow::Result<Visible> {
    let book_ids = vec![SOLD, WITHDRAWN];
    let asked = BatchGetBooksRequest {
        book_ids: book_ids.clone(),
    };
    let mut books = clients.done(asked).await?.books;
    for book in &mut books {
        // An update to the same values is an update all the same.
        book.updated_at = 0;
    }
    let listed = clients.done(ListBooksRequest::default()).await?.total;
    let stocks = clients
        .done(BatchGetStockRequest { book_ids })
        .await?
        .stocks;
    let orders = clients.done(ListOrdersRequest::default()).await?.orders;
    let mut payments = Vec::new();
    for order in &orders {
        payments.push(clients.payment_of(order.id).await?);
    }
    orders.first().context("no orders")?;
    Ok((books, listed, stocks, orders, payments))
}

fn one_copy(name: &str) -> api::order::v1::CreateOrderRequest {
    order(1, &[(SOLD, 1)], name)
}

fn batch(name: &str, quantity: i32) -> BatchDeductStockRequest {
    let items = vec![StockItem {
        book_id: SOLD,
        quantity,
    }];
    BatchDeductStockRequest {
        idempotency_key: key(name),
        reference_id: 1 << 41,
        items,
    }
}

fn key(name: &str) -> String {
    format!("story-{name}")
}
