//! Files of books.

use anyhow::{Context, ensure};
use bookstore::{CsvBook, read_csv};
use catalog::domain::Draft;
use types::{IsbnRepair, Violations, repair_isbn};

use super::Parser;

pub(super) const ALL: &[Parser] = &[Parser {
    name: "csv_import",
    read: csv_import,
    words: &[
        "title,author,isbn,price,stock,description\n",
        "书名,作者,ISBN,定价（元）,库存,简介\n",
        "\u{feff}Book_Title,\"Author(s)\",price_fen\n",
        "三体,刘慈欣,9787536692930,23.00,10,\"a\nb\"\n",
        "Go微服务实战,\"A; B & C\",439023483,￥49元,5本,\n",
        "a,b,,1e3,,\n",
        "a,b,,12,345.00,-1,\n",
        "\"",
        "\"\"",
        ",",
        "\n",
        "\r\n",
        "\0",
        "\u{3000}",
        "9",
        ".",
        "分",
        "fen",
        "￥",
        ";",
        "\u{ff11}",
    ],
}];

fn csv_import(input: &[u8]) -> anyhow::Result<()> {
    let Ok(books) = read_csv(input) else {
        return Ok(());
    };
    let mut last_line = 1;
    for book in &books {
        ensure!(
            book.line > last_line,
            "line {} after {last_line}",
            book.line
        );
        last_line = book.line;
        check_book(book).with_context(|| format!("{book:?}"))?;
    }
    Ok(())
}

/// What is read as a book is one that the catalog and the inventory take.
fn check_book(book: &CsvBook) -> anyhow::Result<()> {
    let isbn = book.isbn.as_deref().unwrap_or_default();
    let draft = Draft {
        title: &book.title,
        author: &book.author,
        isbn,
        price: book.price_fen,
        description: &book.description,
    };
    let mut wrong = Violations::default();
    let details = draft.check(&mut wrong);
    ensure!(wrong.is_empty(), "the catalog would refuse it: {wrong:?}");
    ensure!(
        details.title == book.title && details.author == book.author,
        "is not trimmed"
    );
    ensure!(isbn.is_empty() || repair_isbn(isbn) == IsbnRepair::Valid(isbn.to_owned()));
    ensure!(book.copies >= 0);
    Ok(())
}
