//! Single cells: prices and numbers of copies as people and spreadsheets write them.

use types::{Fen, Quantity};

/// What a bare number in a cell counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PriceUnit {
    Yuan,
    Fen,
}

/// Marks of the unit that may stand before or after a price.
const YUAN_MARKS: [&str; 6] = ["¥", "￥", "cny", "rmb", "元", "yuan"];
const FEN_MARKS: [&str; 2] = ["fen", "分"];

/// Words that may follow a number of copies.
const COPIES_MARKS: [&str; 4] = ["copies", "册", "本", "套"];

/// Full-width forms, which Chinese keyboards make, as their plain twins.
pub(super) fn half_width(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\u{ff01}'..='\u{ff5e}' => {
                char::from_u32(u32::from(c).saturating_sub(0xfee0)).unwrap_or(c)
            }
            '\u{3000}' => ' ',
            _ => c,
        })
        .collect()
}

/// Text as it is compared loosely: letters and digits alone, in small letters and plain width.
pub(super) fn fold(text: &str) -> String {
    half_width(text)
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric())
        .collect()
}

/// Reads a price; a number without a mark of its own is in `unit`.
///
/// # Errors
/// Why it is none, to go after "the price … ".
pub(super) fn read_price(text: &str, unit: PriceUnit) -> Result<Fen, &'static str> {
    let (number, marked) = split_mark(text);
    price(&number, marked.unwrap_or(unit))
}

/// Reads the price of a command line: `49.00` and `49元` are yuan, `4900` and `4900fen` are fen.
///
/// # Errors
/// Why it is none.
pub(crate) fn read_default_price(text: &str) -> Result<Fen, String> {
    let (number, marked) = split_mark(text);
    let unmarked = if number.contains('.') {
        PriceUnit::Yuan
    } else {
        PriceUnit::Fen
    };
    price(&number, marked.unwrap_or(unmarked))
        .map_err(|why| format!("{why} (49.00 is 49 yuan, 4900 is 4900 fen)"))
}

/// Reads a number of copies; `None` is no copies at all.
///
/// # Errors
/// Why it is none, to go after "the stock … ".
pub(super) fn read_stock(text: &str) -> Result<Option<Quantity>, &'static str> {
    let text = half_width(text).trim().to_lowercase();
    let number = COPIES_MARKS
        .iter()
        .find_map(|mark| text.strip_suffix(mark))
        .unwrap_or(&text);
    let (whole, fraction) = read_number(number.trim())?;
    if !fraction.is_empty() {
        return Err("is not a whole number");
    }
    let copies = i32::try_from(whole).map_err(|_| "is too large")?;
    Ok(Quantity::new(copies))
}

/// Takes the unit's marks off; what is left should be a number.
fn split_mark(text: &str) -> (String, Option<PriceUnit>) {
    let mut number = half_width(text).trim().to_lowercase();
    let mut unit = None;
    for (marks, meant) in [
        (&YUAN_MARKS[..], PriceUnit::Yuan),
        (&FEN_MARKS[..], PriceUnit::Fen),
    ] {
        for mark in marks {
            let bare = number
                .strip_prefix(mark)
                .or_else(|| number.strip_suffix(mark));
            if let Some(bare) = bare {
                (number, unit) = (bare.trim().to_owned(), Some(meant));
            }
        }
    }
    (number, unit)
}

fn price(number: &str, unit: PriceUnit) -> Result<Fen, &'static str> {
    let (whole, fraction) = read_number(number)?;
    let fen = match (unit, fraction.len()) {
        (PriceUnit::Fen, 0) => Some(whole),
        (PriceUnit::Fen, _) => return Err("has parts of a fen"),
        (PriceUnit::Yuan, 0..=2) => {
            let hundredths = format!("{fraction:0<2}").parse::<i64>().ok();
            hundredths.and_then(|fen| whole.checked_mul(100)?.checked_add(fen))
        }
        (PriceUnit::Yuan, _) => return Err("has more than two decimals"),
    };
    fen.and_then(Fen::price).ok_or("is too high")
}

