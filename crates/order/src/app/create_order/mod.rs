//! Creating an order: the saga.
//!
//! Before stock is asked for, the log says what for; so at every moment either this saga or a
//! recovery worker can finish what was begun. There are two logs.
//!
//! The log of an order with a key is its row, where twins (concurrent duplicates of the request)
//! find it. The row is written as CREATING, the stock is deducted under its number, and a
//! compare-and-set makes it PENDING:
//!
//! | the saga ends | what is known | what is done |
//! |---|---|---|
//! | before the row was written, as a book is still short | there is nothing | nothing |
//! | before the deduction was sent | nothing is held | recovery abandons the row when its lease runs out |
//! | refused, no attempt in doubt | nothing is held, nor will be | the row is deleted |
//! | refused with an attempt in doubt, or unanswered | it may be held, now or later | abandoned: a fenced release |
//! | between deduction and confirmation | it is held | recovery abandons: a fenced release |
//! | confirmed | it is held | it is an order |
//!
//! The log of an order without a key, which nobody can refer to yet, is an intent, which covers the
//! ids of many. The stock is deducted, and the row is written once, as PENDING (`hold_first.rs`):
//!
//! | the saga ends | what is known | what is done |
//! |---|---|---|
//! | before the deduction was sent | nothing is held | recovery fences the id when the intent's lease runs out |
//! | refused, no attempt in doubt | nothing is held, nor will be | the id is settled |
//! | refused with an attempt in doubt, or unanswered | it may be held, now or later | written as CREATING, abandoned |
//! | between deduction and writing | it is held | recovery gives it back: a fenced release |
//! | written down | it is held | it is an order |

mod finish;
mod hold_first;
mod hold_stock;
mod intents;
mod pauses;
mod short_books;

use std::sync::Arc;
use std::time::Duration;

use platform::clock::pause;
use platform::combiner::WriteError;
use platform::context::CallContext;
use platform::db::DbError;
use platform::deadline::Deadline;
use platform::error::{Class, Classify};
use types::{Fen, IdempotencyKey, OrderId, OrderNo, UserId, Violations};

use hold_stock::Hold;
pub(super) use intents::Intents;
pub(super) use short_books::ShortBooks;

use super::{App, time_to_answer};
use crate::domain::{
    Basket, Birth, Inserted, NewOrder, Order, PricedBasket, Pricing, RequestKey, Stage,
};
use crate::error::OrderError;

/// How often the row of a twin on another replica is polled.
const TWIN_WAIT: Duration = Duration::from_millis(50);

/// What somebody wants to order.
#[derive(Debug, Clone)]
pub(crate) struct CreateOrder {
    pub(crate) user_id: UserId,
    pub(crate) basket: Basket,
    pub(crate) key: Option<IdempotencyKey>,
}

/// The order that was made, now or by the first request under the key.
#[derive(Debug, Clone)]
pub(crate) struct Created {
    pub(crate) id: OrderId,
    pub(crate) order_no: OrderNo,
    pub(crate) total: Fen,
}

impl CreateOrder {
    fn request(&self) -> Option<RequestKey> {
        let key = self.key.clone()?;
        Some(RequestKey {
            key,
            fingerprint: self.basket.fingerprint(self.user_id),
        })
    }
}

impl Created {
    fn of(order: &Order) -> Self {
        Self {
            id: order.id,
            order_no: order.order_no.clone(),
            total: order.total,
        }
    }
}

impl NewOrder {
    fn created(&self) -> Created {
        Created {
            id: self.id,
            order_no: self.order_no.clone(),
            total: self.total,
        }
    }
}

impl App {
    /// Creates an order, or returns what the first request under its key was answered.
    ///
    /// Twins on one replica share a run; across replicas they wait for each other.
    pub(crate) async fn create_order(
        self: &Arc<Self>,
        context: &CallContext,
        wanted: CreateOrder,
    ) -> Result<Created, OrderError> {
        let (app, context) = (Arc::clone(self), context.clone());
        match wanted.request() {
            None => {
                let saga = async move { app.make_without_key(&context, &wanted).await };
                self.carry_through("create_order", saga).await
            }
            Some(request) => loop {
                let twins = (wanted.user_id, request.key.clone(), request.fingerprint);
                let (app, own, wanted) = (Arc::clone(&app), context.clone(), wanted.clone());
                let request = request.clone();
                let mut is_own = false;
                let saga = || {
                    is_own = true;
                    async move { app.make_under_key(&own, &wanted, request).await }
                };
                let run = self
                    .creations
                    .run(&self.tasks, "create_order", twins, saga)
                    .await?;
                // A twin's run ends at the twin's deadline: a caller with more time goes on.
                if is_own || !is_late(&run) || time_to_answer(&context).has_passed() {
                    return run;
                }
            },
        }
    }

