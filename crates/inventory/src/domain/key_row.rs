use types::{BookId, Fingerprint, IdempotencyKey, Quantity, UnixMillis};

use super::{Keyed, Line, Movement, Reference, Stock};

/// What the service remembers of one idempotency key. All methods share one namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRow {
    /// When the key was first used.
    pub created_at: UnixMillis,
    /// What it was used for, and the result.
    pub used: KeyUse,
}

/// The three uses of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyUse {
    /// A restock or a release: only its answer is kept.
    Answered {
        /// The method that used the key.
        method: Method,
        /// What it asked for.
        fingerprint: Fingerprint,
        /// The free copies that it returned.
        quantity: i32,
    },
    /// A deduction: the key is the name of its hold.
    Hold(Hold),
    /// Released before any deduction arrived; one that arrives later is refused.
    Fence,
}

/// The methods whose keys are remembered as [`KeyUse::Answered`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// `RestockInventory`.
    Restock,
    /// `ReleaseStock`.
    Release,
}

/// Copies reserved under a key, and what became of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// What the deduction asked for.
    pub fingerprint: Fingerprint,
    /// What it is for.
    pub reference: Reference,
    /// Whether it has ended, and how.
    pub state: HoldState,
    /// Each book once.
    pub lines: Vec<HeldLine>,
    /// What the deduction answered; also tells the two ways of deducting apart.
    pub first_answer: FirstAnswer,
}

/// Whether a hold has ended, and how. A hold ends only once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldState {
    /// Open: something may be outstanding.
    Held,
    /// Ended by `BatchReleaseStock`: a repeat of the deduction is refused.
    Released,
    /// Ended by `CommitStock`: a repeat of the deduction gets its first answer.
    Committed,
}

impl HoldState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Held, Self::Released, Self::Committed];

    /// The name in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Released => "released",
            Self::Committed => "committed",
        }
    }

    /// Parses the name in the database; `None` if it is not a state.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// How copies leave a hold that ends in this state; `None` where it has not ended.
    pub const fn movement(self) -> Option<Movement> {
        match self {
            Self::Held => None,
            Self::Released => Some(Movement::Release),
            Self::Committed => Some(Movement::Commit),
        }
    }
}

/// One book of a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldLine {
    /// The book.
    pub book: BookId,
    /// The book's version after the deduction: orders the holds of the book by age.
    pub version: i64,
    /// Copies still reserved under the hold.
    pub outstanding: i32,
    /// Copies that moved when the hold ended; a repeated end returns them again.
    pub settled: i32,
}

/// What a deduction answered the first time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FirstAnswer {
    /// `DeductStock`: the free copies that remained.
    Remaining(i32),
    /// `BatchDeductStock`: the balances, in the request's order.
    Stocks(Vec<Stock>),
}

impl Hold {
    /// Whether `DeductStock` made the hold, so that `ReleaseStock` can reach it.
    pub const fn is_single(&self) -> bool {
        matches!(self.first_answer, FirstAnswer::Remaining(_))
    }

    /// What is still outstanding, ascending by book id.
    pub fn outstanding(&self) -> Vec<Line> {
        self.lines_of(|line| line.outstanding)
    }

    /// What moved when the hold ended, ascending by book id.
    pub fn settled(&self) -> Vec<Line> {
        self.lines_of(|line| line.settled)
    }

    fn lines_of(&self, copies: impl Fn(&HeldLine) -> i32) -> Vec<Line> {
        let line = |held: &HeldLine| {
            Quantity::new(copies(held)).map(|quantity| Line {
                book: held.book,
                quantity,
            })
        };
        let mut lines: Vec<Line> = self.lines.iter().filter_map(line).collect();
        lines.sort_unstable_by_key(|line| line.book);
        lines
    }
}

impl KeyUse {
    /// A restock or a release that was done under `keyed` and answered `quantity`.
    pub const fn answered(method: Method, keyed: &Keyed, quantity: i32) -> Self {
        Self::Answered {
            method,
            fingerprint: keyed.fingerprint,
            quantity,
        }
    }
}

impl Keyed {
    /// The key itself, owned.
    pub fn to_key(&self) -> IdempotencyKey {
        self.key.clone()
    }
}