/// Splits a number into its whole part and its decimals without trailing zeros. Commas may part
/// thousands; anything that could be read in two ways is refused.
fn read_number(text: &str) -> Result<(i64, &str), &'static str> {
    if text.starts_with('-') {
        return Err("is negative");
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let groups: Vec<_> = whole.split(',').collect();
    let digits =
        groups.iter().all(|group| is_digits(group)) && (fraction.is_empty() || is_digits(fraction));
    if !digits || !are_thousands(&groups) {
        return Err("is not a number");
    }
    let whole = groups.concat().parse().map_err(|_| "is too large")?;
    Ok((whole, fraction.trim_end_matches('0')))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// Whether the parts between commas are `1,280` rather than the `12,50` of other countries.
fn are_thousands(groups: &[&str]) -> bool {
    match groups {
        [] => false,
        [_] => true,
        [first, rest @ ..] => first.len() <= 3 && rest.iter().all(|group| group.len() == 3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_read_as_people_write_them() {
        let cases = [
            ("128.00", Ok(12_800)),
            ("128", Ok(12_800)),
            (" 0.5 ", Ok(50)),
            ("0", Ok(0)),
            ("128.500", Ok(12_850)),
            ("¥128", Ok(12_800)),
            ("￥ 128.00", Ok(12_800)),
            ("128元", Ok(12_800)),
            ("CNY 39.80", Ok(3_980)),
            ("39.80 RMB", Ok(3_980)),
            ("１２８．５０", Ok(12_850)),
            ("1,280.00", Ok(128_000)),
            ("1280分", Ok(1_280)),
            ("10000000000.00", Ok(1_000_000_000_000)),
            ("10000000000.01", Err("is too high")),
            ("99999999999999999999", Err("is too large")),
            ("12.345", Err("has more than two decimals")),
            ("12,50", Err("is not a number")),
            ("-1", Err("is negative")),
            ("$12", Err("is not a number")),
            ("12.", Ok(1_200)),
            (".50", Err("is not a number")),
            ("1e3", Err("is not a number")),
            ("free", Err("is not a number")),
            ("", Err("is not a number")),
        ];
        for (text, expected) in cases {
            assert_eq!(
                read_price(text, PriceUnit::Yuan).map(Fen::get),
                expected,
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_column_of_fen_has_no_decimals() {
        let cases = [
            ("12800", Ok(12_800)),
            ("12800.0", Ok(12_800)),
            ("128.5", Err("has parts of a fen")),
            ("128.50元", Ok(12_850)),
        ];
        for (text, expected) in cases {
            assert_eq!(
                read_price(text, PriceUnit::Fen).map(Fen::get),
                expected,
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_default_price_with_a_point_is_in_yuan() {
        for (text, fen) in [
            ("49.00", 4_900),
            ("49元", 4_900),
            ("4900", 4_900),
            ("4900fen", 4_900),
        ] {
            assert_eq!(read_default_price(text).map(Fen::get), Ok(fen), "{text:?}");
        }
        assert!(read_default_price("cheap").is_err());
    }

    #[test]
    fn stocks_are_whole_copies() {
        let cases = [
            ("100", Ok(Some(100))),
            ("1,000", Ok(Some(1_000))),
            ("100.0", Ok(Some(100))),
            ("３０ 册", Ok(Some(30))),
            ("0", Ok(None)),
            ("2147483647", Ok(Some(i32::MAX))),
            ("2147483648", Err("is too large")),
            ("-3", Err("is negative")),
            ("2.5", Err("is not a whole number")),
            ("many", Err("is not a number")),
        ];
        for (text, expected) in cases {
            let read = read_stock(text).map(|stock| stock.map(Quantity::get));
            assert_eq!(read, expected, "{text:?}");
        }
    }

    #[test]
    fn folded_text_is_letters_and_digits_alone() {
        assert_eq!(fold(" Book_Title "), "booktitle");
        assert_eq!(fold("价格（元）"), "价格元");
        assert_eq!(fold("ＩＳＢＮ－１３"), "isbn13");
    }
}
