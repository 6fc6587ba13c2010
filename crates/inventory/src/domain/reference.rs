use std::fmt;

use types::ID_MAX;

/// What a hold is for, in its maker's own numbering: an order's id, say. 0 stands for "nothing
/// in particular" and is a reference like any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference(u64);

impl Reference {
    /// Takes 0 to 2^53; anything else is `None`.
    pub const fn new(value: u64) -> Option<Self> {
        if value <= ID_MAX {
            Some(Self(value))
        } else {
            None
        }
    }

    /// The number on the wire.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The number as databases hold it; its range keeps it from being negative.
    pub const fn as_i64(self) -> i64 {
        self.0.cast_signed()
    }

    /// Reads the number that a database holds; `None` where it is out of range.
    pub const fn from_i64(value: i64) -> Option<Self> {
        if value >= 0 {
            Self::new(value.cast_unsigned())
        } else {
            None
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
