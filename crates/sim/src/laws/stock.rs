//! Stock, after every transaction: the ledger is a chain, nothing comes from nowhere, nothing is
//! negative, and only for an order that is being made, or was abandoned while it was, stock is taken
//! under an order's number.

use std::collections::BTreeMap;

use inventory::domain::{Entry, HoldState, KeyUse, Movement, Rows, Stock};
use order::domain::Stage;
use types::{BookId, OrderId, OrderNo};

use crate::world::{World, lock};

/// What the ledger added up to so far.
#[derive(Default)]
pub(crate) struct StockWatch {
    seen: usize,
    books: BTreeMap<BookId, Sums>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sums {
    quantity: i64,
    reserved: i64,
    version: i64,
    restocked: i64,
    committed: i64,
}

/// Looks at what a transaction of the inventory left behind.
pub(crate) fn after_stock_moved(world: &World) {
    let watch = &mut lock(&world.watch).stock;
    world.stores.inventory.inspect(|rows, ledger| {
        for entry in ledger.get(watch.seen..).unwrap_or_default() {
            take_in(world, watch, entry);
        }
        watch.seen = ledger.len();
        judge_balances(world, watch, rows);
    });
}

fn take_in(world: &World, watch: &mut StockWatch, entry: &Entry) {
    let book = entry.after.book;
    let sums = watch.books.entry(book).or_default();
    let (quantity, reserved): (i64, i64) =
        (entry.change_quantity.into(), entry.change_reserved.into());
    sums.quantity += quantity;
    sums.reserved += reserved;
    sums.version += 1;
    match entry.movement {
        Movement::Restock => sums.restocked += quantity,
        Movement::Commit => sums.committed -= reserved,
        Movement::Deduct | Movement::Release => {}
    }
    if !agrees(&entry.after, sums) {
        let what = format!("book {book}: {:?} after {sums:?}", entry.after);
        world.break_law("ledger-is-a-chain", what);
    }
    world.trace.tell(format_args!(
        "book {book}: {:?} {quantity:+}/{reserved:+} -> {} free, {} reserved",
        entry.movement, entry.after.quantity, entry.after.reserved
    ));
    if entry.movement == Movement::Deduct {
        judge_deduction(world, entry);
    }
}

fn agrees(stock: &Stock, sums: &Sums) -> bool {
    i64::from(stock.quantity) == sums.quantity
        && i64::from(stock.reserved) == sums.reserved
        && stock.version == sums.version
}

fn judge_balances(world: &World, watch: &StockWatch, rows: &Rows) {
    for stock in rows.stocks() {
        let sums = watch.books.get(&stock.book).copied().unwrap_or_default();
        if !agrees(stock, &sums) {
            world.break_law(
                "balance-is-ledger",
                format!("{stock:?}, by the ledger {sums:?}"),
            );
        }
        if stock.quantity < 0 || stock.reserved < 0 {
            world.break_law("never-negative", format!("{stock:?}"));
        }
        if sums.restocked != sums.quantity + sums.reserved + sums.committed {
            world.break_law(
                "copies-are-conserved",
                format!("book {}: {sums:?}", stock.book),
            );
        }
    }
}

/// Whether copies are held under an order's number.
pub(super) fn is_held(world: &World, number: &OrderNo) -> bool {
    world.stores.inventory.inspect(|rows, _| {
        rows.keys().any(|(key, row)| {
            key.as_str() == number.as_str()
                && matches!(&row.used, KeyUse::Hold(hold) if hold.state == HoldState::Held)
        })
    })
}

/// A deduction under an order's number: the order's row or its intent was written before, and it is not an order yet.
fn judge_deduction(world: &World, entry: &Entry) {
    let (Some(key), Some(reference)) = (&entry.hold_key, entry.reference) else {
        world.break_law("deductions-have-a-key", format!("{entry:?}"));
        return;
    };
    if !key.as_str().starts_with("ORD") {
        return;
    }
    let id = OrderId::new(reference.get());
    let stage = world.stores.order.inspect(|rows| {
        let id = id?;
        let Some(order) = rows.order(id) else {
            let mut intents = rows.intents().filter(|intent| intent.covers(id));
            let is_covered = intents.any(|intent| intent.number(id).as_str() == key.as_str());
            return is_covered.then_some(Stage::Creating);
        };
        (order.order_no.as_str() == key.as_str()).then_some(order.stage)
    });
    match stage {
        // Whatever was abandoned has a release under way.
        Some(Stage::Creating | Stage::Abandoned) => {}
        Some(Stage::Live(status)) => {
            let what = format!("{key} is {status} and deducts");
            world.break_law("an-order-deducts-once", what);
        }
        None => {
            let what = format!("{key} deducts, and there is no such order");
            world.break_law("hold-has-order", what);
        }
    }
}
