use std::fmt;

use crate::UnixMillis;

/// The longest order, payment or refund number a caller may name, in characters.
const NUMBER_CHARS_MAX: usize = 32;
/// What comes before the serial: a prefix of three letters, and `yyyyMMddHHmmss`.
const SERIAL_STARTS: usize = 17;

/// Builds `prefix` + `yyyyMMddHHmmss` + `serial` in at least 6 digits.
///
/// Serials come from an allocator that never hands one out twice, so the number is unique across
/// replicas at any rate; 15 digits fit into the 32 characters.
fn numbered(prefix: &str, at: UnixMillis, serial: u64) -> String {
    format!("{prefix}{}{serial:06}", at.calendar_digits())
}

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// Takes a number as a caller or a database gives it: 1 to 32 visible ASCII
            /// characters. Whether it exists is another question.
            pub fn parse(text: &str) -> Option<Self> {
                let fits = !text.is_empty() && text.len() <= NUMBER_CHARS_MAX;
                (fits && text.bytes().all(|b| b.is_ascii_graphic())).then(|| Self(text.into()))
            }

            /// The number as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

number!(
    /// An order's number: `ORD` + `yyyyMMddHHmmss` (UTC) + at least 6 digits.
    OrderNo
);
number!(
    /// A payment attempt's number: `PAY` + `yyyyMMddHHmmss` (UTC) + at least 6 digits. The
    /// gateway's idempotency key.
    PaymentNo
);
number!(
    /// A refund's number: `REF` + the number of the payment it gives back.
    RefundNo
);

impl OrderNo {
    /// The number of the order with the serial `serial` (its id), made at `at`.
    pub fn generate(at: UnixMillis, serial: u64) -> Self {
        Self(numbered("ORD", at, serial).into())
    }

    /// The serial in it: what follows prefix and timestamp, if that is a number. Whether these are an order's,
    /// and that order has this number, is another question.
    pub fn serial(&self) -> Option<u64> {
        self.0.get(SERIAL_STARTS..)?.parse().ok()
    }
}

impl PaymentNo {
    /// The number of the attempt with the serial `serial`, made at `at`.
    pub fn generate(at: UnixMillis, serial: u64) -> Self {
        Self(numbered("PAY", at, serial).into())
    }
}

impl RefundNo {
    /// The one refund that a payment can have.
    pub fn of(payment: &PaymentNo) -> Self {
        Self(format!("REF{payment}").into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_promised_form() {
        let at = UnixMillis::new(1_795_355_045_999);
        assert_eq!(OrderNo::generate(at, 7).as_str(), "ORD20261122134405000007");
        let payment = PaymentNo::generate(at, 12_345_678);
        assert_eq!(payment.as_str(), "PAY2026112213440512345678");
        assert_eq!(
            RefundNo::of(&payment).as_str(),
            "REFPAY2026112213440512345678"
        );
        assert_eq!(
            OrderNo::generate(at, 999_999_999_999_999).as_str().len(),
            32
        );
    }

    #[test]
    fn a_number_of_an_order_tells_its_serial() {
        for (at, serial) in [
            (0, 1),
            (1_795_355_045_999, 999_999),
            (9, 999_999_999_999_999),
        ] {
            let number = OrderNo::generate(UnixMillis::new(at), serial);
            assert_eq!(number.serial(), Some(serial), "{number}");
        }
        for text in [
            "x",
            "ORD20261122134405",
            "ORD20261122134405-1",
            "ORD2026112213440500000x",
        ] {
            let number = OrderNo::parse(text).unwrap();
            assert_eq!(number.serial(), None, "{number}");
        }
    }

    #[test]
    fn a_number_is_short_visible_ascii() {
        for text in ["", "a b", "订单", "a\n", &"9".repeat(33)] {
            assert_eq!(OrderNo::parse(text), None, "{text:?}");
        }
        assert!(OrderNo::parse("nonsense").is_some());
    }
}
