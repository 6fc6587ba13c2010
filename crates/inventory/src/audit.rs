//! Reads for an auditor: what must be true of stock, checked from the rows alone.
//!
//! Start at [`read`]. What only this service can know (balances equal the ledger, copies are
//! conserved, the ledger is a chain, holds add up) is judged here; what needs another service's
//! rows (every hold has an order) is left to the caller, who gets the open holds.

use std::collections::BTreeMap;
use std::fmt;

use platform::db::{Database, DbError};
use types::{BookId, IdempotencyKey, UnixMillis};

use crate::domain::{HeldLine, Line, Reference, Stock};
use crate::store::sql;

/// Reads and judges a whole inventory database, on one consistent snapshot.
///
/// Costs a few aggregate queries over the ledger; seconds for millions of entries.
pub async fn read(database: &Database) -> Result<Audit, DbError> {
    Ok(sql::read_facts(database).await?.judge())
}

/// What an audit found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Audit {
    /// Every book that was ever stocked, ascending by id.
    pub books: Vec<BookAudit>,
    /// Every hold with something outstanding, ascending by key.
    pub holds: Vec<OpenHold>,
    /// Every violation found.
    pub problems: Vec<Problem>,
}

/// One book's balance and its lifetime totals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BookAudit {
    /// The balance as it is stored.
    pub stock: Stock,
    /// Copies ever restocked, according to the ledger.
    pub restocked: i64,
    /// Copies ever committed, according to the ledger.
    pub committed: i64,
}

/// A hold with something outstanding, according to the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenHold {
    /// The deduction's key.
    pub key: IdempotencyKey,
    /// What it is for.
    pub reference: Reference,
    /// Whether `BatchDeductStock` made it.
    pub is_batch: bool,
    /// When copies last moved in or out of it.
    pub changed_at: UnixMillis,
    /// What is outstanding, ascending by book id.
    pub lines: Vec<Line>,
}

/// A violation, with the ids needed to find it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// The balance is not what the ledger adds up to.
    BalanceDiffers {
        /// The book.
        book: BookId,
        /// The stored (quantity, reserved).
        balance: (i64, i64),
        /// The (quantity, reserved) that the ledger adds up to.
        ledger: (i64, i64),
    },
    /// Copies came from nowhere or vanished: restocked is not quantity + reserved + committed.
    NotConserved {
        /// The book.
        book: BookId,
        /// Copies too many (positive) or missing (negative).
        surplus: i64,
    },
    /// An entry of the ledger does not follow from the one before it.
    ChainBroken {
        /// The book.
        book: BookId,
        /// The entry that does not follow.
        version: i64,
    },
    /// What `inventory_keys` says of a hold is not what its entries add up to.
    HoldDiffers {
        /// The hold.
        key: IdempotencyKey,
        /// Outstanding copies according to `inventory_keys`; `None` if it has no such open hold.
        remembered: Option<i64>,
        /// Outstanding copies according to the ledger.
        ledger: i64,
    },
    /// A batch's row has as many copies as its entries add up to, but of other books.
    HoldOfOtherBooks {
        /// The hold.
        key: IdempotencyKey,
    },
}

impl Problem {
    /// What is wrong: `book 3`, `hold ORD…`.
    pub fn subject(&self) -> String {
        match self {
            Self::BalanceDiffers { book, .. }
            | Self::NotConserved { book, .. }
            | Self::ChainBroken { book, .. } => format!("book {book}"),
            Self::HoldDiffers { key, .. } | Self::HoldOfOtherBooks { key } => {
                format!("hold {key}")
            }
        }
    }
}

