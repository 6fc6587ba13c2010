//! Column `inventory_keys.held_lines`: what a batch deducted,
//! `book:copies:quantity:reserved:version` for each of its books in the request's order, separated
//! by commas; the last three are the book's balance then.

use std::fmt::Write;

use platform::db::DbError;
use types::BookId;

use crate::domain::{HeldLine, HoldState, Stock};

/// The column of a batch that deducted `lines`, and answered `stocks`.
pub(super) fn render(lines: &[HeldLine], stocks: &[Stock]) -> String {
    let mut text = String::new();
    for (line, stock) in lines.iter().zip(stocks) {
        let comma = if text.is_empty() { "" } else { "," };
        let copies = line.outstanding.saturating_add(line.settled);
        let Stock {
            book,
            quantity,
            reserved,
            version,
        } = stock;
        // Writing to a String does not fail.
        write!(
            text,
            "{comma}{book}:{copies}:{quantity}:{reserved}:{version}"
        )
        .unwrap_or_default();
    }
    text
}

/// Reads the column of a batch that is in `state`: its lines, and what it answered.
///
/// A batch ends as a whole, so its state says what became of all its copies.
pub(super) fn read(text: &str, state: HoldState) -> Result<(Vec<HeldLine>, Vec<Stock>), DbError> {
    let pairs = text.split(',').map(|line| read_line(line, state));
    let pairs: Option<Vec<_>> = pairs.collect();
    let pairs = pairs.ok_or_else(|| DbError::corrupt("inventory_keys.held_lines"))?;
    Ok(pairs.into_iter().unzip())
}

fn read_line(line: &str, state: HoldState) -> Option<(HeldLine, Stock)> {
    let mut numbers = line.split(':');
    let book = BookId::from_i64(numbers.next()?.parse().ok()?)?;
    let copies = numbers.next()?.parse().ok()?;
    let stock = Stock {
        book,
        quantity: numbers.next()?.parse().ok()?,
        reserved: numbers.next()?.parse().ok()?,
        version: numbers.next()?.parse().ok()?,
    };
    if numbers.next().is_some() {
        return None;
    }
    let (outstanding, settled) = match state {
        HoldState::Held => (copies, 0),
        HoldState::Released | HoldState::Committed => (0, copies),
    };
    let held = HeldLine {
        book,
        version: stock.version,
        outstanding,
        settled,
    };
    Some((held, stock))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(book: u64, copies: i32, version: i64) -> HeldLine {
        HeldLine {
            book: BookId::new(book).unwrap(),
            version,
            outstanding: copies,
            settled: 0,
        }
    }

    fn stock(book: u64, quantity: i32, reserved: i32, version: i64) -> Stock {
        Stock {
            book: BookId::new(book).unwrap(),
            quantity,
            reserved,
            version,
        }
    }

    #[test]
    fn what_is_written_is_read_and_its_state_says_where_the_copies_are() {
        let lines = vec![held(7, 2, 9), held(3, 1, i64::MAX)];
        let stocks = vec![stock(7, 0, 5, 9), stock(3, i32::MAX, 1, i64::MAX)];
        let text = render(&lines, &stocks);
        assert_eq!(text, "7:2:0:5:9,3:1:2147483647:1:9223372036854775807");
        let (read_lines, read_stocks) = read(&text, HoldState::Held).unwrap();
        assert_eq!((&read_lines, &read_stocks), (&lines, &stocks));
        let (settled, _) = read(&text, HoldState::Committed).unwrap();
        let copies: Vec<_> = settled.iter().map(|l| (l.outstanding, l.settled)).collect();
        assert_eq!(copies, [(0, 2), (0, 1)]);
        // A batch that has ended renders to the same text.
        assert_eq!(render(&settled, &stocks), text);
    }

    #[test]
    fn what_is_none_is_corrupt() {
        for text in [
            "",
            "7",
            "7:2:0:5",
            "7:2:0:5:9:1",
            "7:2:0:5:9,",
            "0:1:1:1:1",
            "7:x:0:5:9",
            "7:2:0:5:9;3",
        ] {
            let read = read(text, HoldState::Held);
            assert!(matches!(read, Err(DbError::Corrupt(_))), "{text}");
        }
    }

    #[test]
    fn the_longest_batch_fits_its_column() {
        let lines = [held(1 << 53, i32::MAX, i64::MAX); 100];
        let stocks = [stock(1 << 53, i32::MAX, i32::MAX, i64::MAX); 100];
        assert!(render(&lines, &stocks).len() <= 8000);
    }
}
