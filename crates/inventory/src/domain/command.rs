use std::slice;

use types::{BookId, Fingerprint, Fingerprinter, IdempotencyKey, UnixMillis};

use super::{Basket, Line, Reference, Stock};

/// One request to change stock, with the moment at which it was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Op {
    /// When the request was accepted; the rules only record it.
    pub at: UnixMillis,
    /// What is asked for.
    pub command: Command,
}

/// An idempotency key together with what its request asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keyed {
    /// The caller's key.
    pub key: IdempotencyKey,
    /// The method and its parameters: what must not change under one key.
    pub fingerprint: Fingerprint,
}

/// Adds new copies of a book. Idempotent with a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restock {
    pub(crate) line: Line,
    pub(crate) keyed: Option<Keyed>,
}

/// Reserves copies of one book. Idempotent by its key, which names the hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deduct {
    pub(crate) line: Line,
    pub(crate) reference: Reference,
    pub(crate) keyed: Keyed,
}

/// Gives back some of what [`Deduct`] holds of a book for a reference. Idempotent with a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    pub(crate) line: Line,
    pub(crate) reference: Reference,
    pub(crate) keyed: Option<Keyed>,
}

/// Reserves all of a basket, or nothing. Idempotent by its key, which names the hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchDeduct {
    pub(crate) basket: Basket,
    pub(crate) reference: Reference,
    pub(crate) keyed: Keyed,
}

impl Restock {
    /// Asks for all of `line` to be added.
    pub fn new(line: Line, key: Option<IdempotencyKey>) -> Self {
        let fingerprint = || {
            Fingerprinter::new("restock")
                .with(line.book.get())
                .with(line.quantity.get())
        };
        let keyed = key.map(|key| Keyed {
            key,
            fingerprint: fingerprint().finish(),
        });
        Self { line, keyed }
    }
}

impl Deduct {
    /// Asks for all of `line` to be reserved for `reference`.
    pub fn new(line: Line, reference: Reference, key: IdempotencyKey) -> Self {
        let fingerprint = fingerprint_of("deduct", line, reference);
        Self {
            line,
            reference,
            keyed: Keyed { key, fingerprint },
        }
    }
}

impl Release {
    /// Asks for all of `line` to be given back by `reference`.
    pub fn new(line: Line, reference: Reference, key: Option<IdempotencyKey>) -> Self {
        let fingerprint = || fingerprint_of("release", line, reference);
        let keyed = key.map(|key| Keyed {
            key,
            fingerprint: fingerprint(),
        });
        Self {
            line,
            reference,
            keyed,
        }
    }
}

impl BatchDeduct {
    /// Asks for all of `basket` to be reserved for `reference`. The fingerprint ignores the order
    /// of its lines and how a book's copies were split over them.
    pub fn new(basket: Basket, reference: Reference, key: IdempotencyKey) -> Self {
        let mut fingerprinter = Fingerprinter::new("batch_deduct").with(reference.get());
        for line in basket.sorted() {
            fingerprinter = fingerprinter
                .with(line.book.get())
                .with(line.quantity.get());
        }
        let keyed = Keyed {
            key,
            fingerprint: fingerprinter.finish(),
        };
        Self {
            basket,
            reference,
            keyed,
        }
    }
}

fn fingerprint_of(method: &str, line: Line, reference: Reference) -> Fingerprint {
    Fingerprinter::new(method)
        .with(line.book.get())
        .with(line.quantity.get())
        .with(reference.get())
        .finish()
}

/// Everything that can be asked of stock; one variant per method of the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `RestockInventory`.
    Restock(Restock),
    /// `DeductStock`.
    Deduct(Deduct),
    /// `ReleaseStock`.
    Release(Release),
    /// `BatchDeductStock`.
    BatchDeduct(BatchDeduct),
    /// `BatchReleaseStock`: gives back all that is outstanding under the key and fences the key.
    /// Idempotent by nature.
    BatchRelease(IdempotencyKey),
    /// `CommitStock`: lets all that is outstanding under the key leave for good. Idempotent by
    /// nature.
    Commit(IdempotencyKey),
}

macro_rules! command_from {
    ($($name:ident),+) => {
        $(impl From<$name> for Command {
            fn from(command: $name) -> Self {
                Self::$name(command)
            }
        })+
    };
}

command_from!(Restock, Deduct, Release, BatchDeduct);

impl Command {
    /// What kind of operation it is.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Restock(_) => "inventory.restock",
            Self::Deduct(_) => "inventory.deduct",
            Self::Release(_) => "inventory.release",
            Self::BatchDeduct(_) => "inventory.batch_deduct",
            Self::BatchRelease(_) => "inventory.batch_release",
            Self::Commit(_) => "inventory.commit",
        }
    }

    /// The key of the request, where it has one.
    pub fn key(&self) -> Option<&IdempotencyKey> {
        match self {
            Self::Restock(Restock { keyed, .. }) | Self::Release(Release { keyed, .. }) => {
                keyed.as_ref().map(|keyed| &keyed.key)
            }
            Self::Deduct(Deduct { keyed, .. }) | Self::BatchDeduct(BatchDeduct { keyed, .. }) => {
                Some(&keyed.key)
            }
            Self::BatchRelease(key) | Self::Commit(key) => Some(key),
        }
    }

    /// Whether it settles holds that were opened before it.
    pub const fn settles(&self) -> bool {
        match self {
            Self::Release(_) | Self::BatchRelease(_) | Self::Commit(_) => true,
            Self::Restock(_) | Self::Deduct(_) | Self::BatchDeduct(_) => false,
        }
    }

    /// The lines that the request itself names; those of a hold are known only from its rows.
    pub fn lines(&self) -> &[Line] {
        match self {
            Self::Restock(Restock { line, .. })
            | Self::Deduct(Deduct { line, .. })
            | Self::Release(Release { line, .. }) => slice::from_ref(line),
            Self::BatchDeduct(BatchDeduct { basket, .. }) => basket.lines(),
            Self::BatchRelease(_) | Self::Commit(_) => &[],
        }
    }
}

/// The outcome of one operation.
pub type Decision = Result<Answer, Refusal>;

/// The answer of an operation that was done, now or when its key was first used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Restock, deduct, release: the free copies afterwards.
    Quantity(i32),
    /// Batch deduct: the balances afterwards, in the order of the first request.
    Stocks(Vec<Stock>),
    /// Batch release, commit: what was moved, ascending by book id.
    Lines(Vec<Line>),
}

/// Why an operation was not done. It left nothing behind: unless its key was used before or fenced, the
/// key may still succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The key was used before, by another method or with other parameters.
    KeyConflict,
    /// The key was fenced by a batch release.
    Cancelled,
    /// Too few copies of `book` are free, or it was never stocked.
    Insufficient {
        /// The first short book, in the request's order.
        book: BookId,
        /// The copies that are free.
        remaining: i32,
    },
    /// The book was never stocked.
    StockNotFound,
    /// More would be given back than is outstanding.
    ReleaseExceedsDeducted,
    /// The book's copies would overflow `i32`.
    TooManyCopies,
    /// The stored rows contradict each other: a hold exceeds the balance of `book`.
    Inconsistent {
        /// The book whose balance is too small.
        book: BookId,
    },
}