/// How it is wrong.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BalanceDiffers {
                balance: (q, r),
                ledger: (lq, lr),
                ..
            } => write!(
                f,
                "balance {q} free, {r} reserved; by the ledger {lq} and {lr}"
            ),
            Self::NotConserved { surplus, .. } => {
                write!(f, "{surplus:+} copies against what was restocked")
            }
            Self::ChainBroken { version, .. } => {
                write!(
                    f,
                    "ledger entry {version} does not follow from the one before"
                )
            }
            Self::HoldDiffers {
                remembered: Some(remembered),
                ledger,
                ..
            } => write!(f, "{remembered} outstanding, by the ledger {ledger}"),
            Self::HoldDiffers {
                remembered: None,
                ledger,
                ..
            } => write!(f, "{ledger} outstanding by the ledger, but it is not open"),
            Self::HoldOfOtherBooks { .. } => f.write_str("of other books than by the ledger"),
        }
    }
}

/// The sums that an audit judges: the same from every store.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// The stored balances.
    pub(crate) balances: Vec<Stock>,
    /// What the ledger adds up to, by book.
    pub(crate) ledgers: Vec<LedgerSum>,
    /// Entries that do not follow from the one before: book and version.
    pub(crate) breaks: Vec<(BookId, i64)>,
    /// What the ledger adds up to, by hold and book; zeros left out.
    pub(crate) hold_sums: Vec<HoldSum>,
    /// The holds that are open according to `inventory_keys`.
    pub(crate) open_holds: BTreeMap<IdempotencyKey, RememberedHold>,
}

/// One book's ledger, added up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LedgerSum {
    pub(crate) book: BookId,
    pub(crate) quantity: i64,
    pub(crate) reserved: i64,
    pub(crate) restocked: i64,
    pub(crate) committed: i64,
    pub(crate) entries: i64,
}

/// One book of one hold, summed over the ledger.
#[derive(Debug, Clone)]
pub(crate) struct HoldSum {
    pub(crate) key: IdempotencyKey,
    pub(crate) reference: Reference,
    pub(crate) book: BookId,
    pub(crate) outstanding: i64,
    pub(crate) changed_at: UnixMillis,
}

/// What `inventory_keys` says of an open hold.
#[derive(Debug, Clone)]
pub(crate) enum RememberedHold {
    /// A hold of `DeductStock`, with its outstanding copies (0 where all were given back).
    Single(i64),
    /// A batch, with the outstanding copies of each book, ascending by id; empty if its row does not say.
    Batch(Vec<(BookId, i64)>),
}

impl RememberedHold {
    /// An open batch of `lines`.
    pub(crate) fn batch_of(lines: &[HeldLine]) -> Self {
        let copies = |line: &HeldLine| (line.book, i64::from(line.outstanding));
        let mut books: Vec<_> = lines.iter().map(copies).collect();
        books.sort_unstable();
        Self::Batch(books)
    }

    /// Outstanding copies of all books together.
    fn outstanding(&self) -> i64 {
        match self {
            Self::Single(outstanding) => *outstanding,
            Self::Batch(books) => books.iter().map(|(_, copies)| copies).sum(),
        }
    }

    /// Whether a batch's copies match the ledger's book by book; always true of a single deduction.
    fn is_of(&self, sums: &[HoldSum]) -> bool {
        match self {
            Self::Single(_) => true,
            Self::Batch(books) => {
                let ledger = sums.iter().map(|sum| (sum.book, sum.outstanding));
                let mut ledger: Vec<_> = ledger.collect();
                ledger.sort_unstable();
                *books == ledger
            }
        }
    }
}

impl Facts {
    /// Cross-checks balances, ledger and holds.
    pub(crate) fn judge(self) -> Audit {
        let mut problems = Vec::new();
        let books = judge_books(&self.balances, &self.ledgers, &mut problems);
        let broken = self.breaks.iter();
        problems.extend(broken.map(|&(book, version)| Problem::ChainBroken { book, version }));
        let holds = judge_holds(self.hold_sums, self.open_holds, &mut problems);
        Audit {
            books,
            holds,
            problems,
        }
    }
}

