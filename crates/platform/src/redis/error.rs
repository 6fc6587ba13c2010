use redis::ErrorKind;

/// Answers that tell of the server's state and not of the command: it will not do better before that
/// state has changed.
const STATE_CODES: [&str; 11] = [
    "BUSY",
    "CLUSTERDOWN",
    "LOADING",
    "MASTERDOWN",
    "MISCONF",
    "NOAUTH",
    "NOREPLICAS",
    "OOM",
    "READONLY",
    "TRYAGAIN",
    "WRONGPASS",
];

/// Why Redis did not do what it was asked. Whether it did it all the same is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RedisError {
    /// Not asked: the server failed a moment ago and was not reached since.
    #[error("Redis failed a moment ago and is left alone")]
    Resting,
    /// Out of reach, too slow, or in no state to serve.
    #[error("{0}")]
    Lost(String),
    /// The server is well and refuses this command.
    #[error("Redis refused: {0}")]
    Refused(String),
}

impl RedisError {
    /// What the metric calls it.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Resting => "resting",
            Self::Lost(_) => "lost",
            Self::Refused(_) => "refused",
        }
    }
}

impl From<redis::RedisError> for RedisError {
    fn from(error: redis::RedisError) -> Self {
        let text = error.to_string();
        let line = text.lines().next().unwrap_or_default().to_owned();
        let in_no_state = error.code().is_some_and(|code| STATE_CODES.contains(&code));
        let cut_off = error.is_unrecoverable_error()
            || matches!(
                error.kind(),
                ErrorKind::Io | ErrorKind::Parse | ErrorKind::AuthenticationFailed
            );
        if in_no_state || cut_off {
            Self::Lost(line)
        } else {
            Self::Refused(line)
        }
    }
}
