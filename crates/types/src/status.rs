use std::fmt;

/// The states of an order, as callers see them; the numbers are the wire's and the database's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum OrderStatus {
    /// Holds its stock and waits for money.
    Pending = 1,
    /// Paid in full.
    Paid = 2,
    /// The goods have left.
    Shipped = 3,
    /// Received; final.
    Completed = 4,
    /// Called off, its stock and money given back or about to be; final.
    Cancelled = 5,
}

impl OrderStatus {
    /// Every state, in the order of their numbers.
    pub const ALL: [Self; 5] = [
        Self::Pending,
        Self::Paid,
        Self::Shipped,
        Self::Completed,
        Self::Cancelled,
    ];

    /// The number on the wire.
    pub const fn number(self) -> i32 {
        match self {
            Self::Pending => 1,
            Self::Paid => 2,
            Self::Shipped => 3,
            Self::Completed => 4,
            Self::Cancelled => 5,
        }
    }

    /// Reads the number; `None` where it is no state.
    pub fn from_number(number: i64) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|status| i64::from(status.number()) == number)
    }

    /// The name in messages, the same in both languages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Paid => "PAID",
            Self::Shipped => "SHIPPED",
            Self::Completed => "COMPLETED",
            Self::Cancelled => "CANCELLED",
        }
    }
}

impl fmt::Display for OrderStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The states of a payment; the numbers are the wire's and the database's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum PaymentStatus {
    /// The gateway was asked, or is about to be; the outcome is not known.
    Pending = 1,
    /// The money was received.
    Paid = 2,
    /// The money was given back; final.
    Refunded = 3,
    /// The gateway refused; it may be tried again.
    Failed = 4,
}

impl PaymentStatus {
    /// Every state, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Paid, Self::Refunded, Self::Failed];

    /// The number on the wire.
    pub const fn number(self) -> i32 {
        match self {
            Self::Pending => 1,
            Self::Paid => 2,
            Self::Refunded => 3,
            Self::Failed => 4,
        }
    }

    /// Reads the number; `None` where it is no state.
    pub fn from_number(number: i64) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|status| i64::from(status.number()) == number)
    }
}
