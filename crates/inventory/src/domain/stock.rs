use types::BookId;

/// The balance of one book: a running total of its ledger.
///
/// Units: whole copies. Neither count is ever negative, and their sum fits `i32`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stock {
    /// The book.
    pub book: BookId,
    /// Copies free to sell.
    pub quantity: i32,
    /// Copies promised to orders that have not shipped.
    pub reserved: i32,
    /// How many changes the book has seen; the ledger's entries are numbered by it.
    pub version: i64,
}

/// The four ways in which copies move; the ledger's `operation_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Movement {
    /// Copies arrive: free to sell.
    Restock,
    /// Free copies become reserved.
    Deduct,
    /// Reserved copies become free again.
    Release,
    /// Reserved copies leave for good.
    Commit,
}

impl Movement {
    /// Every movement.
    pub const ALL: [Self; 4] = [Self::Restock, Self::Deduct, Self::Release, Self::Commit];

    /// The name in the ledger.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Restock => "restock",
            Self::Deduct => "deduct",
            Self::Release => "release",
            Self::Commit => "commit",
        }
    }

    /// Parses the name in the ledger; `None` if it is not a movement.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|movement| movement.name() == name)
    }

    /// What moving `copies` (not negative) does to (quantity, reserved): the whole arithmetic of
    /// the service.
    pub const fn changes(self, copies: i32) -> (i32, i32) {
        match self {
            Self::Restock => (copies, 0),
            Self::Deduct => (copies.saturating_neg(), copies),
            Self::Release => (copies, copies.saturating_neg()),
            Self::Commit => (0, copies.saturating_neg()),
        }
    }
}

impl Stock {
    /// A book that was never stocked.
    pub const fn none(book: BookId) -> Self {
        Self {
            book,
            quantity: 0,
            reserved: 0,
            version: 0,
        }
    }

    /// The balance after `movement` of `copies`; `None` if a count would become negative or their
    /// sum would overflow `i32`.
    #[must_use]
    pub fn after(self, movement: Movement, copies: i32) -> Option<Self> {
        let (change_quantity, change_reserved) = movement.changes(copies);
        let quantity = self.quantity.checked_add(change_quantity)?;
        let reserved = self.reserved.checked_add(change_reserved)?;
        quantity.checked_add(reserved)?;
        let version = self.version.checked_add(1)?;
        let counts_hold = quantity >= 0 && reserved >= 0;
        counts_hold.then_some(Self {
            book: self.book,
            quantity,
            reserved,
            version,
        })
    }
}
