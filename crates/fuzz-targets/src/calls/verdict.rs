//! What every call must keep, whatever was sent.

use anyhow::{bail, ensure};
use tonic::Code;

use super::raw::{Answer, call};
use super::schema::{Method, Schema};
use super::worlds::World;
use crate::wire::{Value, read, varint_of};

/// What an answer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    /// Done.
    Yes,
    /// A business no.
    No(u64),
    /// A bad request.
    Malformed,
}

/// Makes one call and holds it against the promises:
///
/// - the status is OK or `INVALID_ARGUMENT`: nothing else is the caller's doing;
/// - a bad request, a refusal or a read has changed nothing; only a refused charge is written down;
/// - what promises to be idempotent changes nothing the second time, and a key hears its first
///   answer.
///
/// Answers whether anything has changed.
pub(super) async fn call_and_judge(
    world: &mut dyn World,
    schema: &Schema,
    method: &Method,
    message: &[u8],
) -> anyhow::Result<bool> {
    world.remember();
    let transport = world.transport();
    let answer = call(&transport, &method.path, message).await?;
    let said = said(schema, method, &answer)?;
    world.settle().await?;
    let changed = world.has_changed();
    if changed {
        ensure!(
            may_change(method, said),
            "{} says {said:?} and changes something",
            method.name
        );
    }
    if said == Said::Yes && changed && is_repeatable(schema, method, message) {
        world.remember();
        let again = call(&transport, &method.path, message).await?;
        world.settle().await?;
        ensure!(
            !world.has_changed(),
            "{} changes something the second time",
            method.name
        );
        ensure!(
            !has_key(schema, method, message) || again.message == answer.message,
            "{}: a key hears {again:?} after {answer:?}",
            method.name
        );
    }
    Ok(changed)
}

fn said(schema: &Schema, method: &Method, answer: &Answer) -> anyhow::Result<Said> {
    match answer.code {
        Some(Code::Ok) => {
            let code = schema.reply_field(method, "code");
            Ok(
                match code.map_or(0, |code| varint_of(&answer.message, code)) {
                    0 => Said::Yes,
                    code => Said::No(code),
                },
            )
        }
        Some(Code::InvalidArgument) => Ok(Said::Malformed),
        _ => bail!("{}: {answer:?}: {}", method.name, answer.words),
    }
}

fn may_change(method: &Method, said: Said) -> bool {
    const READS: [&str; 5] = ["Get", "List", "Search", "BatchGet", "Watch"];
    match said {
        // A charge that was refused is written down: it may be tried again under another number.
        Said::No(1) => matches!(method.name.as_str(), "Pay" | "PayOrder"),
        Said::No(_) | Said::Malformed => false,
        Said::Yes => !READS.iter().any(|read| method.name.starts_with(read)),
    }
}

/// Whether the call says of itself that a second one changes nothing.
fn is_repeatable(schema: &Schema, method: &Method, message: &[u8]) -> bool {
    const BY_NATURE: [&str; 7] = [
        "UnpublishBook",
        "Pay",
        "Refund",
        "PayOrder",
        "CancelOrder",
        "ShipOrder",
        "CompleteOrder",
    ];
    has_key(schema, method, message) || BY_NATURE.contains(&method.name.as_str())
}

fn has_key(schema: &Schema, method: &Method, message: &[u8]) -> bool {
    let Some(number) = schema.request_field(method, "idempotency_key") else {
        return false;
    };
    let fields = read(message).unwrap_or_default();
    let key = fields.iter().rfind(|field| field.number == number);
    matches!(key.map(|field| &field.value), Some(Value::Bytes(key)) if !key.is_empty())
}
