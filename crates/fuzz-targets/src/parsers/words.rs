//! The words of the trade: numbers, keys, ISBNs, text fields, rates.

use anyhow::ensure;
use payment::domain::{Method, ThirdPartyNo};
use payment::gateway::Rate;
use types::{
    IdempotencyKey, Isbn, IsbnRepair, KEY_BYTES_MAX, OrderNo, Page, PaymentNo, RefundNo, TextRule,
    UnixMillis, Violations, checked_text, repair_isbn,
};

use super::Parser;

pub(super) const ALL: &[Parser] = &[
    Parser {
        name: "order_number",
        read: number,
        words: &[
            "ORD20261122134405000007",
            "PAY2026112213440512345678",
            "REFPAY2026112213440512345678",
            "ORD",
            "999999999999999",
            " ",
            "订",
        ],
    },
    Parser {
        name: "idempotency_key",
        read: key,
        words: &[
            "order-1-book-1",
            "restock-002",
            "图",
            "a ",
            "é",
            "A",
            "\u{7f}",
            "\u{85}",
        ],
    },
    Parser {
        name: "isbn",
        read: isbn,
        words: &[
            "978-7-111-54742-6",
            "9787536692930",
            "043965548X",
            "439023483",
            "x",
            "—",
            "\u{2212}",
            "\u{3000}",
            "ß",
            "ŉ",
            "ΐ",
            "９７８",
        ],
    },
    Parser {
        name: "text_field",
        read: text_field,
        words: &[
            "三体",
            "Go微服务实战",
            " ",
            "\t",
            "\n",
            "\u{3000}",
            "\0",
            "\u{feff}",
            "e\u{301}",
            "😀",
        ],
    },
    Parser {
        name: "payment_method",
        read: payment_method,
        words: &[
            "mock",
            "alipay",
            "MOCK",
            "_",
            "-",
            "MOCKPAY20261122134405000001",
            "支付",
        ],
    },
    Parser {
        name: "rate",
        read: rate,
        words: &[
            "0",
            "1",
            "0.7",
            ".25",
            "1.000000",
            "0.000001",
            "1.0000001",
            "-",
            "e",
            "9",
            ".",
        ],
    },
];

fn number(input: &[u8]) -> anyhow::Result<()> {
    let text = String::from_utf8_lossy(input);
    if let Some(number) = OrderNo::parse(&text) {
        ensure!(number.as_str() == text && number.to_string() == text);
        ensure!(number.as_str().len() <= 32 && text.is_ascii());
    }
    if let Some(number) = PaymentNo::parse(&text) {
        ensure!(PaymentNo::parse(&number.to_string()).as_ref() == Some(&number));
        // Whatever the number, asking for its refund must not fail.
        ensure!(RefundNo::of(&number).as_str().ends_with(number.as_str()));
    }
    // Whatever the clock says, the numbers that are made can be read, for serials of 15 digits.
    if let Some((at, serial)) = two_numbers(input) {
        let number = OrderNo::generate(UnixMillis::new(at), serial % 1_000_000_000_000_000);
        ensure!(
            OrderNo::parse(number.as_str()).as_ref() == Some(&number),
            "{number}"
        );
    }
    Ok(())
}

fn two_numbers(input: &[u8]) -> Option<(i64, u64)> {
    let (first, rest) = input.split_first_chunk::<8>()?;
    let (second, _) = rest.split_first_chunk::<8>()?;
    Some((i64::from_le_bytes(*first), u64::from_le_bytes(*second)))
}

fn key(input: &[u8]) -> anyhow::Result<()> {
    let text = String::from_utf8_lossy(input);
    let fits = (1..=KEY_BYTES_MAX).contains(&text.len());
    match IdempotencyKey::new(&text) {
        Some(key) => ensure!(fits && key.as_str() == text && key.to_string() == text),
        None => ensure!(!fits || text.chars().any(char::is_control)),
    }
    Ok(())
}

fn isbn(input: &[u8]) -> anyhow::Result<()> {
    let text = String::from_utf8_lossy(input);
    if let Some(isbn) = Isbn::new(&text) {
        let again = Isbn::new(isbn.as_str());
        ensure!(
            again.as_ref() == Some(&isbn),
            "{text:?} is {isbn:?}, which is {again:?}"
        );
        // 20 characters are the most a caller may give; the column of the normal form has 255 bytes.
        let long = isbn.as_str().len() > 255;
        ensure!(!long || text.chars().count() > 20, "{text:?}");
    }
    match repair_isbn(&text) {
        IsbnRepair::Valid(isbn) | IsbnRepair::LeadingZerosRestored(isbn) => {
            ensure!(isbn.len() == 13 && isbn.bytes().all(|byte| byte.is_ascii_digit()));
            ensure!(
                repair_isbn(&isbn) == IsbnRepair::Valid(isbn.clone()),
                "{text:?} is {isbn}"
            );
        }
        IsbnRepair::Invalid => {}
    }
    Ok(())
}

fn text_field(input: &[u8]) -> anyhow::Result<()> {
    let text = String::from_utf8_lossy(input);
    for (chars_min, chars_max, multiline) in
        [(1, 200, false), (0, 20, false), (0, usize::MAX, true)]
    {
        let rule = TextRule {
            chars_min,
            chars_max,
            multiline,
        };
        let mut wrong = Violations::default();
        let kept = checked_text("field", &text, rule, &mut wrong);
        ensure!(wrong.iter().count() <= 1);
        if wrong.is_empty() {
            ensure!((chars_min..=chars_max).contains(&kept.chars().count()));
            ensure!(!kept.contains('\0'));
            ensure!(checked_text("field", &kept, rule, &mut wrong) == kept && wrong.is_empty());
        }
    }
    if let Some((page, size)) = two_numbers(input) {
        let low = |number: u64| i32::from_le_bytes(first_four(number));
        let mut wrong = Violations::default();
        let page = Page::read(low(page.cast_unsigned()), low(size), &mut wrong);
        ensure!((1..=100).contains(&page.size()));
        ensure!(
            i64::try_from(page.offset()).is_ok(),
            "no database takes such an offset"
        );
    }
    Ok(())
}

fn first_four(number: u64) -> [u8; 4] {
    let [a, b, c, d, ..] = number.to_le_bytes();
    [a, b, c, d]
}

fn payment_method(input: &[u8]) -> anyhow::Result<()> {
    let text = String::from_utf8_lossy(input);
    if let Some(method) = Method::parse(&text) {
        ensure!(method.as_str() == text && text.len() <= 20 && text.is_ascii());
    }
    if let Some(number) = ThirdPartyNo::parse(&text) {
        ensure!(number.as_str() == text && text.chars().count() <= 64);
    }
    Ok(())
}

fn rate(input: &[u8]) -> anyhow::Result<()> {
    let text = String::from_utf8_lossy(input);
    if let Ok(rate) = text.parse::<Rate>() {
        ensure!(
            text.bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'.'),
            "{text:?}"
        );
        ensure!(rate == Rate::NEVER || rate.holds(0));
    }
    Ok(())
}
