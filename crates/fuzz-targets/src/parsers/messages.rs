//! Bytes as messages: every request, most replies that one service reads from another, and the event.

use anyhow::ensure;
use api::{catalog, inventory, order, payment};
use prost::Message;

use super::Parser;

pub(super) const ALL: &[Parser] = &[Parser {
    name: "messages",
    read: messages,
    words: &[
        "\u{0}\n\u{6}\n\u{4}book",
        "\u{1}\u{8}\u{1}",
        "\u{9}\n\u{3}key\u{10}\u{1}\u{1a}\u{4}\u{8}\u{1}\u{10}\u{2}",
        "\u{10}\u{8}\u{1}\u{12}\u{4}\u{8}\u{1}\u{10}\u{2}\u{1a}\u{1}k",
        "\u{8}\u{7f}",
        "\n\u{1}",
        "\u{12}\u{0}",
    ],
}];

/// The first byte says which message the rest is.
fn messages(input: &[u8]) -> anyhow::Result<()> {
    let Some((which, bytes)) = input.split_first() else {
        return Ok(());
    };
    let readers = READERS;
    let at = usize::from(*which).checked_rem(readers.len()).unwrap_or(0);
    match readers.get(at) {
        Some(read) => read(bytes),
        None => Ok(()),
    }
}

type Reader = fn(&[u8]) -> anyhow::Result<()>;

const READERS: &[Reader] = &[
    decode::<catalog::v1::PublishBookRequest>,
    decode::<catalog::v1::GetBookRequest>,
    decode::<catalog::v1::ListBooksRequest>,
    decode::<catalog::v1::SearchBooksRequest>,
    decode::<catalog::v1::BatchGetBooksRequest>,
    decode::<catalog::v1::BatchGetBooksResponse>,
    decode::<catalog::v1::UpdateBookRequest>,
    decode::<catalog::v1::UnpublishBookRequest>,
    decode::<inventory::v1::RestockInventoryRequest>,
    decode::<inventory::v1::BatchDeductStockRequest>,
    decode::<inventory::v1::BatchDeductStockResponse>,
    decode::<inventory::v1::DeductBatchesRequest>,
    decode::<inventory::v1::DeductBatchesResponse>,
    decode::<inventory::v1::BatchReleaseStockResponse>,
    decode::<inventory::v1::CommitStockResponse>,
    decode::<inventory::v1::DeductStockRequest>,
    decode::<inventory::v1::ReleaseStockRequest>,
    decode::<inventory::v1::BatchGetStockRequest>,
    decode::<order::v1::CreateOrderRequest>,
    decode::<order::v1::ListOrdersRequest>,
    decode::<order::v1::ListOrdersResponse>,
    decode::<order::v1::PayOrderRequest>,
    decode::<order::v1::CancelOrderRequest>,
    decode::<payment::v1::PayRequest>,
    decode::<payment::v1::PayResponse>,
    decode::<payment::v1::GetPaymentStatusResponse>,
    decode::<payment::v1::RefundResponse>,
    decode::<payment::v1::PaymentEvent>,
    decode::<payment::v1::WatchPaymentsRequest>,
    decode::<inventory::v1::GetStockRequest>,
    decode::<inventory::v1::BatchReleaseStockRequest>,
    decode::<inventory::v1::CommitStockRequest>,
    decode::<order::v1::GetOrderRequest>,
    decode::<order::v1::ShipOrderRequest>,
    decode::<order::v1::CompleteOrderRequest>,
    decode::<payment::v1::RefundRequest>,
    decode::<payment::v1::GetPaymentStatusRequest>,
];

/// What is read is read again from what is written.
fn decode<M: Message + Default + PartialEq>(bytes: &[u8]) -> anyhow::Result<()> {
    if let Ok(message) = M::decode(bytes) {
        let written = message.encode_to_vec();
        ensure!(written.len() == message.encoded_len());
        ensure!(M::decode(&*written)? == message, "{bytes:?}");
    }
    Ok(())
}