fn judge_books(
    balances: &[Stock],
    ledgers: &[LedgerSum],
    problems: &mut Vec<Problem>,
) -> Vec<BookAudit> {
    type Pair<'a> = (Option<&'a Stock>, Option<&'a LedgerSum>);
    let mut pairs: BTreeMap<BookId, Pair<'_>> = BTreeMap::new();
    for stock in balances {
        pairs.entry(stock.book).or_default().0 = Some(stock);
    }
    for ledger in ledgers {
        pairs.entry(ledger.book).or_default().1 = Some(ledger);
    }
    let mut books = Vec::with_capacity(pairs.len());
    for (book, (stock, ledger)) in pairs {
        let stock = stock.copied().unwrap_or(Stock::none(book));
        let nothing = LedgerSum {
            book,
            quantity: 0,
            reserved: 0,
            restocked: 0,
            committed: 0,
            entries: 0,
        };
        let ledger = ledger.copied().unwrap_or(nothing);
        let LedgerSum {
            restocked,
            committed,
            ..
        } = ledger;
        let balance = (i64::from(stock.quantity), i64::from(stock.reserved));
        let sums = (ledger.quantity, ledger.reserved);
        if balance != sums || stock.version != ledger.entries {
            problems.push(Problem::BalanceDiffers {
                book,
                balance,
                ledger: sums,
            });
        }
        let surplus = balance
            .0
            .saturating_add(balance.1)
            .saturating_add(committed)
            .saturating_sub(restocked);
        if surplus != 0 {
            problems.push(Problem::NotConserved { book, surplus });
        }
        books.push(BookAudit {
            stock,
            restocked,
            committed,
        });
    }
    books
}

fn judge_holds(
    sums: Vec<HoldSum>,
    mut remembered: BTreeMap<IdempotencyKey, RememberedHold>,
    problems: &mut Vec<Problem>,
) -> Vec<OpenHold> {
    let mut by_key: BTreeMap<IdempotencyKey, Vec<HoldSum>> = BTreeMap::new();
    for sum in sums {
        by_key.entry(sum.key.clone()).or_default().push(sum);
    }
    let mut holds = Vec::with_capacity(by_key.len());
    for (key, sums) in by_key {
        let ledger = sums
            .iter()
            .fold(0_i64, |all, sum| all.saturating_add(sum.outstanding));
        let known = remembered.remove(&key);
        let claim = known.as_ref().map(RememberedHold::outstanding);
        if claim != Some(ledger) {
            problems.push(Problem::HoldDiffers {
                key: key.clone(),
                remembered: claim,
                ledger,
            });
        } else if known.as_ref().is_some_and(|known| !known.is_of(&sums)) {
            problems.push(Problem::HoldOfOtherBooks { key: key.clone() });
        }
        let is_batch = matches!(known, Some(RememberedHold::Batch(_)));
        holds.extend(open_hold(key, is_batch, sums));
    }
    for (key, hold) in remembered {
        // According to the ledger, nothing is outstanding under these.
        let claim = hold.outstanding();
        // An open batch always has something outstanding, whatever its row says.
        if claim != 0 || matches!(hold, RememberedHold::Batch(_)) {
            problems.push(Problem::HoldDiffers {
                key,
                remembered: Some(claim),
                ledger: 0,
            });
        }
    }
    holds
}

fn open_hold(key: IdempotencyKey, is_batch: bool, sums: Vec<HoldSum>) -> Option<OpenHold> {
    let first = sums.first()?;
    let (reference, mut changed_at) = (first.reference, first.changed_at);
    let mut lines = Vec::with_capacity(sums.len());
    for sum in sums {
        changed_at = changed_at.max(sum.changed_at);
        // A negative sum yields no line; the comparison of the whole hold reports it.
        let quantity = i32::try_from(sum.outstanding)
            .ok()
            .and_then(types::Quantity::new);
        lines.extend(quantity.map(|quantity| Line {
            book: sum.book,
            quantity,
        }));
    }
    lines.sort_unstable_by_key(|line| line.book);
    Some(OpenHold {
        key,
        reference,
        is_batch,
        changed_at,
        lines,
    })
}
