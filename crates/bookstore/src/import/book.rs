use types::Quantity;

use super::row::{Defaults, Row};
use super::rows::Rows;

/// A row of a CSV file as it would be published and stocked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvBook {
    /// The line that it begins on; the header is line 1.
    pub line: u64,
    /// The title.
    pub title: String,
    /// The author.
    pub author: String,
    /// The ISBN-13, where there is a valid one.
    pub isbn: Option<String>,
    /// The price, in fen.
    pub price_fen: i64,
    /// How many copies; 0: none are stocked.
    pub copies: i32,
    /// The description.
    pub description: String,
}

/// Reads a whole CSV file and answers the rows that are not refused, in its order.
///
/// # Errors
/// The header is not UTF-8, it has a quote that never closes, or it lacks the title or the author.
pub fn read_csv(file: &[u8]) -> anyhow::Result<Vec<CsvBook>> {
    let defaults = Defaults {
        price: None,
        stock: None,
    };
    let mut books = Vec::new();
    for row in Rows::open(file, defaults)? {
        let row = row?;
        if let Ok((book, _)) = row.verdict {
            books.push(csv_book(row.line, book));
        }
    }
    Ok(books)
}

fn csv_book(line: u64, row: Row) -> CsvBook {
    CsvBook {
        line,
        title: row.title,
        author: row.author,
        isbn: row.isbn,
        price_fen: row.price.get(),
        copies: row.stock.map_or(0, Quantity::get),
        description: row.description,
    }
}
