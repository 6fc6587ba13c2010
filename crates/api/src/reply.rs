use std::fmt;

/// An answer that carries a business outcome: every response message with `code` and `message`.
///
/// An answer that says nothing else (`R::default()`) is a success: code 0, no message.
pub trait Reply: fmt::Debug + Clone + PartialEq + Default + Send + Sync + 'static {
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prost::Message;
    use prost_types::{DescriptorProto, FileDescriptorSet};

    use super::Reply;
    use crate::rpc::RPCS;
    use crate::{inventory, payment};

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
                    in_protos.insert(format!(".{}.{}", file.package(), message.name()));
                }
            }
        }
        let replies = RPCS.iter().map(|[.., reply]| (*reply).to_owned()).collect();
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
