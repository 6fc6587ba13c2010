//! Books: published, and read back.

use api::catalog::v1::{BatchGetBooksRequest, Book, GetBookRequest, PublishBookRequest};

use super::{Books, GO_PRICE_FEN, SYSTEMS_PRICE_FEN};
use crate::demo::claim::{done, equal};
use crate::demo::narration::Line;
use crate::demo::stage::{Stage, Stop};

/// Publishes the two books that the stories are about.
pub(in crate::demo) async fn play(stage: &mut Stage) -> Result<Books, Stop> {
    // Neither ids nor ISBNs of our own: both may be taken where the system is not fresh.
    let go = publish(
        stage,
        "Go微服务实战",
        "张三",
        GO_PRICE_FEN,
        Line::PriceInFen,
    )
    .await?;
    let systems = publish(
        stage,
        "分布式系统原理",
        "李四",
        SYSTEMS_PRICE_FEN,
        Line::IdGenerated,
    )
    .await?;
    let books = Books { go, systems };
    read_back(stage, books).await?;
    Ok(books)
}

async fn publish(
    stage: &mut Stage,
    title: &str,
    author: &str,
    price: i64,
    why: Line,
) -> Result<u64, Stop> {
    let (title, author) = (title.to_owned(), author.to_owned());
    let book = Book {
        title,
        author,
        price,
        ..Book::default()
    };
    let published = stage.call(PublishBookRequest { book: Some(book) }).await?;
    let has_id = equal("book_id > 0", published.book_id > 0, true);
    stage.answer(&published, &[done(&published), has_id], why)?;
    Ok(published.book_id)
}

async fn read_back(stage: &mut Stage, books: Books) -> Result<(), Stop> {
    let found = stage.call(GetBookRequest { book_id: books.go }).await?;
    let price = equal(
        "price",
        found.book.as_ref().map(|book| book.price),
        Some(GO_PRICE_FEN),
    );
    stage.answer(&found, &[done(&found), price], Line::Nothing)?;

    let book_ids = vec![books.systems, books.go];
    let batch = stage
        .call(BatchGetBooksRequest {
            book_ids: book_ids.clone(),
        })
        .await?;
    let ids = batch.books.iter().map(|book| book.id).collect();
    stage.answer(
        &batch,
        &[done(&batch), equal("ids", ids, book_ids)],
        Line::OrderAsked,
    )
}
