use std::collections::BTreeMap;
use std::mem;

use types::{BookId, IdempotencyKey, UnixMillis};

use super::{Entry, Hold, HoldState, KeyRow, KeyUse, Line, Movement, Reference, Stock};

/// The rows that operations read and change, in memory: either all there are (the model), or
/// those that one batch can touch, loaded by a store.
///
/// [`Rows::apply`] holds the rules; this file only keeps the rows, the index over them and the
/// list of what changed in step.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rows {
    stocks: BTreeMap<BookId, Stock>,
    keys: BTreeMap<IdempotencyKey, KeyRow>,
    /// The holds that `ReleaseStock` can reach: by book and reference, then by age.
    open: BTreeMap<(BookId, Reference), BTreeMap<i64, IdempotencyKey>>,
    changes: Changes,
}

/// What the operations since the last [`Rows::take_changes`] have changed: what a store must
/// write in the same transaction.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// The books whose balances changed, ascending by id, each with the balance before; `None`
    /// where it had none: insert it.
    pub stocks: BTreeMap<BookId, Option<Stock>>,
    /// The keys that were used or whose hold changed, ascending.
    pub keys: BTreeMap<IdempotencyKey, Change>,
    /// The new lines of the ledger, in the order in which they happened.
    pub entries: Vec<Entry>,
}

/// How a key in [`Changes`] changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It did not exist before: insert it.
    Born,
    /// It existed with other values: update it.
    Altered,
}

/// What made a ledger entry, and for what; [`Entry`] describes the fields.
#[derive(Debug, Clone)]
pub(super) struct Cause {
    pub(super) at: UnixMillis,
    pub(super) key: Option<IdempotencyKey>,
    pub(super) hold: Option<(IdempotencyKey, Reference)>,
}

impl Rows {
    /// Takes in a stored balance.
    pub fn put_stock(&mut self, stock: Stock) {
        self.stocks.insert(stock.book, stock);
    }

    /// Takes in a stored key.
    pub fn put_key(&mut self, key: IdempotencyKey, row: KeyRow) {
        if let KeyUse::Hold(hold) = &row.used {
            for (place, version) in open_places(hold) {
                self.open
                    .entry(place)
                    .or_default()
                    .insert(version, key.clone());
            }
        }
        self.keys.insert(key, row);
    }

    /// The balance of `book`, where it was ever stocked.
    pub fn stock(&self, book: BookId) -> Option<Stock> {
        self.stocks.get(&book).copied()
    }

    /// What `key` was used for.
    pub fn key(&self, key: &IdempotencyKey) -> Option<&KeyRow> {
        self.keys.get(key)
    }

    /// Every balance, ascending by book id.
    pub fn stocks(&self) -> impl Iterator<Item = &Stock> {
        self.stocks.values()
    }

    /// Every key, ascending.
    pub fn keys(&self) -> impl Iterator<Item = (&IdempotencyKey, &KeyRow)> {
        self.keys.iter()
    }

    /// What has changed since the last [`Self::take_changes`].
    pub fn changes(&self) -> &Changes {
        &self.changes
    }

    /// Hands over what changed since the last call.
    pub fn take_changes(&mut self) -> Changes {
        mem::take(&mut self.changes)
    }

    /// The open holds that `DeductStock` made of `book` for `reference`, oldest first, with what is
    /// outstanding under each (at least 1).
    pub(super) fn open_holds(
        &self,
        book: BookId,
        reference: Reference,
    ) -> impl Iterator<Item = (&IdempotencyKey, i32)> {
        let keys = self
            .open
            .get(&(book, reference))
            .into_iter()
            .flat_map(BTreeMap::values);
        keys.filter_map(|key| match &self.keys.get(key)?.used {
            KeyUse::Hold(hold) => Some((key, hold.lines.first()?.outstanding)),
            KeyUse::Answered { .. } | KeyUse::Fence => None,
        })
    }

    /// Sets the balance to `after` and writes the ledger entry that explains it.
    pub(super) fn write_entry(
        &mut self,
        after: Stock,
        movement: Movement,
        copies: i32,
        cause: Cause,
    ) {
        let before = self.stocks.insert(after.book, after);
        self.changes.stocks.entry(after.book).or_insert(before);
        let (change_quantity, change_reserved) = movement.changes(copies);
        let (hold_key, reference) = cause.hold.unzip();
        self.changes.entries.push(Entry {
            movement,
            change_quantity,
            change_reserved,
            after,
            key: cause.key,
            hold_key,
            reference,
            created_at: cause.at,
        });
    }

    /// Records a key that was never used before.
    pub(super) fn insert_key(&mut self, key: IdempotencyKey, at: UnixMillis, used: KeyUse) {
        self.changes.keys.insert(key.clone(), Change::Born);
        self.put_key(
            key,
            KeyRow {
                created_at: at,
                used,
            },
        );
    }

    /// Subtracts `copies` from what is outstanding in the one line of a `DeductStock` hold.
    pub(super) fn shrink_hold(&mut self, key: &IdempotencyKey, copies: i32) {
        self.edit_hold(key, |hold| {
            for line in &mut hold.lines {
                line.outstanding = line.outstanding.saturating_sub(copies);
            }
        });
    }

    /// Ends a hold: what was outstanding is settled.
    pub(super) fn end_hold(&mut self, key: &IdempotencyKey, state: HoldState) {
        self.edit_hold(key, |hold| {
            hold.state = state;
            for line in &mut hold.lines {
                line.settled = mem::take(&mut line.outstanding);
            }
        });
    }

    fn edit_hold(&mut self, key: &IdempotencyKey, edit: impl FnOnce(&mut Hold)) {
        let Some(KeyRow {
            used: KeyUse::Hold(hold),
            ..
        }) = self.keys.get_mut(key)
        else {
            return;
        };
        let open_before = open_places(hold);
        edit(hold);
        let open_after = open_places(hold);
        for (place, version) in open_before
            .into_iter()
            .filter(|open| !open_after.contains(open))
        {
            if let Some(holds) = self.open.get_mut(&place) {
                holds.remove(&version);
                if holds.is_empty() {
                    self.open.remove(&place);
                }
            }
        }
        self.changes
            .keys
            .entry(key.clone())
            .or_insert(Change::Altered);
    }

    /// The balances after `lines` have moved; the first book that cannot move is the error.
    ///
    /// Changes nothing, so that a move of several lines is all or nothing.
    pub(super) fn plan_move(
        &self,
        movement: Movement,
        lines: &[Line],
    ) -> Result<Vec<Stock>, BookId> {
        let after = |line: &Line| {
            let stock = self.stock(line.book).ok_or(line.book)?;
            stock.after(movement, line.quantity.get()).ok_or(line.book)
        };
        lines.iter().map(after).collect()
    }
}

/// A hold's places in the index of open holds: none once nothing is outstanding, and none for a batch.
fn open_places(hold: &Hold) -> Vec<((BookId, Reference), i64)> {
    let lines = if hold.is_single() {
        hold.lines.as_slice()
    } else {
        &[]
    };
    let open = lines.iter().filter(|line| line.outstanding > 0);
    open.map(|line| ((line.book, hold.reference), line.version))
        .collect()
}
