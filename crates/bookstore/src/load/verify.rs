//! Afterwards: is what the services say what the run did?
//!
//! Through the public calls alone. Copies that calls without an answer may have taken are a range, not an
//! excuse: no book is negative, none was sold twice, none was lost.

use std::collections::BTreeMap;
use std::time::Duration;

use api::inventory::v1::BatchGetStockRequest;
use api::order::v1::ListOrdersRequest;
use futures::{StreamExt, TryStreamExt, stream};
use platform::clock::pause;
use platform::deadline::Deadline;
use serde::Serialize;

use super::buyer::{is_as_noted, read_order};
use super::call::{Miss, accepted, ask};
use super::ledger::{Account, Count, Ledger, Note};
use super::market::Market;
use super::shelf::{BUYERS, Shelf};
use crate::clients::Clients;

/// The most ids that one call may name.
pub(super) const IDS_MAX: usize = 500;
/// How many reads are under way at the same time.
const READS: usize = 16;
/// How often is looked whether compensations are done.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How many faults are told; all are counted.
const FAULTS_TOLD_MAX: usize = 10;

/// The free and the reserved copies of a book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Balance {
    pub(super) free: i64,
    pub(super) reserved: i64,
}

/// What the verification found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Verdict {
    pub(super) books: u64,
    /// Copies that were free before the run and are not any more.
    pub(super) taken: i64,
    /// What the acknowledged calls add up to, and by how much those without an answer may change it.
    pub(super) acknowledged: i64,
    pub(super) unknown: i64,
    pub(super) orders_acknowledged: i64,
    pub(super) orders_unknown: i64,
    pub(super) orders_found: i64,
    pub(super) orders_read_back: u64,
    pub(super) faults: u64,
    pub(super) first_faults: Vec<String>,
}

impl Verdict {
    pub(super) fn fault(&mut self, what: String) {
        self.faults = self.faults.saturating_add(1);
        if self.first_faults.len() < FAULTS_TOLD_MAX {
            self.first_faults.push(what);
        }
    }
}

/// What is wrong with a book.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Fault {
    what: String,
    /// Whether a compensation that is still under way may be all it is.
    may_settle: bool,
}

/// Reads everything back; compensations get the time that the plan gives them.
pub(super) async fn verify(
    market: &Market,
    clients: &Clients,
    before: &BTreeMap<u32, Balance>,
) -> anyhow::Result<Verdict> {
    let deadline = Deadline::after(market.plan.settle());
    let mut verdict = loop {
        let now = read_balances(market, clients).await?;
        let (verdict, may_settle) = compare(&market.ledger(), before, &now, market.shelf);
        if verdict.faults == 0 || !may_settle || deadline.has_passed() {
            break verdict;
        }
        pause(LOOK_EVERY.min(deadline.remaining())).await;
    };
    let books = u64::from(market.shelf.books());
    if verdict.books != books {
        verdict.fault(format!(
            "{books} books were stocked, and {} had a stock record",
            verdict.books
        ));
    }
    if market.plan.scenario.makes_orders() {
        count_orders(market, clients, &mut verdict).await?;
        read_back(market, clients, &mut verdict).await?;
    }
    Ok(verdict)
}

/// The balances of the whole shelf, by rank.
pub(super) async fn read_balances(
    market: &Market,
    clients: &Clients,
) -> anyhow::Result<BTreeMap<u32, Balance>> {
    let (shelf, limit) = (market.shelf, market.plan.timeout);
    let mut balances = BTreeMap::new();
    for book_ids in shelf.ids().chunks(IDS_MAX) {
        let request = BatchGetStockRequest {
            book_ids: book_ids.to_vec(),
        };
        let mut inventory = clients.inventory.clone();
        let answer = ask(limit, request, |r| inventory.batch_get_stock(r)).await;
        let reply = accepted(answer).map_err(|miss| unread("BatchGetStock", miss))?;
        for stock in reply.stocks {
            let balance = Balance {
                free: stock.quantity.into(),
                reserved: stock.reserved.into(),
            };
            if let Some(rank) = shelf.rank(stock.book_id) {
                balances.insert(rank, balance);
            }
        }
    }
    Ok(balances)
}