    async fn make_under_key(
        &self,
        context: &CallContext,
        wanted: &CreateOrder,
        request: RequestKey,
    ) -> Result<Created, OrderError> {
        loop {
            // The key is looked up before the books: a repeat gets its first answer, whatever has
            // become of them since.
            if let Some(first) = self.find_first(context, wanted.user_id, &request).await? {
                return Ok(first);
            }
            let priced = self.price_basket(context, &wanted.basket).await?;
            if self.is_short_at_sight(context, &wanted.basket).await {
                // A twin on another replica may have taken the last copies under this very key: its
                // row was there before it took them.
                if let Some(first) = self.find_first(context, wanted.user_id, &request).await? {
                    return Ok(first);
                }
                count_saga("refused_at_sight");
                return Err(OrderError::InsufficientStock);
            }
            let new = self
                .number_order(context, wanted.user_id, priced, request.clone())
                .await?;
            let created = new.created();
            match self
                .writer
                .insert(new, context.deadline)
                .await
                .map_err(not_written)?
            {
                Inserted::New => {
                    return self
                        .hold_and_confirm(context, &wanted.basket, created)
                        .await;
                }
                Inserted::Conflict => return Err(OrderError::KeyConflict),
                Inserted::Repeat(first) if first.stage != Stage::Creating => {
                    return Ok(Created::of(&first));
                }
                // A twin on another replica came first; back to waiting for it.
                Inserted::Repeat(_) => {}
                // Only an order under an intent can be overtaken, and this one has none.
                Inserted::Overtaken => return Err(OrderError::CalledOff(None)),
            }
        }
    }

    /// The order that the key made before; waits for one that is being made.
    async fn find_first(
        &self,
        context: &CallContext,
        user_id: UserId,
        request: &RequestKey,
    ) -> Result<Option<Created>, OrderError> {
        loop {
            let asked = (user_id, request.key.clone());
            let first = self.requests.find(asked, context.deadline).await?;
            match first.map(|(_, order)| order) {
                None => return Ok(None),
                Some(first) if first.request.as_ref() != Some(request) => {
                    return Err(OrderError::KeyConflict);
                }
                Some(first) if first.stage != Stage::Creating => {
                    return Ok(Some(Created::of(&first)));
                }
                Some(_) if context.deadline.remaining() <= TWIN_WAIT => {
                    return Err(OrderError::StillCreating);
                }
                // Its creator finishes it, or recovery frees the key.
                Some(_) => pause(TWIN_WAIT).await,
            }
        }
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn price_basket(
        &self,
        context: &CallContext,
        basket: &Basket,
    ) -> Result<PricedBasket, OrderError> {
        let books: Vec<_> = basket.lines().iter().map(|line| line.book_id).collect();
        let quotes = self.catalog.read_books(context, &books).await;
        match basket.price(&quotes.map_err(OrderError::NotRead)?) {
            Pricing::Priced(priced) => Ok(priced),
            Pricing::BookNotFound(book_id) => Err(OrderError::BookNotFound(book_id)),
            Pricing::TotalOutOfRange => {
                let description = "the total must be between 1 and 10^15 fen";
                Err(Violations::one("items", description).into())
            }
        }
    }

    async fn number_order(
        &self,
        context: &CallContext,
        user_id: UserId,
        priced: PricedBasket,
        request: RequestKey,
    ) -> Result<NewOrder, OrderError> {
        let serial = self.ids.next(context.deadline).await.map_err(not_written)?;
        let id = OrderId::new(serial)
            .ok_or_else(|| DbError::Broken("order ids are used up".to_owned()))?;
        let at = self.clock.now();
        Ok(NewOrder {
            id,
            order_no: OrderNo::generate(at, serial),
            user_id,
            total: priced.total,
            items: priced.items.into(),
            request: Some(request),
            at,
            birth: Birth::Creating {
                lease_until: at.plus(self.timing.creation_lease),
            },
            may_be_there: false,
        })
    }

    /// From CREATING to PENDING, or to nothing.
    #[tracing::instrument(skip_all, fields(order.no = %created.order_no))]
    async fn hold_and_confirm(
        &self,
        context: &CallContext,
        basket: &Basket,
        created: Created,
    ) -> Result<Created, OrderError> {
        let context = self.saga_context(context);
        match self.hold_stock(&context, basket, &created).await {
            Hold::Held => self.confirm(&context, created).await,
            Hold::Refused {
                error,
                in_doubt: false,
            } => {
                self.drop_order(created.id).await;
                count_saga("refused");
                Err(error)
            }
            Hold::Refused {
                error,
                in_doubt: true,
            } => self.call_off(&created, error).await,
            Hold::Unknown(unanswered) => {
                self.call_off(&created, OrderError::CalledOff(Some(unanswered)))
                    .await
            }
            Hold::Fenced => {
                count_saga("overtaken");
                Err(OrderError::CalledOff(None))
            }
        }
    }

    /// Bounds the saga: as a rule it ends in time to answer its caller and before recovery may take over.
    fn saga_context(&self, context: &CallContext) -> CallContext {
        let own = Deadline::after(self.timing.creation_lease / 2);
        CallContext {
            deadline: time_to_answer(context).earlier(own),
            ..context.clone()
        }
    }
}

/// The error of a write before stock is asked for. Even if it did happen there is no order: a row
/// is CREATING and nobody will confirm it, an intent's ids are not used, and recovery settles both;
/// reserved ids are lost.
fn not_written(error: WriteError) -> OrderError {
    match error.class() {
        Class::OutcomeUnknown { .. } => OrderError::CalledOff(None),
        Class::Refused(_)
        | Class::Malformed(_)
        | Class::Unavailable
        | Class::TooLate
        | Class::Bug => OrderError::Write(error),
    }
}

/// Whether it was a deadline that ended the run.
fn is_late(run: &Result<Created, OrderError>) -> bool {
    matches!(
        run.as_ref().map_err(Classify::class),
        Err(Class::TooLate | Class::OutcomeUnknown { late: true })
    )
}

fn count_saga(result: &'static str) {
    metrics::counter!("bookstore_order_sagas_total", "result" => result).increment(1);
}
