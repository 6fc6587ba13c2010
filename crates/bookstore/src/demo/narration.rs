//! Every sentence of the demonstration, in Chinese and in English: the one table of them.

use types::Locale;

macro_rules! lines {
    ($($line:ident: $zh:literal, $en:literal;)+) => {
        /// A sentence. `{names}` in it are filled in where it is said.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Line { $($line,)+ }

        impl Line {
            /// The sentence in a language.
            pub(super) const fn text(self, locale: Locale) -> &'static str {
                let (zh, en) = match self { $(Self::$line => ($zh, $en),)+ };
                match locale {
                    Locale::Zh => zh,
                    Locale::En => en,
                }
            }

            /// Every sentence once.
            #[cfg(test)]
            const ALL: &[Self] = &[$(Self::$line,)+];
        }
    };
}

impl Line {
    /// The sentence with its `{names}` filled in.
    pub(super) fn filled(self, locale: Locale, names: &[(&str, &str)]) -> String {
        names
            .iter()
            .fold(self.text(locale).to_owned(), |text, (name, value)| {
                text.replace(&format!("{{{name}}}"), value)
            })
    }
}

lines! {
    Nothing: "", "";

    Title: "书店演示", "A day at the bookstore";
    OnRunning:
        "演给正在运行的系统看：{addresses}",
        "Played on the running system: {addresses}";
    OnOwn:
        "演给一套自己的系统看：放在临时目录，演完即删；订单只等 {seconds} 秒付款。",
        "Played on a system of its own, in a temporary folder; its orders wait {seconds} s for payment.";
    OnOwnForWant:
        "配置的端口上没有系统在运行，所以自己起了一套：放在临时目录，演完即删；订单只等 {seconds} 秒付款。",
        "Nothing runs on the configured ports, so this is a system of its own, in a temporary folder;\nits orders wait {seconds} s for payment.";
    Legend:
        "金额以分计。订单状态：1 待付款 2 已付款 3 已发货 4 已完成 5 已取消；支付状态：1 处理中 2 已付 3 已退 4 失败。\n下面每个调用的 x-request-id 都是 {run}，可以在日志里找到。",
        "Money is in fen. Orders: 1 pending, 2 paid, 3 shipped, 4 completed, 5 cancelled. Payments: 1 pending, 2 paid, 3 refunded, 4 failed.\nEvery call below has the x-request-id {run}: look for it in the logs.";
    After: "（{seconds} 秒）", "({seconds} s)";
    Promised: "承诺的是 {promised}，来的却是 {found}", "promised: {promised}; it came as {found}";
    AllKept:
        "{kept} 个回答都与承诺一致，用时 {seconds} 秒。",
        "All {kept} answers were as promised, in {seconds} s.";
    SomeBroken:
        "{all} 个回答里有 {broken} 个与承诺不符，用时 {seconds} 秒。",
        "{broken} of {all} answers were not as promised, in {seconds} s.";
    TidyReason: "演示结束", "end of the demonstration";
    ChangedMindReason: "不想要了", "changed my mind";

    ShelfTitle: "上架两本书", "Two books on the shelf";
    PriceInFen:
        "128 元写作 12800 分：钱是整数，从不经过浮点数。",
        "128 yuan are 12800 fen: money is a whole number and never meets a float.";
    IdGenerated: "没给书号，系统就发一个。", "No id was given, so the catalog gives one.";
    OrderAsked:
        "一次读多本，按所问的次序回答。",
        "Many at once, answered in the order they were asked for.";

    LedgerTitle: "库存是一本账", "Stock is a ledger";
    RestockOnce:
        "带着幂等键：同一批货，重复入库也只算一次。",
        "Under an idempotency key: the same delivery counts once, however often it is told.";
    Deducted:
        "5 册从可售移到预留；余额和流水在同一个事务里变。",
        "5 copies move from free to reserved; balance and ledger change in one transaction.";
    DeductedOnce:
        "一模一样再发一次：听到第一次的回答，什么也没有再扣。",
        "The very same again: it hears the first answer, and nothing more is taken.";
    ReleasedOnce:
        "再还一次也不会多出来：这一笔已经没有可还的了。",
        "Given back twice, it does not grow: nothing of that deduction is outstanding any more.";

    LifeTitle: "下单、付款、退款", "Ordered, paid, refunded";
    TotalByServer:
        "总额由服务器按现价算：2 × 12800 + 100。下单就已占住库存。",
        "The server sums up at today's prices: 2 × 12800 + 100. The stock is held from now on.";
    PricesKept:
        "书名和价格抄进了订单：以后改价，与它无关。",
        "Titles and prices are copied into the order: later prices do not touch it.";
    PaidByLuck:
        "模拟网关按支付号定输赢，约七成成功；被拒就换个支付号再来。",
        "The mock gateway decides by the payment number, about 70 % succeed; a new try has a new number.";
    PaidOnce:
        "再付一次：同一个支付号，没有人被扣两次钱。",
        "Paid again: the same payment number, and nobody is charged twice.";
    HeardByFeed:
        "没有人告诉订单服务：它跟着支付的事件流，自己知道了。",
        "Nobody told the order service: it follows payment's feed, and heard.";
    RefundedOnce:
        "再退一次：不会退两次，只把退款号再说一遍。",
        "Refunded again: the money does not leave twice; the refund's number is repeated.";
    RefundCancels:
        "退了款的订单就是取消的订单……",
        "A refunded order is a cancelled order…";
    StockIsBack:
        "……它占的库存也都回来了。",
        "…and all the stock it held is back.";

    ShippedTitle: "付款、发货、收货", "Paid, shipped, received";
    Reserved:
        "2 册预留给这张订单，别人买不到。",
        "2 copies are reserved for this order; nobody else can buy them.";
    PaidThroughOrder:
        "通过订单付款：金额是订单自己的，不由付款的人说。",
        "Paid through the order: the amount is the order's own, not the payer's word.";
    Committed:
        "货已离开：预留清零。入库 = 可售 + 预留 + 已出库，任何时刻都成立。",
        "The goods have left. Restocked = free + reserved + committed, at every moment.";
    NoWayBack:
        "状态只会往前走；每一步都是数据库里的“比较再交换”。",
        "States only move forward; each move is a compare-and-set in the database.";

    TwiceTitle: "同一个请求，发两次", "The same request, twice";
    AnswerLost:
        "假设这个回答在路上丢了，客户端只好再问一次……",
        "Say this answer is lost on its way, and the client asks again…";
    SameAnswer:
        "……同一个键，同一张订单，同一个回答。",
        "…the same key, the same order, the same answer.";
    OtherBasket:
        "同一个键，买的却不一样了：宁可拒绝，也不猜。",
        "The same key, but another basket: refused rather than guessed at.";

    LastCopyTitle: "最后一本", "The last copy";
    OneCopy:
        "只有一册，却有两位顾客。",
        "One copy, and two buyers for it.";
    SoldOut:
        "第二位来晚了：明确地说卖完了，什么也没有留下。",
        "The second one is late: told so for certain, and nothing is left behind.";
    CopyIsFree:
        "第一位改了主意，还没付钱，所以没有退款号。",
        "The first one changes their mind; no money had come, so there is no refund.";
    SameKeyAgain:
        "第二位用同一个键再试，这回买到了：因缺货失败的，不会被记成失败。",
        "The second one tries again under the same key, and gets it: a want of stock is not remembered.";
    NeverBelowZero: "可售从不小于零。", "What is free is never below zero.";

    RefusedTitle: "付款被拒，再付一次", "Refused, and paid at another try";
    NobodyRefused:
        "连付 {count} 张订单都没有被拒：这个系统的网关从不拒绝，这一幕演不了。",
        "{count} orders in a row were paid: this system's gateway refuses nobody, so there is nothing to show.";
    LuckyBefore:
        "前面 {count} 张订单运气好，一次就付成了（没有演，都已取消退款）；这一张被拒了：",
        "After {count} lucky orders, unseen (all cancelled and refunded), here is one that is refused:";
    Refused:
        "这是业务上的“不”：gRPC 是 OK，code 是 1。",
        "A business no: gRPC says OK, and the code is 1.";
    StillPending:
        "订单还在等，库存还占着，可以再付。",
        "The order still waits and holds its stock; it may be paid again.";
    PaidAtLast:
        "又试了一次，换了支付号；晚到的失败不会推翻它。",
        "Another try under another number; a late failure of the first cannot undo it.";
    MoneyBack:
        "取消已付款的订单：取消、退款、还库存，是同一个事务里记下的三件事。",
        "Cancelling a paid order: the cancel, the refund and the release are recorded in one transaction.";

    LateMoneyTitle: "取消之后，钱才到", "The money comes after the cancel";
    CancelledOnce:
        "取消两次等于一次，库存只还一次。",
        "Cancelled twice is cancelled once; the stock comes back once.";
    NotPaidAnyMore:
        "付款和取消抢同一行：先到的赢，另一个会被告知。",
        "Paying and cancelling race for one row: the first one wins, the other is told.";
    PaidAllTheSame:
        "可是钱绕过订单，直接付到了支付服务……",
        "But then the money goes past the order, straight to payment…";
    RefundedByItself:
        "……没有人要求，它自己退回去了。",
        "…and is refunded by itself; nobody asked for it.";
    NoThirdTime:
        "退了款的订单，不能再付。",
        "What was refunded cannot be paid again.";

    WrongAmountTitle: "金额不对的付款", "A payment of the wrong amount";
    PaidTooLittle:
        "少付了一分。支付服务不认识订单，收下了……",
        "One fen too little. Payment knows no orders, and takes it…";
    CancelledForAmount:
        "……订单服务听说以后，取消了订单……",
        "…the order service hears of it and cancels the order…";
    WrongMoneyBack:
        "……并把钱退了回去。",
        "…and sends the money back.";

    ExpiryTitle: "一直没有人付款", "Nobody pays";
    TooLongToWatch:
        "这里的订单等 {seconds} 秒才过期，太久，不看了；`bookstore demo --against own` 只等几秒。",
        "Orders expire here after {seconds} s, too long to watch; `bookstore demo --against own` takes seconds.";
    Waiting:
        "这个系统的订单等 {seconds} 秒。现在什么也不做……",
        "This system's orders wait {seconds} s. Now do nothing…";
    Expired:
        "……到点后两秒之内，订单自己取消了。",
        "…and within two seconds of its deadline the order is cancelled by itself.";
    ExpiredStockIsBack:
        "库存也回来了，下一位可以买了。",
        "Its stock is back, for the next one to buy.";
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The `{names}` of a text.
    fn names(text: &str) -> Vec<&str> {
        let mut names: Vec<_> = text
            .split('{')
            .skip(1)
            .filter_map(|part| part.split_once('}').map(|(name, _)| name))
            .collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn every_line_speaks_both_languages_and_names_the_same() {
        for line in Line::ALL {
            let (zh, en) = (line.text(Locale::Zh), line.text(Locale::En));
            assert_eq!(zh.is_empty(), *line == Line::Nothing, "{line:?}");
            assert_eq!(en.is_empty(), *line == Line::Nothing, "{line:?}");
            assert_eq!(names(zh), names(en), "{line:?}");
        }
    }

    #[test]
    fn names_are_filled_in() {
        let names = [("seconds", "4")];
        assert_eq!(Line::After.filled(Locale::En, &names), "(4 s)");
        assert_eq!(Line::After.filled(Locale::Zh, &names), "（4 秒）");
    }
}