/// Holds all books against the ledger; answers also whether time may mend every fault.
fn compare(
    ledger: &Ledger,
    before: &BTreeMap<u32, Balance>,
    now: &BTreeMap<u32, Balance>,
    shelf: Shelf,
) -> (Verdict, bool) {
    let mut verdict = Verdict::default();
    let mut may_settle = true;
    for (rank, before) in before {
        verdict.books += 1;
        let account = ledger.accounts.get(rank).copied().unwrap_or_default();
        let left = Count {
            sure: account.taken.sure - account.returned.sure,
            maybe: account.taken.maybe + account.returned.maybe,
        };
        verdict.acknowledged += left.sure;
        verdict.unknown += left.maybe;
        let refused = ledger.sold_out.get(rank).copied().unwrap_or(0);
        let fault = match now.get(rank) {
            None => Some(Fault {
                what: "has no stock record any more".to_owned(),
                may_settle: false,
            }),
            Some(now) => {
                verdict.taken += before.free - now.free;
                judge(account, refused, *before, *now)
            }
        };
        if let Some(fault) = fault {
            may_settle &= fault.may_settle;
            verdict.fault(format!("book {}: {}", shelf.id(*rank), fault.what));
        }
    }
    (verdict, may_settle)
}

/// What is wrong with one book, if anything.
fn judge(account: Account, refused: u64, before: Balance, now: Balance) -> Option<Fault> {
    let fault = |may_settle, what: String| Some(Fault { what, may_settle });
    let taken = before.free - now.free;
    let gone = taken - (now.reserved - before.reserved);
    let (returned, returned_at_most) = account.returned.range();
    let (acknowledged, acknowledged_at_most) = account.taken.range();
    let (least, most) = (
        acknowledged - returned_at_most,
        acknowledged_at_most - returned,
    );
    let (committed, committed_at_most) = account.committed.range();
    if now.free < 0 || now.reserved < 0 {
        return fault(
            false,
            format!("{} free, {} reserved", now.free, now.reserved),
        );
    }
    if taken < least {
        let text =
            format!("{taken} copies were taken, and {least} were acknowledged: oversold, or lost");
        return fault(false, text);
    }
    if taken > most {
        let text = format!("{taken} copies were taken, and {most} at the most were asked for");
        return fault(true, text);
    }
    if gone < 0 || gone > committed_at_most {
        let text = format!("{gone} copies left, and {committed_at_most} at the most were shipped");
        return fault(false, text);
    }
    if gone < committed {
        let text = format!("{gone} copies left, and {committed} were shipped");
        return fault(true, text);
    }
    if refused > 0 && account.taken.maybe == 0 && now.free > 0 {
        let text = format!(
            "{refused} buyers heard that it is sold out, and {} are free",
            now.free
        );
        return fault(false, text);
    }
    None
}

/// Counts the orders of all buyers of the run.
async fn count_orders(
    market: &Market,
    clients: &Clients,
    verdict: &mut Verdict,
) -> anyhow::Result<()> {
    let counts = stream::iter(0..BUYERS).map(|number| {
        let mut order = clients.order.clone();
        let request = ListOrdersRequest {
            user_id: market.shelf.buyer(number),
            page: 1,
            page_size: 1,
            ..ListOrdersRequest::default()
        };
        async move {
            let answer = ask(market.plan.timeout, request, |r| order.list_orders(r)).await;
            accepted(answer).map(|reply| reply.total)
        }
    });
    let counts = counts.buffer_unordered(READS).try_collect::<Vec<_>>().await;
    let counts = counts.map_err(|miss| unread("ListOrders", miss))?;
    let orders = market.ledger().orders;
    let found = counts.into_iter().sum();
    verdict.orders_found = found;
    verdict.orders_acknowledged = orders.sure;
    verdict.orders_unknown = orders.maybe;
    let (least, most) = orders.range();
    if found < least || found > most {
        verdict.fault(format!(
            "{found} orders are there, {least} were acknowledged and {most} asked for at the most"
        ));
    }
    Ok(())
}

