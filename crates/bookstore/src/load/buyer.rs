//! A buyer: does one operation after the other, and writes down what it did.

use std::sync::Arc;
use std::time::Duration;

use api::catalog::v1::{BatchGetBooksRequest, GetBookRequest, SearchBooksRequest};
use api::inventory::v1::DeductStockRequest;
use api::order::v1::{
    CancelOrderRequest, CompleteOrderRequest, CreateOrderItem, CreateOrderRequest, GetOrderRequest,
    Order, PayOrderRequest, ShipOrderRequest,
};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use types::{Code, OrderStatus};

use super::call::{Miss, Outcome, accepted, ask, judged};
use super::ledger::{Known, Line, Note};
use super::market::Market;
use super::scenario::{Operation, Scenario};
use super::shelf::{BUYERS, Shelf};
use crate::clients::Clients;

/// Books that one batch reads, and that one order has.
const BATCH_LEN: u32 = 10;
const ORDER_LEN: u32 = 2;
/// How often a refused payment is tried: the mock refuses three of ten.
const PAYMENTS_MAX: u32 = 30;

/// One of those who are at it at the same time.
pub(super) struct Buyer {
    clients: Clients,
    market: Arc<Market>,
    number: usize,
    rng: StdRng,
    keys: u64,
    last_order: Option<Note>,
}

impl Buyer {
    pub(super) fn new(market: Arc<Market>, clients: Clients, number: usize) -> Self {
        Self {
            clients,
            market,
            number,
            rng: StdRng::from_rng(&mut rand::rng()),
            keys: 0,
            last_order: None,
        }
    }

    /// Does what the scenario has next. What a flash sale sells is on sale only while it `is_open`;
    /// before that its buyers warm up on another book.
    pub(super) async fn act(&mut self, is_open: bool) -> (Operation, Outcome) {
        let operation = self.market.plan.scenario.draw(&mut self.rng);
        let outcome = match operation {
            Operation::GetBook => self.get_book().await,
            Operation::BatchGet => self.batch_get().await,
            Operation::Search => self.search().await,
            Operation::GetOrder => self.get_order().await,
            Operation::Deduct => self.deduct().await,
            Operation::CreateOrder => self.create_order(is_open).await,
            Operation::OrderAndPay => self.order_and_pay().await,
            Operation::OrderAndCancel => self.order_and_cancel().await,
            Operation::OrderToTheEnd => self.order_to_the_end().await,
        };
        (operation, outcome)
    }

    async fn get_book(&mut self) -> Outcome {
        let (shelf, limit) = (self.market.shelf, self.market.plan.timeout);
        let rank = self.draw();
        let request = GetBookRequest {
            book_id: shelf.id(rank),
        };
        let reply = ask(limit, request, |r| self.clients.catalog.get_book(r)).await?;
        judged(
            reply.book.is_some_and(|book| {
                book.id == shelf.id(rank) && book.price == Shelf::price_fen(rank)
            }),
            "GetBook did not answer the book that was asked for",
        )
    }

    async fn batch_get(&mut self) -> Outcome {
        let (shelf, limit) = (self.market.shelf, self.market.plan.timeout);
        let ranks = self
            .market
            .popularity
            .draw_different(BATCH_LEN, &mut self.rng);
        let book_ids: Vec<_> = ranks.iter().map(|rank| shelf.id(*rank)).collect();
        let request = BatchGetBooksRequest {
            book_ids: book_ids.clone(),
        };
        let reply = ask(limit, request, |r| self.clients.catalog.batch_get_books(r)).await?;
        judged(
            reply.books.iter().map(|book| book.id).eq(book_ids),
            "BatchGetBooks did not answer the books that were asked for",
        )
    }

    async fn search(&mut self) -> Outcome {
        let (shelf, limit) = (self.market.shelf, self.market.plan.timeout);
        let rank = self.draw();
        let for_title = self.rng.random::<bool>();
        let keyword = if for_title {
            shelf.title(rank)
        } else {
            Shelf::topic(rank).to_owned()
        };
        let request = SearchBooksRequest {
            keyword,
            page: 1,
            page_size: 0,
        };
        let reply = ask(limit, request, |r| self.clients.catalog.search_books(r)).await?;
        let first = reply.books.first();
        judged(
            first.is_some_and(|book| !for_title || book.id == shelf.id(rank)),
            "SearchBooks did not find a book that is there",
        )
    }

