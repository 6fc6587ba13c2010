//! What an answer was promised to be.

use std::fmt::Debug;

use api::Reply;
use types::{Code, Locale};

/// One promise about an answer, and whether it was kept.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) holds: bool,
    /// What was promised: `remaining_quantity 95`.
    pub(super) promised: String,
    /// What came: `94`.
    pub(super) found: String,
}

/// It was done: code 0, nothing to say.
pub(super) fn done(reply: &impl Reply) -> Claim {
    says(reply, "")
}

/// It was done: code 0, with this message.
pub(super) fn says(reply: &impl Reply, message: &str) -> Claim {
    equal(
        "code, message",
        (reply.code(), reply.message()),
        (0, message),
    )
}

/// It was refused with this code and its message in this language.
pub(super) fn refused(reply: &impl Reply, code: Code, locale: Locale) -> Claim {
    let message = api::message(code, locale);
    equal(
        "code, message",
        (reply.code(), reply.message()),
        (code.number(), &message),
    )
}

/// The field `what` is as promised.
#[expect(
    clippy::needless_pass_by_value,
    reason = "promises are mostly literals"
)]
pub(super) fn equal<T: PartialEq + Debug>(what: &str, found: T, promised: T) -> Claim {
    Claim {
        holds: found == promised,
        promised: format!("{what} {promised:?}"),
        found: format!("{found:?}"),
    }
}

/// The text of the field `what` begins as promised.
pub(super) fn starts(what: &str, found: &str, promised: &str) -> Claim {
    Claim {
        holds: found.starts_with(promised),
        promised: format!("{what} {promised:?}…"),
        found: format!("{found:?}"),
    }
}

#[cfg(test)]
mod tests {
    use api::inventory::v1::DeductStockResponse;

    use super::*;

    #[test]
    fn a_broken_promise_names_what_was_promised_and_what_came() {
        let code = Code::InsufficientStock;
        let reply = DeductStockResponse::refused(40100, "库存不足".to_owned());
        assert!(refused(&reply, code, Locale::Zh).holds);
        let broken = done(&reply);
        assert!(!broken.holds);
        assert_eq!(broken.promised, r#"code, message (0, "")"#);
        assert_eq!(broken.found, r#"(40100, "库存不足")"#);
        assert!(!refused(&reply, code, Locale::En).holds);
        assert!(starts("order_no", "ORD2026", "ORD").holds);
        assert!(!starts("order_no", "", "ORD").holds);
    }
}
