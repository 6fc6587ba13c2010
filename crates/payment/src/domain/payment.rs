use std::fmt;

use types::{Fen, OrderId, PaymentNo, PaymentStatus, RefundNo, UnixMillis};

use super::{Attempt, AttemptState};

/// What callers see of an order's money: one row per order, describing its last attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// The row's id.
    pub id: u64,
    /// The last attempt.
    pub payment_no: PaymentNo,
    /// The order that is paid.
    pub order_id: OrderId,
    /// What the last attempt charges.
    pub amount: Fen,
    /// What became of it.
    pub status: PaymentStatus,
    /// The gateway of the last attempt.
    pub method: Method,
    /// The gateway's own number, once it has charged.
    pub third_party_no: Option<ThirdPartyNo>,
    /// When the first attempt to pay the order began.
    pub created_at: UnixMillis,
    /// When the row last changed.
    pub updated_at: UnixMillis,
}

/// A payment together with its last attempt: all that is known about an order's money.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// What callers see.
    pub payment: Payment,
    /// The attempt behind it; its number is the payment's.
    pub attempt: Attempt,
}

impl Record {
    /// The number under which the payment is, was, or would be given back.
    pub fn refund_no(&self) -> RefundNo {
        RefundNo::of(&self.attempt.payment_no)
    }

    /// How far the attempt `payment_no` has come.
    ///
    /// An attempt that is no longer the last one was refused: only a refusal lets another begin.
    pub fn state_of(&self, payment_no: &PaymentNo) -> AttemptState {
        if self.attempt.payment_no == *payment_no {
            self.attempt.state
        } else {
            AttemptState::Refused
        }
    }
}

/// The longest name of a payment method, in characters.
const METHOD_CHARS_MAX: usize = 20;

/// A way to pay: the name of a gateway.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Method(Box<str>);

impl Method {
    /// Takes 1 to 20 visible ASCII characters. Whether a gateway of that name is configured is
    /// another question.
    pub fn parse(name: &str) -> Option<Self> {
        is_visible(name, METHOD_CHARS_MAX).then(|| Self(name.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The longest number of a gateway, in characters.
const THIRD_PARTY_NO_CHARS_MAX: usize = 64;

/// A gateway's own number of a charge.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ThirdPartyNo(Box<str>);

impl ThirdPartyNo {
    /// Takes 1 to 64 visible ASCII characters.
    pub fn parse(number: &str) -> Option<Self> {
        is_visible(number, THIRD_PARTY_NO_CHARS_MAX).then(|| Self(number.into()))
    }

    /// The number that the mock gateway gives: `MOCK` and the payment number, at most 36 characters.
    pub fn mock(payment_no: &PaymentNo) -> Self {
        Self(format!("MOCK{payment_no}").into())
    }

    /// The number as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ThirdPartyNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_visible(text: &str, chars_max: usize) -> bool {
    !text.is_empty() && text.len() <= chars_max && text.bytes().all(|b| b.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_short_visible_ascii() {
        assert_eq!(
            Method::parse("mock").as_ref().map(Method::as_str),
            Some("mock")
        );
        for name in ["", "a b", "支付宝", "a\n", &"m".repeat(21)] {
            assert_eq!(Method::parse(name), None, "{name:?}");
        }
        assert!(ThirdPartyNo::parse(&"9".repeat(64)).is_some());
        assert!(ThirdPartyNo::parse(&"9".repeat(65)).is_none());
    }
}
