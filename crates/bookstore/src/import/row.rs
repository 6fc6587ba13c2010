//! One row: its cells read, repaired where a rule says how, refused where none does.

use csv::StringRecord;
use types::{Fen, Quantity};

use super::cells::{read_price, read_stock};
use super::columns::Columns;
use super::finding::{Refusal, Repair};
use super::identity::Identity;
use super::isbn_cell::read_isbn;
use super::shorten::{shorten_authors, shorten_description, shorten_title};

/// What rows get that the file does not say.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Defaults {
    /// The price; `None`: one derived from the book's identity.
    pub(crate) price: Option<Fen>,
    /// The copies; `None`: none are stocked.
    pub(crate) stock: Option<Quantity>,
}

/// A book as it is to be published and stocked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) title: String,
    pub(super) author: String,
    /// An ISBN-13 of 13 digits.
    pub(super) isbn: Option<String>,
    pub(super) price: Fen,
    /// `None`: no copies.
    pub(super) stock: Option<Quantity>,
    pub(super) description: String,
    pub(super) identity: Identity,
}

/// Reads one record. Repairs are told beside the row; a refused row has none.
pub(super) fn read_row(
    columns: &Columns,
    record: &StringRecord,
    defaults: Defaults,
) -> Result<(Row, Vec<Repair>), Refusal> {
    if record.len() != columns.width {
        return Err(Refusal::FieldCount {
            found: record.len(),
            expected: columns.width,
        });
    }
    let mut repairs = Vec::new();
    let (title, title_repair) = read_title(record, columns)?;
    let (author, author_repair) = read_author(record, columns)?;
    let (isbn, isbn_repair) =
        read_isbn(columns.isbn.iter().filter_map(|column| record.get(*column)));
    let identity = match &isbn {
        Some(isbn) => Identity::of_isbn(isbn),
        None => Identity::of_words(&title, &author),
    };
    let price = match read_price_cell(record, columns)? {
        Some(price) => price,
        None => defaults.price.unwrap_or_else(|| identity.derived_price()),
    };
    let stock = match first_filled(record, &columns.stock) {
        Some(text) => read_stock(text).map_err(|why| Refusal::BadStock {
            text: text.to_owned(),
            why,
        })?,
        None => defaults.stock,
    };
    let (description, description_repair) = read_description(record, columns)?;
    repairs.extend(
        [isbn_repair, title_repair, author_repair, description_repair]
            .into_iter()
            .flatten(),
    );
    Ok((
        Row {
            title,
            author,
            isbn,
            price,
            stock,
            description,
            identity,
        },
        repairs,
    ))
}

type Repaired = (String, Option<Repair>);

fn read_title(record: &StringRecord, columns: &Columns) -> Result<Repaired, Refusal> {
    let title = first_filled(record, &columns.title).ok_or(Refusal::Missing("title"))?;
    check_line("title", title)?;
    Ok(match shorten_title(title) {
        Some(short) => (
            short,
            Some(Repair::TitleShortened {
                chars: title.chars().count(),
            }),
        ),
        None => (title.to_owned(), None),
    })
}

fn read_author(record: &StringRecord, columns: &Columns) -> Result<Repaired, Refusal> {
    let author = first_filled(record, &columns.author).ok_or(Refusal::Missing("author"))?;
    check_line("author", author)?;
    Ok(match shorten_authors(author) {
        Some(now) => {
            let repair = Repair::AuthorsShortened {
                chars: author.chars().count(),
                now: now.clone(),
            };
            (now, Some(repair))
        }
        None => (author.to_owned(), None),
    })
}

fn read_description(record: &StringRecord, columns: &Columns) -> Result<Repaired, Refusal> {
    let description = first_filled(record, &columns.description).unwrap_or_default();
    let allowed = |c: char| !c.is_control() || matches!(c, '\t' | '\n' | '\r');
    if !description.chars().all(allowed) {
        return Err(Refusal::ControlCharacters("description"));
    }
    Ok(match shorten_description(description) {
        Some(short) => (
            short,
            Some(Repair::DescriptionShortened {
                bytes: description.len(),
            }),
        ),
        None => (description.to_owned(), None),
    })
}

fn read_price_cell(record: &StringRecord, columns: &Columns) -> Result<Option<Fen>, Refusal> {
    for (column, unit) in &columns.price {
        if let Some(text) = first_filled(record, &[*column]) {
            let refuse = |why| Refusal::BadPrice {
                text: text.to_owned(),
                why,
            };
            return read_price(text, *unit).map(Some).map_err(refuse);
        }
    }
    Ok(None)
}

