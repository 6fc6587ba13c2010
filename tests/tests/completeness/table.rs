//! The shape of the table, and which codes each method can answer by the promises in proto/.

use bookstore_e2e::Clients;
use futures::future::BoxFuture;

/// What is proved of a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Aspect {
    /// It does what it says.
    Success,
    /// It answers this business code, with its text in both languages.
    Code(i32),
    /// It names what is wrong with a request.
    BadInput,
    /// The same request again answers the same, or changes nothing.
    Repeat,
}

/// One proof, run against a system that others use at the same time.
pub(crate) struct Cell {
    pub(crate) method: &'static str,
    pub(crate) aspect: Aspect,
    pub(crate) prove: Box<dyn FnOnce(Clients) -> BoxFuture<'static, anyhow::Result<()>> + Send>,
}

/// Makes a cell out of an async function.
pub(crate) fn cell<F>(method: &'static str, aspect: Aspect, prove: fn(Clients) -> F) -> Cell
where
    F: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    Cell {
        method,
        aspect,
        prove: Box::new(move |clients| Box::pin(prove(clients))),
    }
}

/// The codes that each method can answer besides 0.
pub(crate) const CODES: &[(&str, &[i32])] = &[
    ("PublishBook", &[40903]),
    ("GetBook", &[40400]),
    ("UpdateBook", &[40400, 40903]),
    ("UnpublishBook", &[40400]),
    ("RestockInventory", &[40901]),
    ("GetStock", &[40402]),
    ("DeductStock", &[40100, 40901, 40904]),
    ("ReleaseStock", &[40402, 40901, 40902]),
    ("BatchDeductStock", &[40100, 40901, 40904]),
    ("DeductBatches", &[40100, 40901, 40904]),
    ("BatchReleaseStock", &[40901]),
    ("CommitStock", &[40901]),
    ("CreateOrder", &[40100, 40400, 40901, 50002]),
    ("GetOrder", &[40401]),
    ("PayOrder", &[1, 40401, 40900]),
    ("CancelOrder", &[40401, 40900]),
    ("ShipOrder", &[40401, 40900]),
    ("CompleteOrder", &[40401, 40900]),
    ("Pay", &[1]),
    ("GetPaymentStatus", &[1]),
    ("Refund", &[1]),
];

/// One more than the largest id.
pub(crate) const ID_TOO_LARGE: u64 = (1 << 53) + 1;

/// A key that is one byte too long.
pub(crate) fn key_too_long() -> String {
    "k".repeat(65)
}
