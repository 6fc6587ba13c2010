//! A storm of orders over two replicas: customers who order, pay, cancel and read until it is over,
//! keep account of every answer, and compare it with what is there in the end.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use api::catalog::v1::GetBookRequest;
use api::inventory::v1::GetStockRequest;
use api::{Reply, Rpc};
use futures::future::try_join_all;
use platform::clock::pause;
use testkit::eventually;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::clients::Clients;
use crate::goods::{CANCELLED, MONEY_TAKEN, PAID, PENDING, Placed, cancel, order, pay_order};
use crate::rows::read_rows;
use crate::shop::Service;
use crate::twice::Twice;

/// How many customers there are.
const CUSTOMERS: u64 = 8;
/// How many orders [`Storm::more_orders`] waits for.
const MORE_ORDERS: u64 = 8;
/// How long a call that was not answered waits before it goes to the other replica.
const RETRY_AFTER: Duration = Duration::from_millis(50);
/// The longest that two replicas, of which one dies now and then, may leave a call without an answer.
const ANSWER_WITHIN: Duration = Duration::from_mins(1);
/// How often a polite customer repeats a call, and how long it waits before it does.
const REPEATS: u32 = 10;
const REPEAT_AFTER: Duration = Duration::from_millis(200);

/// How customers take it that a call is not answered. Either way the next try goes to the other
/// replica, under the same key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// They ask again for a minute, whatever kind of silence it was: for storms with kills.
    Insistent,
    /// They ask again only where they are told when to, or nobody took the call, ten times, 200 ms
    /// apart: for storms in which no call may be lost.
    Polite,
}

/// What customers share.
pub struct Storm {
    replicas: [Clients; 2],
    manner: Manner,
    book_id: u64,
    orders: AtomicU64,
    is_over: AtomicBool,
}

/// An order, and what its customer was told of it last.
#[derive(Debug)]
pub struct Kept {
    placed: Placed,
    status: i32,
    /// Empty where it was never paid.
    payment_no: String,
}

impl Storm {
    /// Puts enough copies of a book on the shelf.
    ///
    /// # Errors
    /// Where that fails.
    pub async fn gather(twice: &Twice, manner: Manner) -> anyhow::Result<Self> {
        Self::gather_at(twice.each()?, manner).await
    }

    /// As [`Self::gather`], with clients of any two instances, which may be the same.
    ///
    /// # Errors
    /// Where that fails.
    pub async fn gather_at(replicas: [Clients; 2], manner: Manner) -> anyhow::Result<Self> {
        let book_id = replicas[0].stocked(1000, 100_000).await?;
        Ok(Self {
            replicas,
            manner,
            book_id,
            orders: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
        })
    }

    /// Lets customers shop until [`Self::end`]; answers all that they were told.
    ///
    /// # Errors
    /// An answer that may not be, or none.
    pub async fn rage(&self) -> anyhow::Result<Vec<Kept>> {
        let customers = (1..=CUSTOMERS).map(|user_id| self.shop(user_id));
        let lists = try_join_all(customers).await?;
        Ok(lists.into_iter().flatten().collect())
    }

    /// Waits until a few more orders have come to the end that their customers wanted.
    pub async fn more_orders(&self) {
        let goal = self.orders.load(Ordering::SeqCst) + MORE_ORDERS;
        eventually("more orders in the storm", || async {
            (self.orders.load(Ordering::SeqCst) >= goal).then_some(())
        })
        .await;
    }

    /// Customers finish what they are at and go home.
    pub fn end(&self) {
        self.is_over.store(true, Ordering::SeqCst);
    }

    /// Makes orders; pays most of them, cancels some, looks at all of them.
    async fn shop(&self, user_id: u64) -> anyhow::Result<Vec<Kept>> {
        let mut list = Vec::new();
        while !self.is_over.load(Ordering::SeqCst) {
            let turn = list.len();
            let book_id = self.book_id;
            let key = format!("storm-{book_id}-{user_id}-{turn}");
            let made = self
                .done(turn, order(user_id, &[(book_id, 1)], &key))
                .await?;
            let placed = Placed {
                no: made.order_no,
                id: made.order_id,
                total: made.total,
            };
            let mut kept = Kept {
                placed,
                status: PENDING,
                payment_no: String::new(),
            };
            self.done(turn, GetBookRequest { book_id }).await?;
            if !turn.is_multiple_of(4) {
                let paid = self.done(turn, pay_order(&kept.placed.no)).await?;
                (kept.status, kept.payment_no) = (PAID, paid.payment_no);
            }
            self.done(turn + 1, GetStockRequest { book_id }).await?;
            if turn.is_multiple_of(3) {
                self.done(turn + 1, cancel(&kept.placed.no)).await?;
                kept.status = CANCELLED;
            }
            list.push(kept);
            self.orders.fetch_add(1, Ordering::SeqCst);
        }
        Ok(list)
    }

    /// Makes a call, first at the replica whose `turn` it is, which must answer code 0.
    async fn done<M: Rpc>(&self, turn: usize, request: M) -> anyhow::Result<M::Reply> {
        let asked = format!("{request:?}");
        let reply = match self.manner {
            Manner::Insistent => insist(&self.replicas, turn, request).await?,
            Manner::Polite => self.repeat(turn, request).await?,
        };
        ensure!(reply.code() == 0, "{asked} answered {reply:?}");
        Ok(reply)
    }

