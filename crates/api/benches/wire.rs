//! What it costs to encode and decode the messages that are sent most.

use api::catalog::v1::{BatchGetBooksResponse, Book, GetBookResponse};
use api::inventory::v1::{BatchDeductStockRequest, StockItem};
use api::order::v1::{CreateOrderItem, CreateOrderRequest, GetOrderResponse, Order, OrderItem};
use divan::Bencher;
use divan::counter::BytesCount;
use prost::Message;

fn main() {
    divan::main();
}

macro_rules! both_ways {
    ($($name:ident: $message:ty = $made:expr;)+) => {
        $(mod $name {
            use super::*;

            #[divan::bench]
            fn encode(bencher: Bencher<'_, '_>) {
                let message: $message = $made;
                bencher
                    .counter(BytesCount::new(message.encoded_len()))
                    .bench(|| message.encode_to_vec());
            }

            #[divan::bench]
            fn decode(bencher: Bencher<'_, '_>) {
                let message: $message = $made;
                let bytes = message.encode_to_vec();
                bencher
                    .counter(BytesCount::new(bytes.len()))
                    .bench(|| <$message>::decode(bytes.as_slice()).unwrap());
            }
        })+
    };
}

both_ways! {
    get_book_response: GetBookResponse = GetBookResponse {
        book: Some(book(1)),
        ..GetBookResponse::default()
    };
    batch_get_books_response_of_ten: BatchGetBooksResponse = BatchGetBooksResponse {
        books: (1..=10).map(book).collect(),
        ..BatchGetBooksResponse::default()
    };
    create_order_request: CreateOrderRequest = CreateOrderRequest {
        user_id: 17,
        items: [1, 2].map(|book_id| CreateOrderItem { book_id, quantity: 1 }).to_vec(),
        idempotency_key: "a-key-of-some-length".to_owned(),
    };
    batch_deduct_stock_request: BatchDeductStockRequest = BatchDeductStockRequest {
        idempotency_key: "ORD20261122134405000001".to_owned(),
        reference_id: 1,
        items: [1, 2].map(|book_id| StockItem { book_id, quantity: 1 }).to_vec(),
    };
    get_order_response: GetOrderResponse = GetOrderResponse {
        order: Some(order()),
        ..GetOrderResponse::default()
    };
}

fn book(id: u64) -> Book {
    Book {
        id,
        title: "分布式系统原理".to_owned(),
        author: "佚名".to_owned(),
        isbn: "978-7-00-000001-1".to_owned(),
        price: 12_800,
        description: "介绍微服务、事务与一致性。".repeat(8),
        created_at: 1_795_355_045,
        updated_at: 1_795_355_045,
        unpublished: false,
    }
}

fn order() -> Order {
    let item = |book_id| OrderItem {
        book_id,
        book_title: "分布式系统原理".to_owned(),
        quantity: 1,
        price: 12_800,
    };
    Order {
        id: 1,
        order_no: "ORD20261122134405000001".to_owned(),
        user_id: 17,
        total: 25_600,
        status: 1,
        items: vec![item(1), item(2)],
        created_at: 1_795_355_045,
        updated_at: 1_795_355_045,
        expire_at: 1_795_355_945,
        cancel_reason: String::new(),
    }
}