/// Reads the latest orders.
async fn read_back(
    market: &Market,
    clients: &Clients,
    verdict: &mut Verdict,
) -> anyhow::Result<()> {
    let latest: Vec<Note> = market.ledger().latest.iter().cloned().collect();
    let read = stream::iter(latest).map(|note| {
        let mut clients = clients.clone();
        async move {
            let order = read_order(&mut clients, market.plan.timeout, &note.order_no).await;
            (note, order)
        }
    });
    let read: Vec<_> = read.buffer_unordered(READS).collect().await;
    for (note, order) in read {
        verdict.orders_read_back += 1;
        match order {
            Ok(order) if is_as_noted(&order, &note, market.shelf) => {}
            Ok(order) => verdict.fault(format!(
                "order {} is not as it was made (status {}, total {})",
                note.order_no, order.status, order.total
            )),
            Err(miss @ Miss::Failed(_)) => return Err(unread("GetOrder", miss)),
            Err(_) => verdict.fault(format!(
                "order {} was acknowledged and is not there",
                note.order_no
            )),
        }
    }
    Ok(())
}

/// A call that had to be answered was not.
pub(super) fn unread(call: &str, miss: Miss) -> anyhow::Error {
    let reason = match miss {
        Miss::Failed(failure) => failure.to_string(),
        Miss::Refused(code) => format!("refused with {code}"),
        Miss::Wrong(what) => what.to_owned(),
    };
    anyhow::Error::msg(reason).context(call.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: Balance = Balance {
        free: 100,
        reserved: 5,
    };

    fn account(taken: (i64, i64), returned: (i64, i64), committed: (i64, i64)) -> Account {
        let count = |(sure, maybe)| Count { sure, maybe };
        Account {
            taken: count(taken),
            returned: count(returned),
            committed: count(committed),
        }
    }

    /// Whether it is a fault, and whether time may mend it.
    fn found(account: Account, refused: u64, free: i64, reserved: i64) -> Option<bool> {
        let now = Balance { free, reserved };
        judge(account, refused, BEFORE, now).map(|fault| fault.may_settle)
    }

    #[test]
    fn copies_that_were_acknowledged_are_taken_and_no_others() {
        let sold = account((10, 2), (0, 0), (0, 0));
        for (free, reserved) in [(90, 15), (89, 16), (88, 17)] {
            assert_eq!(found(sold, 0, free, reserved), None);
        }
        assert_eq!(found(sold, 0, 91, 14), Some(false), "an order was lost");
        assert_eq!(found(sold, 0, 87, 18), Some(true), "copies were lost");
        assert_eq!(found(sold, 0, 90, 14), Some(false), "a copy vanished");
        assert_eq!(found(sold, 0, 90, 16), Some(false), "a copy appeared");
        assert_eq!(found(sold, 0, -1, 106), Some(false), "negative");
    }

    #[test]
    fn what_was_cancelled_is_free_again_and_what_was_shipped_is_gone() {
        let all = account((10, 0), (4, 1), (3, 1));
        assert_eq!(found(all, 0, 94, 8), None);
        assert_eq!(found(all, 0, 95, 7), None);
        assert_eq!(found(all, 0, 94, 7), None, "one more may have been shipped");
        assert_eq!(found(all, 0, 93, 9), Some(true), "a release is under way");
        assert_eq!(found(all, 0, 94, 9), Some(true), "a commit is under way");
        assert_eq!(found(all, 0, 96, 6), Some(false));
        assert_eq!(found(all, 0, 94, 6), Some(false));
    }

    #[test]
    fn nobody_is_told_that_it_is_sold_out_while_it_is_not() {
        let sold = account((100, 0), (0, 0), (0, 0));
        assert_eq!(found(sold, 7, 0, 105), None);
        let early = account((99, 0), (0, 0), (0, 0));
        assert_eq!(found(early, 7, 1, 104), Some(false));
        // A call without an answer may have held the last copy, and given it back.
        let unknown = account((99, 1), (0, 0), (0, 0));
        assert_eq!(found(unknown, 7, 1, 104), None);
    }

    #[test]
    fn a_book_that_nobody_touched_must_not_have_moved() {
        let before = BTreeMap::from([(0, BEFORE), (1, BEFORE)]);
        let mut now = before.clone();
        let shelf = Shelf::lasting(2);
        let ledger = Ledger::default();
        assert_eq!(compare(&ledger, &before, &now, shelf).0.faults, 0);
        now.insert(
            1,
            Balance {
                free: 99,
                reserved: 6,
            },
        );
        assert_eq!(compare(&ledger, &before, &now, shelf).0.faults, 1);
        now.remove(&1);
        let (verdict, may_settle) = compare(&ledger, &before, &now, shelf);
        assert_eq!((verdict.faults, may_settle), (1, false));
    }
}
