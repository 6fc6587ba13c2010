use types::{IdempotencyKey, UnixMillis};

use super::{Movement, Reference, Stock};

/// One line of the ledger: written once, never changed.
///
/// The sums of a book's changes are its balance, and the sum of `change_reserved` over the
/// entries of a hold is what is outstanding under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// How the copies moved.
    pub movement: Movement,
    /// What the entry added to the free copies; negative where it took some.
    pub change_quantity: i32,
    /// What the entry added to the reserved copies; negative where it took some.
    pub change_reserved: i32,
    /// The balance after this entry; its `version` numbers the entries of a book from 1.
    pub after: Stock,
    /// The key of the request that wrote the entry. At most one entry has a given key: batches
    /// have none here, and of a release that reaches several holds only the first entry does.
    pub key: Option<IdempotencyKey>,
    /// The key of the hold that the entry opens or settles; none on a restock.
    pub hold_key: Option<IdempotencyKey>,
    /// What the hold is for; none on a restock.
    pub reference: Option<Reference>,
    /// When the request was accepted.
    pub created_at: UnixMillis,
}
