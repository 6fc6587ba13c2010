//! What people know: what they asked for, and what they were told.

use std::collections::BTreeMap;

use types::UnixMillis;

/// Everything that people were told.
#[derive(Debug, Default)]
pub(crate) struct Promises {
    /// Books by id.
    pub(crate) books: BTreeMap<u64, Book>,
    /// Orders by number, as they were answered.
    pub(crate) orders: BTreeMap<String, OrderPromise>,
    /// The first answer under each user's key.
    pub(crate) keys: BTreeMap<(u64, String), String>,
    /// Requests without a key, each by a user of its own.
    pub(crate) unkeyed: Vec<Unkeyed>,
    /// Deliveries.
    pub(crate) restocks: Vec<Restock>,
    /// Keys of direct deductions.
    pub(crate) holds: Vec<String>,
    /// Since when all has been well.
    pub(crate) well_since: Option<UnixMillis>,
}

/// A book, and what it cost when.
#[derive(Debug, Default)]
pub(crate) struct Book {
    prices: Vec<Price>,
    /// Whether some change of it may have been made at any time, or not at all.
    pub(crate) in_doubt: bool,
    gone_since_ms: Option<u64>,
    pub(crate) gone_asked: bool,
}

/// A price, from when it was asked for until another was confirmed.
#[derive(Debug)]
struct Price {
    fen: i64,
    from_ms: u64,
    until_ms: u64,
}

impl Book {
    /// A price is asked for at `sent_ms`: from now on the book may cost so much.
    pub(crate) fn ask_price(&mut self, fen: i64, sent_ms: u64) {
        self.prices.push(Price {
            fen,
            from_ms: sent_ms,
            until_ms: u64::MAX,
        });
    }

    /// The price asked for last is the only one from `at_ms` on.
    pub(crate) fn confirm_price(&mut self, at_ms: u64) {
        if let Some((_, older)) = self.prices.split_last_mut() {
            for price in older {
                price.until_ms = price.until_ms.min(at_ms);
            }
        }
    }

    /// Whether the book may have cost `fen` at some time in the window.
    pub(crate) fn had_price(&self, fen: i64, from_ms: u64, until_ms: u64) -> bool {
        let fits = |price: &&Price| {
            price.fen == fen
                && price.from_ms <= until_ms
                && (self.in_doubt || price.until_ms >= from_ms)
        };
        self.prices.iter().any(|price| fits(&price))
    }

    pub(crate) fn withdraw(&mut self, confirmed_ms: u64) {
        self.gone_since_ms.get_or_insert(confirmed_ms);
    }

    /// Whether it was confirmed to be withdrawn before `ms`.
    pub(crate) fn was_gone_before(&self, ms: u64) -> bool {
        self.gone_since_ms.is_some_and(|since| since < ms)
    }
}

/// An order, and what was said about it.
#[derive(Debug, Clone, Default)]
pub(crate) struct OrderPromise {
    pub(crate) id: u64,
    pub(crate) total: i64,
    /// Copies by book.
    pub(crate) basket: BTreeMap<u64, i32>,
    /// When it was first asked for, and first answered.
    pub(crate) sent_ms: u64,
    pub(crate) heard_ms: u64,
    /// The payment that paid it.
    pub(crate) paid: Option<String>,
    pub(crate) cancelled: bool,
    pub(crate) refund_no: Option<String>,
    pub(crate) shipped: bool,
    pub(crate) completed: bool,
}

/// A request without a key, by a user who asked for nothing else.
#[derive(Debug)]
pub(crate) struct Unkeyed {
    pub(crate) user: u64,
    /// Whether there is an order; `None` where that was not said.
    pub(crate) answer: Option<bool>,
}

/// A delivery: how often it was wished for, and how often confirmed.
#[derive(Debug)]
pub(crate) struct Restock {
    pub(crate) book: u64,
    pub(crate) quantity: i32,
    pub(crate) tries: u8,
    pub(crate) done: u8,
}
