use std::fmt;

use crate::Quantity;

/// The highest price of one book, in fen.
pub const PRICE_FEN_MAX: i64 = 1_000_000_000_000;

/// The highest order total and the highest payment, in fen.
pub const AMOUNT_FEN_MAX: i64 = 1_000_000_000_000_000;

/// Money in fen (1/100 yuan). Whole, checked, never a float.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Fen(i64);

impl Fen {
    /// No money.
    pub const ZERO: Self = Self(0);

    /// A price: 0 to 10^12 fen; anything else is `None`.
    pub const fn price(fen: i64) -> Option<Self> {
        if fen >= 0 && fen <= PRICE_FEN_MAX {
            Some(Self(fen))
        } else {
            None
        }
    }

    /// An amount that can be charged: 1 to 10^15 fen; anything else is `None`.
    pub const fn amount(fen: i64) -> Option<Self> {
        if fen >= 1 && fen <= AMOUNT_FEN_MAX {
            Some(Self(fen))
        } else {
            None
        }
    }

    /// What a database or another service says, unchecked beyond its type.
    pub const fn stored(fen: i64) -> Self {
        Self(fen)
    }

    /// The number on the wire.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The sum, or `None` where it leaves 64 bits.
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    /// The price of `quantity` copies, or `None` where it leaves 64 bits.
    pub fn checked_times(self, quantity: Quantity) -> Option<Self> {
        self.0.checked_mul(i64::from(quantity.get())).map(Self)
    }
}

/// Yuan with two decimals, as people read money: `128.00`.
impl fmt::Display for Fen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let fen = self.0.unsigned_abs();
        write!(
            f,
            "{sign}{}.{:02}",
            fen.div_euclid(100),
            fen.rem_euclid(100)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_checked_and_shown_in_yuan() {
        assert_eq!(Fen::price(-1), None);
        assert_eq!(Fen::price(PRICE_FEN_MAX + 1), None);
        assert_eq!(Fen::amount(0), None);
        assert_eq!(Fen::stored(i64::MAX).checked_add(Fen::stored(1)), None);
        assert_eq!(Fen::stored(12_805).to_string(), "128.05");
        assert_eq!(Fen::stored(-5).to_string(), "-0.05");
    }
}