/// The first of the cells that is not blank, trimmed.
fn first_filled<'a>(record: &'a StringRecord, columns: &[usize]) -> Option<&'a str> {
    let cells = columns.iter().filter_map(|column| record.get(*column));
    cells.map(str::trim).find(|cell| !cell.is_empty())
}

fn check_line(field: &'static str, text: &str) -> Result<(), Refusal> {
    if text.chars().any(char::is_control) {
        Err(Refusal::ControlCharacters(field))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULTS: Defaults = Defaults {
        price: None,
        stock: Quantity::new(100),
    };

    fn read(header: &[&str], cells: &[&str]) -> Result<(Row, Vec<Repair>), Refusal> {
        let columns = Columns::find(&StringRecord::from(header)).unwrap();
        read_row(&columns, &StringRecord::from(cells), DEFAULTS)
    }

    const HEADER: [&str; 6] = ["书名", "作者", "ISBN", "价格", "库存", "简介"];

    #[test]
    fn a_full_row_is_taken_as_it_stands() {
        let cells = [
            " 红楼梦 ",
            "曹雪芹",
            "9799990000015",
            "59.80",
            "30",
            "a\r\nb",
        ];
        let (row, repairs) = read(&HEADER, &cells).unwrap();
        assert_eq!(
            (row.title.as_str(), row.author.as_str()),
            ("红楼梦", "曹雪芹")
        );
        assert_eq!(
            (row.price.get(), row.stock.map(Quantity::get)),
            (5_980, Some(30))
        );
        assert_eq!(row.description, "a\r\nb");
        assert_eq!(
            (row.isbn.as_deref(), repairs),
            (Some("9799990000015"), vec![])
        );
    }

    #[test]
    fn what_a_row_lacks_comes_from_the_defaults() {
        let (row, repairs) = read(&HEADER, &["论语", "孔子", "", " ", "", ""]).unwrap();
        assert_eq!(
            row.price,
            Identity::of_words("论语", "孔子").derived_price()
        );
        assert_eq!(
            (row.stock, row.isbn, repairs),
            (DEFAULTS.stock, None, vec![])
        );
        let (row, _) = read(&HEADER, &["论语", "孔子", "", "0", "0", ""]).unwrap();
        assert_eq!((row.price, row.stock), (Fen::ZERO, None));
    }

    #[test]
    fn every_bad_cell_has_a_reason() {
        let bad = |text: &str, why| (text.to_owned(), why);
        let price = |(text, why)| Refusal::BadPrice { text, why };
        let stock = |(text, why)| Refusal::BadStock { text, why };
        let long = Refusal::FieldCount {
            found: 7,
            expected: 6,
        };
        let cases: [(&[&str], Refusal); 8] = [
            (&["", "孔子", "", "", "", ""], Refusal::Missing("title")),
            (&["论语", "　", "", "", "", ""], Refusal::Missing("author")),
            (
                &["论\n语", "孔子", "", "", "", ""],
                Refusal::ControlCharacters("title"),
            ),
            (
                &["论语", "孔\0子", "", "", "", ""],
                Refusal::ControlCharacters("author"),
            ),
            (
                &["论语", "孔子", "", "", "", "\u{7}"],
                Refusal::ControlCharacters("description"),
            ),
            (
                &["论语", "孔子", "", "-1", "", ""],
                price(bad("-1", "is negative")),
            ),
            (
                &["论语", "孔子", "", "", "x", ""],
                stock(bad("x", "is not a number")),
            ),
            (&["论语", "孔子", "", "", "", "", "?"], long),
        ];
        for (cells, expected) in cases {
            assert_eq!(read(&HEADER, cells).unwrap_err(), expected, "{cells:?}");
        }
    }

    #[test]
    fn the_original_title_stands_in_for_a_missing_one() {
        let header = ["original_title", "title", "authors"];
        assert_eq!(
            read(&header, &["Original", "Title", "A"]).unwrap().0.title,
            "Title"
        );
        assert_eq!(
            read(&header, &["Original", "", "A"]).unwrap().0.title,
            "Original"
        );
    }

    #[test]
    fn repairs_are_told() {
        let long_title = "书".repeat(201);
        let cells = [&long_title, "孔子", "439023483", "", "", ""];
        let (row, repairs) = read(&HEADER, &cells).unwrap();
        assert_eq!(row.isbn.as_deref(), Some("9780439023481"));
        let kinds: Vec<_> = repairs.iter().map(Repair::kind).collect();
        assert_eq!(
            kinds,
            [
                "ISBNs got their leading zeros back",
                "titles shortened to 200 characters"
            ]
        );
    }
}
