use crate::{catalog, inventory, order, payment};

/// An answer that carries a business outcome: every response message with `code` and `message`.
///
/// An answer that says nothing else (`R::default()`) is a success: code 0, no message.
pub trait Reply: Default + Send + 'static {
    /// Makes the answer of a business "no": `code` is never 0, `message` is for people.
    ///
    /// Fields beside these two keep their zero values; a method that answers more with its
    /// refusal (`remaining_quantity`, `failed_book_id`, `refund_no`) sets it afterwards.
    fn refused(code: i32, message: String) -> Self;

    /// Replaces the message, as the successes of payment need it.
    #[must_use]
    fn with_message(self, message: String) -> Self;

    /// The business code: 0 where it was done.
    fn code(&self) -> i32;

    /// The text for people, in the caller's language; empty on most successes.
    fn message(&self) -> &str;
}

macro_rules! reply {
    ($($response:path),+ $(,)?) => {
        $(
            impl Reply for $response {
                fn refused(code: i32, message: String) -> Self {
                    let mut reply = Self::default();
                    reply.code = code;
                    reply.message = message;
                    reply
                }

                fn with_message(mut self, message: String) -> Self {
                    self.message = message;
                    self
                }

                fn code(&self) -> i32 {
                    self.code
                }

                fn message(&self) -> &str {
                    &self.message
                }
            }
        )+

        /// The messages above, for the test that none is missing.
        #[cfg(test)]
        const REPLIES: &[&str] = &[$(stringify!($response)),+];
    };
}

reply! {
    catalog::v1::PublishBookResponse,
    catalog::v1::GetBookResponse,
    catalog::v1::ListBooksResponse,
    catalog::v1::SearchBooksResponse,
    catalog::v1::BatchGetBooksResponse,
    catalog::v1::UpdateBookResponse,
    catalog::v1::UnpublishBookResponse,
    inventory::v1::RestockInventoryResponse,
    inventory::v1::GetStockResponse,
    inventory::v1::BatchGetStockResponse,
    inventory::v1::DeductStockResponse,
    inventory::v1::ReleaseStockResponse,
    inventory::v1::BatchDeductStockResponse,
    inventory::v1::DeductBatchesResponse,
    inventory::v1::BatchReleaseStockResponse,
    inventory::v1::CommitStockResponse,
    order::v1::CreateOrderResponse,
    order::v1::GetOrderResponse,
    order::v1::ListOrdersResponse,
    order::v1::PayOrderResponse,
    order::v1::CancelOrderResponse,
    order::v1::ShipOrderResponse,
    order::v1::CompleteOrderResponse,
    payment::v1::PayResponse,
    payment::v1::GetPaymentStatusResponse,
    payment::v1::RefundResponse,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prost::Message;
    use prost_types::{DescriptorProto, FileDescriptorSet};

    use super::*;

    #[test]
    fn every_message_with_code_and_message_is_a_reply() {
        let has = |message: &DescriptorProto, name: &str| {
            message.field.iter().any(|field| field.name() == name)
        };
        let set = FileDescriptorSet::decode(crate::FILE_DESCRIPTOR_SET).unwrap();
        let mut in_protos = BTreeSet::new();
        for file in &set.file {
            for message in &file.message_type {
                if has(message, "code") && has(message, "message") {
                    in_protos.insert(format!("{}.{}", file.package(), message.name()));
                }
            }
        }
        let replies = REPLIES.iter().map(|path| path.replace("::", ".")).collect();
        assert_eq!(in_protos, replies);
    }

    #[test]
    fn a_refusal_carries_its_code_and_message_and_nothing_else() {
        let reply = inventory::v1::DeductStockResponse::refused(40100, "no".to_owned());
        assert_eq!(
            (reply.code(), reply.message(), reply.remaining_quantity),
            (40100, "no", 0)
        );
        let paid = payment::v1::PayResponse::default().with_message("paid".to_owned());
        assert_eq!((paid.code(), paid.message()), (0, "paid"));
    }
}
