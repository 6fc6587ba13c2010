//! Classes of errors, and the one way from a class to the wire.
//!
//! Every layer has an error enum of its own that carries data; each answers [`Classify::class`] by an
//! exhaustive match, so a new variant does not compile until someone has decided what callers hear.
//! Nobody but this module and [`crate::server`] builds a [`tonic::Status`] for a failed call.

use std::time::Duration;

use tonic::{Code as GrpcCode, Status};
use tonic_types::{ErrorDetails, StatusExt};
use types::{Code, Violation, Violations};

use crate::config::ConfigError;
use crate::context::CallContext;
use crate::random;

/// What an error means to the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Class {
    /// A business refusal: gRPC OK, with `code` and `message` in the reply.
    Refused(Code),
    /// The caller's request is wrong: `INVALID_ARGUMENT` that names each field.
    Malformed(Violations),
    /// Something needed is down or busy; nothing happened: `UNAVAILABLE` with `RetryInfo`.
    Unavailable,
    /// The deadline passed before anything happened: `DEADLINE_EXCEEDED`.
    TooLate,
    /// It may have happened: ask again under the same key, never assume.
    OutcomeUnknown {
        /// Whether it was the deadline that ended the wait.
        late: bool,
    },
    /// A bug of this program: `INTERNAL` with an id for the log, and no details.
    Bug,
}

/// An error that knows its class.
pub trait Classify: std::error::Error {
    /// What the error means to the caller.
    fn class(&self) -> Class;
}

/// Whether sending this very request again can do harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// A read, a call under a key that was given, or one idempotent by nature.
    Safe,
    /// A repeat could have an effect of its own.
    Unsafe,
}

/// How long a client should wait before it asks again.
const RETRY_AFTER: Duration = Duration::from_millis(200);
/// The same under overload: a random wait between the two, so that callers do not come back all at once.
/// Refusing a call costs processor time too, and a caller that comes back soon is refused again.
const RETRY_SHED_AFTER: (Duration, Duration) =
    (Duration::from_millis(500), Duration::from_millis(1500));

/// Marks a status that is INTERNAL on purpose: any other INTERNAL was made by the transport out of
/// what a caller sent, see [`crate::server`].
pub(crate) const ERROR_ID: &str = "x-error-id";

/// How many bytes of violations go into the details of a status, and into its message.
const DETAILS_LEN_MAX: usize = 3600;
const TEXT_LEN_MAX: usize = 600;

/// Turns the result of a use case into what goes on the wire, and logs a failure of this side, once.
pub fn respond<R: api::Reply>(
    context: &CallContext,
    repeat: Repeat,
    result: Result<R, impl Classify>,
) -> Result<tonic::Response<R>, Status> {
    match result {
        Ok(reply) => Ok(tonic::Response::new(reply)),
        Err(error) => match error.class() {
            Class::Refused(code) => {
                let text = api::message(code, context.locale);
                Ok(tonic::Response::new(R::refused(code.number(), text)))
            }
            class => Err(failure(repeat, &error, class)),
        },
    }
}

/// The status of a failed call that has no reply to put a code into: a stream.
pub fn status(repeat: Repeat, error: &impl Classify) -> Status {
    failure(repeat, error, error.class())
}

fn failure(repeat: Repeat, error: &impl Classify, class: Class) -> Status {
    match class {
        // A stream has no reply that could carry a code; its methods refuse nothing.
        Class::Refused(_) | Class::Bug => bug(error),
        Class::Malformed(violations) => malformed(&violations),
        Class::Unavailable => {
            tracing::warn!(error = %chain(error), "unavailable");
            let text = "the service is not available just now; nothing happened";
            unavailable_for(text, RETRY_AFTER)
        }
        Class::TooLate => Status::deadline_exceeded("the deadline passed; nothing happened"),
        Class::OutcomeUnknown { late: true } => {
            tracing::warn!(error = %chain(error), "outcome unknown at the deadline");
            Status::deadline_exceeded("the deadline passed; the outcome is not known")
        }
        Class::OutcomeUnknown { late: false } => {
            tracing::warn!(error = %chain(error), "outcome unknown");
            if repeat == Repeat::Safe {
                unavailable_for("the outcome is not known; ask again", RETRY_AFTER)
            } else {
                let text = "the outcome is not known; read what happened before you repeat";
                Status::unavailable(text)
            }
        }
    }
}