    async fn repeat<M: Rpc>(&self, turn: usize, request: M) -> anyhow::Result<M::Reply> {
        let mut told = Vec::new();
        for clients in self.replicas.iter().cycle().skip(turn % 2) {
            match clients.call(request.clone()).await {
                Ok(reply) => return Ok(reply),
                Err(status) => told.push(status),
            }
            ensure!(
                told.last().is_some_and(is_worth_repeating)
                    && told.len() <= usize::try_from(REPEATS)?,
                "{request:?}: {told:?}"
            );
            pause(REPEAT_AFTER).await;
        }
        bail!("unreachable: the replicas take turns for ever")
    }

    /// Compares what is there with what customers were told: the orders of the database are theirs and
    /// no others, no number and no id was given twice, and each is in its state, with its payment.
    ///
    /// # Errors
    /// What is missing, surplus or otherwise than they were told.
    pub async fn expect_all(&self, twice: &Twice, kept: &[Kept]) -> anyhow::Result<()> {
        let sql = "SELECT order_no, id FROM orders WHERE status BETWEEN 1 AND 5";
        let mut found = BTreeMap::new();
        for row in read_rows(twice.database(Service::Order)?, sql).await? {
            found.insert(row.text(0)?, u64::try_from(row.int(1)?)?);
        }
        let placed = kept.iter().map(|kept| &kept.placed);
        let told: BTreeMap<_, _> = placed
            .map(|placed| (placed.no.clone(), placed.id))
            .collect();
        ensure!(told.len() == kept.len(), "a number was given twice");
        ensure!(told == found, "told of {told:?}, and there are {found:?}");
        self.expect_kept(kept).await
    }

    /// Compares each order with what its customer was told of it.
    ///
    /// # Errors
    /// What is otherwise.
    pub async fn expect_kept(&self, kept: &[Kept]) -> anyhow::Result<()> {
        ensure!(!kept.is_empty(), "nobody ordered anything");
        for (turn, kept) in kept.iter().enumerate() {
            verify(&self.replicas[turn % 2], kept)
                .await
                .with_context(|| format!("{kept:?}"))?;
        }
        Ok(())
    }
}

/// Compares an order and its payment with what the customer was told.
async fn verify(clients: &Clients, kept: &Kept) -> anyhow::Result<()> {
    let Placed { no, id, total } = &kept.placed;
    let order = clients.order_of(no).await?;
    let found = (order.id, order.total, order.status);
    ensure!(found == (*id, *total, kept.status), "{order:?}");
    let payment = clients.payment_of(*id).await?;
    let number = payment.as_ref().map(|payment| payment.payment_no.as_str());
    ensure!(number.unwrap_or_default() == kept.payment_no, "{payment:?}");
    if kept.status == PAID {
        ensure!(payment.is_some_and(|payment| payment.status == MONEY_TAKEN));
    } else {
        clients.until_no_money_is_held(*id).await;
    }
    Ok(())
}

/// Makes a call at the replica whose `turn` it is, and where it is not answered at the other one,
/// and so on.
///
/// # Errors
/// A status that is final, or no answer within a minute.
pub async fn insist<M: Rpc>(
    replicas: &[Clients; 2],
    turn: usize,
    request: M,
) -> anyhow::Result<M::Reply> {
    let asked = Instant::now();
    for clients in replicas.iter().cycle().skip(turn % 2) {
        match clients.call(request.clone()).await {
            Ok(reply) => return Ok(reply),
            Err(status) => ensure!(
                may_be_repeated(&status) && asked.elapsed() < ANSWER_WITHIN,
                "{request:?} for {:?}: {status:?}",
                asked.elapsed()
            ),
        }
        pause(RETRY_AFTER).await;
    }
    bail!("unreachable: the replicas take turns for ever")
}

/// Whether the service says when to ask again, or there was no connection, or the call never left.
fn is_worth_repeating(status: &Status) -> bool {
    let is_told = status.get_error_details().retry_info().is_some();
    let is_own = status.source().is_some();
    let is_unavailable = status.code() == Code::Unavailable;
    (is_unavailable && (is_told || is_own)) || never_left(status)
}

/// Whether a connection that its draining server was closing did not take the call any more. Other
/// clients send such a call again by themselves; tonic's leaves it to its caller, as CANCELLED or
/// INTERNAL.
fn never_left(status: &Status) -> bool {
    let mut cause = status.source();
    while let Some(error) = cause {
        let was_queued = |error: &hyper::Error| error.is_canceled();
        let was_turned_away = |error: &h2::Error| {
            error.is_go_away() && error.is_remote() && error.reason() == Some(h2::Reason::NO_ERROR)
        };
        if error.downcast_ref().is_some_and(was_queued)
            || error.downcast_ref().is_some_and(was_turned_away)
        {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Whether a replica is dead or dying, or an effect in doubt; keys make the next try safe.
pub fn may_be_repeated(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable | Code::DeadlineExceeded | Code::Unknown | Code::Cancelled
    )
}
