//! Takes in the generated code; written by `tests/generated.rs`, never by hand.
#![allow(
    missing_docs,
    unused_qualifications,
    clippy::all,
    clippy::pedantic,
    clippy::as_conversions,
    clippy::allow_attributes_without_reason,
    clippy::let_underscore_must_use,
    reason = "generated code: its style is its generator's"
)]

/// The descriptors of all four services and of what they import, as an encoded
/// `google.protobuf.FileDescriptorSet` without comments: what server reflection answers from.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("gen/descriptor.bin");

/// Books: publish and find them.
pub mod catalog {
    /// Version 1 of the catalog's contract.
    pub mod v1 {
        include!("gen/catalog.v1.rs");
    }
}

/// Stock: restock, deduct, release, commit.
pub mod inventory {
    /// Version 1 of the inventory's contract.
    pub mod v1 {
        include!("gen/inventory.v1.rs");
    }
}

/// Orders: create, pay, cancel, ship, complete.
pub mod order {
    /// Version 1 of the orders' contract.
    pub mod v1 {
        include!("gen/order.v1.rs");
    }
}

/// Payments: charge, refund, and the feed of what was settled.
pub mod payment {
    /// Version 1 of the payments' contract.
    pub mod v1 {
        include!("gen/payment.v1.rs");
    }
}