/// `INVALID_ARGUMENT` whose details name each bad field, and whose text names the first few.
///
/// All of it travels in headers. Many clients accept 8 KB of those and report something else beyond that, so
/// of very many bad fields the first eighty or so are named.
pub(crate) fn malformed(violations: &Violations) -> Status {
    let mut details = ErrorDetails::new();
    let (mut details_len, mut text, mut told) = (0, String::new(), 0);
    for Violation { field, description } in violations.iter() {
        let len = field.len() + description.len();
        details_len += len;
        if details_len > DETAILS_LEN_MAX {
            break;
        }
        details.add_bad_request_violation(field, description);
        if text.len() + len <= TEXT_LEN_MAX {
            let gap = if text.is_empty() { "" } else { "; " };
            text.extend([gap, field, " ", description]);
            told += 1;
        }
    }
    let untold = violations.iter().count() - told;
    if untold > 0 {
        text = format!("{text}; and {untold} more");
    }
    Status::with_error_details(GrpcCode::InvalidArgument, text, details)
}

/// The status of a call that is shed before any work.
pub(crate) fn shed() -> Status {
    busy("too many calls at once; nothing happened")
}

/// `UNAVAILABLE` for lack of room, with a random wait so that callers do not come back all at once.
pub(crate) fn busy(text: &str) -> Status {
    let (shortest, longest) = RETRY_SHED_AFTER;
    unavailable_for(text, random::wait_between(shortest, longest))
}

/// `UNAVAILABLE`, and how long to wait before a retry, which is safe.
fn unavailable_for(text: &str, wait: Duration) -> Status {
    let details = ErrorDetails::with_retry_info(Some(wait));
    Status::with_error_details(GrpcCode::Unavailable, text, details)
}

/// `INTERNAL` with an id to find the log line by.
pub(crate) fn bug(error: &(impl std::error::Error + ?Sized)) -> Status {
    let id = format!("{:016x}", random::number());
    tracing::error!(error.id = id, error = %chain(error), "internal error");
    metrics::counter!("bookstore_internal_errors_total").increment(1);
    let mut status = Status::internal(format!("internal error {id}"));
    if let Ok(id) = id.parse() {
        status.metadata_mut().insert(ERROR_ID, id);
    }
    status
}

/// An error with all its sources, in one line.
fn chain(error: &(impl std::error::Error + ?Sized)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// What stops the program from starting: one clear line, exit code 2.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A configuration value that cannot be used.
    #[error("configuration: {key}: {reason}")]
    Config {
        /// The path of the key, as in the file: `order.database`.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A database out of reach, or not as it must be.
    #[error("{service}.database")]
    Database {
        /// The service whose database it is.
        service: &'static str,
        /// What the database said.
        source: crate::db::DbError,
    },
    /// A port that cannot be listened on.
    #[error("{key}: cannot listen on {address}")]
    Port {
        /// The path of the key, as in the file: `order.listen`.
        key: String,
        /// The address that was asked for.
        address: std::net::SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
}

impl From<ConfigError> for StartError {
    fn from(mistake: ConfigError) -> Self {
        Self::Config {
            key: mistake.place,
            reason: mistake.reason,
        }
    }
}

#[cfg(test)]
mod tests {
    use tonic_types::StatusExt;

    use super::*;

    fn wrong(count: usize) -> Violations {
        let mut violations = Violations::default();
        for at in 0..count {
            violations.add(
                format!("items[{at}].quantity"),
                "must be between 1 and 9999",
            );
        }
        violations
    }

    #[test]
    fn every_bad_field_is_named_as_long_as_clients_can_read_the_answer() {
        for count in [1, 5, 50, 100, 5_000] {
            let violations = wrong(count);
            let status = malformed(&violations);
            let named = status.get_details_bad_request().unwrap().field_violations;
            let fields: Vec<_> = named.iter().map(|one| one.field.as_str()).collect();
            let all: Vec<_> = violations.fields().take(fields.len()).collect();
            assert_eq!(fields, all);
            assert!(fields.len() == count.min(fields.len().max(75)), "{count}");
            // Details travel as base64.
            let len = status.message().len() + status.details().len().div_ceil(3) * 4;
            assert!(len < 7_000, "{count}: {len} bytes");
        }
        assert_eq!(
            malformed(&wrong(2)).message(),
            "items[0].quantity must be between 1 and 9999; items[1].quantity must be between 1 and 9999"
        );
        assert!(malformed(&wrong(500)).message().ends_with(" more"));
    }
}