    /// Reads one of the orders that were made to be read, or the last of its own.
    async fn get_order(&mut self) -> Outcome {
        let (shelf, limit) = (self.market.shelf, self.market.plan.timeout);
        let readable = self.market.readable.get();
        let chosen = readable.and_then(|notes| notes.choose(&mut self.rng));
        let Some(note) = chosen.or(self.last_order.as_ref()).cloned() else {
            // Nothing was ordered yet: a newcomer looks at a book.
            return self.get_book().await;
        };
        let order = read_order(&mut self.clients, limit, &note.order_no).await?;
        judged(
            is_as_noted(&order, &note, shelf),
            "GetOrder answered something else than was ordered",
        )
    }

    async fn deduct(&mut self) -> Outcome {
        let (shelf, limit) = (self.market.shelf, self.market.plan.timeout);
        let rank = self.draw();
        let request = DeductStockRequest {
            book_id: shelf.id(rank),
            quantity: 1,
            reference_id: 0,
            idempotency_key: self.next_key(),
        };
        let answer = ask(limit, request, |r| self.clients.inventory.deduct_stock(r)).await;
        let line = Line { rank, copies: 1 };
        let ended = accepted(answer).map(|_| ());
        match ended {
            Ok(()) => self.market.ledger().take(&[line], Known::Surely),
            Err(Miss::Failed(_)) => self.market.ledger().take(&[line], Known::Maybe),
            Err(miss) => self.note_refusal(&[line], miss),
        }
        ended
    }

    async fn create_order(&mut self, is_open: bool) -> Outcome {
        let note = match self.market.plan.scenario {
            Scenario::FlashSale => {
                let rank = u32::from(!is_open);
                self.place_order(vec![Line { rank, copies: 1 }]).await?
            }
            _ => self.order_some().await?,
        };
        self.end_with(note, &[OrderStatus::Pending]);
        Ok(())
    }

    async fn order_and_pay(&mut self) -> Outcome {
        let note = self.order_some().await?;
        self.pay(&note).await?;
        self.end_with(note, &[OrderStatus::Paid]);
        Ok(())
    }

    async fn order_and_cancel(&mut self) -> Outcome {
        let note = self.order_some().await?;
        self.cancel(note).await
    }

    async fn order_to_the_end(&mut self) -> Outcome {
        let note = self.order_some().await?;
        self.pay(&note).await?;
        let limit = self.market.plan.timeout;
        let request = ShipOrderRequest {
            order_no: note.order_no.clone(),
        };
        let shipped = ask(limit, request, |r| self.clients.order.ship_order(r)).await;
        if let Err(miss) = accepted(shipped) {
            self.market.ledger().commit(&note.lines, Known::Maybe);
            self.end_with(note, &[OrderStatus::Paid, OrderStatus::Shipped]);
            return Err(miss);
        }
        self.market.ledger().commit(&note.lines, Known::Surely);
        let request = CompleteOrderRequest {
            order_no: note.order_no.clone(),
        };
        let completed = ask(limit, request, |r| self.clients.order.complete_order(r)).await;
        if let Err(miss) = accepted(completed) {
            self.end_with(note, &[OrderStatus::Shipped, OrderStatus::Completed]);
            return Err(miss);
        }
        self.end_with(note, &[OrderStatus::Completed]);
        Ok(())
    }

