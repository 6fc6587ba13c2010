use std::fmt;

/// A count of copies: 1 to `i32::MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantity(i32);

impl Quantity {
    /// Takes 1 and more; anything else is `None`.
    pub const fn new(copies: i32) -> Option<Self> {
        if copies >= 1 {
            Some(Self(copies))
        } else {
            None
        }
    }

    /// The number on the wire.
    pub const fn get(self) -> i32 {
        self.0
    }

    /// The sum, or `None` where it leaves 32 bits.
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
