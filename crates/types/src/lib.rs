//! The vocabulary of the domain, as types that cannot hold a wrong value.
//!
//! Owns: money, quantities, ids, order and payment numbers, idempotency keys, fingerprints, ISBNs,
//! statuses, business codes, and the way a malformed request is described.
//! Never does: I/O, async, SQL, reading a clock. Everything here is a plain value.
//!
//! Start reading at [`Code`] (every business answer) and [`Violations`] (every bad request).

mod code;
mod fingerprint;
mod ids;
mod isbn;
mod key;
mod locale;
mod money;
mod numbers;
mod page;
mod quantity;
mod status;
mod text;
mod time;
mod violation;

pub use code::Code;
pub use fingerprint::{Fingerprint, Fingerprinter};
pub use ids::{BookId, ID_MAX, OrderId, UserId};
pub use isbn::{Isbn, IsbnRepair, repair_isbn};
pub use key::{IdempotencyKey, KEY_BYTES_MAX};
pub use locale::Locale;
pub use money::{AMOUNT_FEN_MAX, Fen, PRICE_FEN_MAX};
pub use numbers::{OrderNo, PaymentNo, RefundNo};
pub use page::{PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX, Page};
pub use quantity::Quantity;
pub use status::{OrderStatus, PaymentStatus};
pub use text::{TextRule, checked_text};
pub use time::UnixMillis;
pub use violation::{Violation, Violations};