    /// Makes an order and cancels it at once; answers how long it would have waited for its payment.
    pub(super) async fn probe_timeout(&mut self) -> Result<Duration, Miss> {
        let rank = self.market.shelf.books().saturating_sub(1);
        let note = self.place_order(vec![Line { rank, copies: 1 }]).await?;
        let limit = self.market.plan.timeout;
        let order = read_order(&mut self.clients, limit, &note.order_no).await;
        self.cancel(note).await?;
        let order = order?;
        let seconds = order.expire_at.saturating_sub(order.created_at);
        Ok(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
    }

    /// Makes an order that others will read.
    pub(super) async fn make_readable(&mut self) -> Result<Note, Miss> {
        let mut note = self.order_some().await?;
        note.states = &[OrderStatus::Pending];
        Ok(note)
    }

    async fn order_some(&mut self) -> Result<Note, Miss> {
        let ranks = self
            .market
            .popularity
            .draw_different(ORDER_LEN, &mut self.rng);
        let lines = ranks.into_iter().map(|rank| Line { rank, copies: 1 });
        self.place_order(lines.collect()).await
    }

    async fn place_order(&mut self, lines: Vec<Line>) -> Result<Note, Miss> {
        let (shelf, limit) = (self.market.shelf, self.market.plan.timeout);
        let buyer = shelf.buyer(self.rng.random_range(0..BUYERS));
        let items = lines.iter().map(|line| CreateOrderItem {
            book_id: shelf.id(line.rank),
            quantity: line.copies,
        });
        let key = (!self.market.plan.without_keys).then(|| self.next_key());
        let request = CreateOrderRequest {
            user_id: buyer,
            items: items.collect(),
            idempotency_key: key.unwrap_or_default(),
        };
        let answer = ask(limit, request, |r| self.clients.order.create_order(r)).await;
        let reply = match accepted(answer) {
            Ok(reply) => reply,
            Err(miss) => {
                self.note_refusal(&lines, miss);
                if matches!(miss, Miss::Failed(_)) {
                    self.market.ledger().order(&lines, Known::Maybe);
                }
                return Err(miss);
            }
        };
        self.market.ledger().order(&lines, Known::Surely);
        let total_fen = lines
            .iter()
            .map(|line| Shelf::price_fen(line.rank) * i64::from(line.copies))
            .sum();
        let note = Note {
            order_no: reply.order_no,
            buyer,
            total_fen,
            lines,
            states: &[],
        };
        if reply.total == total_fen {
            Ok(note)
        } else {
            self.end_with(note, &[OrderStatus::Pending]);
            Err(Miss::Wrong(
                "CreateOrder answered another total than the prices add up to",
            ))
        }
    }

    /// Pays until the gateway accepts.
    async fn pay(&mut self, note: &Note) -> Outcome {
        let limit = self.market.plan.timeout;
        let refused = Miss::Refused(Code::PaymentRefused.number());
        let mut ended = refused;
        for _ in 0..PAYMENTS_MAX {
            let request = PayOrderRequest {
                order_no: note.order_no.clone(),
                payment_method: "mock".to_owned(),
            };
            match accepted(ask(limit, request, |r| self.clients.order.pay_order(r)).await) {
                Ok(_) => return Ok(()),
                Err(miss) => ended = miss,
            }
            if ended != refused {
                break;
            }
        }
        self.end_with(note.clone(), &[OrderStatus::Pending, OrderStatus::Paid]);
        Err(ended)
    }

    async fn cancel(&mut self, note: Note) -> Outcome {
        let request = CancelOrderRequest {
            order_no: note.order_no.clone(),
            reason: "bookstore load".to_owned(),
        };
        let limit = self.market.plan.timeout;
        let cancelled = ask(limit, request, |r| self.clients.order.cancel_order(r)).await;
        match accepted(cancelled) {
            Ok(_) => {
                self.market.ledger().give_back(&note.lines, Known::Surely);
                self.end_with(note, &[OrderStatus::Cancelled]);
                Ok(())
            }
            Err(miss) => {
                self.market.ledger().give_back(&note.lines, Known::Maybe);
                self.end_with(note, &[OrderStatus::Pending, OrderStatus::Cancelled]);
                Err(miss)
            }
        }
    }

    fn end_with(&mut self, mut note: Note, states: &'static [OrderStatus]) {
        note.states = states;
        self.last_order = Some(note.clone());
        self.market.ledger().remember(note);
    }

    /// A "sold out" says something about a book only where nothing else was asked for.
    fn note_refusal(&self, lines: &[Line], miss: Miss) {
        if let ([line], Miss::Refused(code)) = (lines, miss)
            && code == Code::InsufficientStock.number()
        {
            self.market.ledger().refuse(line.rank);
        }
    }

    fn draw(&mut self) -> u32 {
        self.market.popularity.draw(&mut self.rng)
    }

    fn next_key(&mut self) -> String {
        self.keys += 1;
        let what = format!("{}-{}", self.number, self.keys);
        self.market.shelf.key(&what)
    }
}

/// Reads an order.
pub(super) async fn read_order(
    clients: &mut Clients,
    limit: Duration,
    order_no: &str,
) -> Result<Order, Miss> {
    let request = GetOrderRequest {
        order_no: order_no.to_owned(),
    };
    let reply = accepted(ask(limit, request, |r| clients.order.get_order(r)).await)?;
    reply.order.ok_or(Miss::Wrong("GetOrder answered no order"))
}

/// Whether an order is what was ordered.
pub(super) fn is_as_noted(order: &Order, note: &Note, shelf: Shelf) -> bool {
    let mut items: Vec<_> = order
        .items
        .iter()
        .map(|i| (i.book_id, i.quantity))
        .collect();
    let mut lines: Vec<_> = note
        .lines
        .iter()
        .map(|line| (shelf.id(line.rank), line.copies))
        .collect();
    items.sort_unstable();
    lines.sort_unstable();
    order.order_no == note.order_no
        && order.user_id == note.buyer
        && order.total == note.total_fen
        && note
            .states
            .iter()
            .any(|state| state.number() == order.status)
        && items == lines
}
