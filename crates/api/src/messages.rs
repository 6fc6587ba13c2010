use types::{Code, Locale};

/// The text of a business code in a language; that of 40900 names both states.
///
/// The one table of refusals: every service answers from it, and a test holds `docs/errors.md`
/// against it. Texts of successes are in [`text`](crate::text).
pub fn message(code: Code, locale: Locale) -> String {
    let (zh, en) = match code {
        Code::InsufficientStock => ("库存不足", "insufficient stock"),
        Code::BookNotFound => ("图书不存在", "book not found"),
        Code::OrderNotFound => ("订单不存在", "order not found"),
        Code::StockNotFound => ("库存记录不存在", "stock record not found"),
        Code::IllegalTransition { from, to } => {
            return match locale {
                Locale::Zh => format!("不允许从 {from} 转换到 {to}"),
                Locale::En => format!("cannot go from {from} to {to}"),
            };
        }
        Code::KeyConflict => ("幂等键冲突", "idempotency key conflict"),
        Code::ReleaseExceedsDeducted => {
            ("释放数量超过已扣减数量", "releases more than was deducted")
        }
        Code::BookIdExists => ("图书ID已存在", "book id exists"),
        Code::IsbnExists => ("ISBN已存在", "ISBN exists"),
        Code::DeductionCancelled => ("该扣减已被取消", "deduction was cancelled"),
        Code::CreateRefused => ("创建订单失败", "could not create the order"),
        Code::PaymentRefused => ("支付失败（Mock）", "payment refused (mock)"),
        Code::PaymentRefunded => ("订单已退款", "order was refunded"),
        Code::PaymentNotFound => ("支付记录不存在", "no such payment"),
        Code::NotRefundable => ("订单未支付或已退款", "order not paid or already refunded"),
        Code::RefundRefused => ("退款失败", "refund refused"),
    };
    match locale {
        Locale::Zh => zh.to_owned(),
        Locale::En => en.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use types::OrderStatus;

    use super::*;

    #[test]
    fn every_code_has_a_text_of_its_own_in_both_languages() {
        for locale in [Locale::Zh, Locale::En] {
            let texts: std::collections::BTreeSet<String> = Code::ALL
                .into_iter()
                .map(|code| message(code, locale))
                .collect();
            assert_eq!(texts.len(), Code::ALL.len());
            assert!(!texts.contains(""));
        }
    }

    #[test]
    fn an_illegal_transition_names_both_states_in_both_languages() {
        let code = Code::IllegalTransition {
            from: OrderStatus::Shipped,
            to: OrderStatus::Cancelled,
        };
        assert_eq!(
            message(code, Locale::Zh),
            "不允许从 SHIPPED 转换到 CANCELLED"
        );
        assert_eq!(
            message(code, Locale::En),
            "cannot go from SHIPPED to CANCELLED"
        );
    }
}
