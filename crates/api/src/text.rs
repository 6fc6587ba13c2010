//! The texts of successes: most answers with code 0 have none, payment's have one.

use types::Locale;

/// The charge succeeded: `Pay` and `PayOrder`.
pub const fn paid(locale: Locale) -> &'static str {
    match locale {
        Locale::Zh => "支付成功",
        Locale::En => "paid",
    }
}

/// The order was paid before, and nobody was charged again: `Pay` and `PayOrder`.
pub const fn already_paid(locale: Locale) -> &'static str {
    match locale {
        Locale::Zh => "订单已支付",
        Locale::En => "order already paid",
    }
}

/// The money was given back: `Refund`.
pub const fn refunded(locale: Locale) -> &'static str {
    match locale {
        Locale::Zh => "退款成功",
        Locale::En => "refunded",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn successes_of_payment_speak_both_languages() {
        assert_eq!((paid(Locale::Zh), paid(Locale::En)), ("支付成功", "paid"));
        assert_eq!(
            (already_paid(Locale::Zh), already_paid(Locale::En)),
            ("订单已支付", "order already paid")
        );
        assert_eq!(
            (refunded(Locale::Zh), refunded(Locale::En)),
            ("退款成功", "refunded")
        );
    }
}
