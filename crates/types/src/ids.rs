use std::fmt;

/// The largest id a caller may give: 2^53, the last whole number that JSON readers keep exactly.
pub const ID_MAX: u64 = 1 << 53;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u64);

        impl $name {
            /// Takes 1 to 2^53; anything else is `None`.
            pub const fn new(value: u64) -> Option<Self> {
                if value >= 1 && value <= ID_MAX { Some(Self(value)) } else { None }
            }

            /// The number on the wire.
            pub const fn get(self) -> u64 {
                self.0
            }

            /// The number as databases hold it; the range makes it always positive.
            pub const fn as_i64(self) -> i64 {
                self.0.cast_signed()
            }

            /// Reads the number that a database holds; `None` where it is out of range.
            pub const fn from_i64(value: i64) -> Option<Self> {
                if value >= 1 { Self::new(value.cast_unsigned()) } else { None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(
    /// A book, in catalog, inventory and orders alike.
    BookId
);
id!(
    /// An order's internal id; payments are made for it.
    OrderId
);
id!(
    /// A buyer.
    UserId
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_run_from_one_to_two_to_the_53() {
        assert_eq!(BookId::new(0), None);
        assert_eq!(BookId::new(1).map(BookId::get), Some(1));
        assert_eq!(BookId::new(ID_MAX).map(BookId::as_i64), Some(1 << 53));
        assert_eq!(BookId::new(ID_MAX + 1), None);
        assert_eq!(BookId::from_i64(-1), None);
        assert_eq!(BookId::from_i64(0), None);
    }
}
