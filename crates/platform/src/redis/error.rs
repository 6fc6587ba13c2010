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
        if let Some(mistake) = crate::tls::explain(&error) {
            return Self::Lost(mistake);
        }
        let text = error.to_string();
        let mut line = text.lines().next().unwrap_or_default().to_owned();
        if error.code() == Some("NOAUTH") {
            "NOAUTH: the server wants a password, and the URL names none".clone_into(&mut line);
        } else if error.kind() == ErrorKind::AuthenticationFailed {
            "wrong user or password".clone_into(&mut line);
        } else if error.kind() == ErrorKind::Parse {
            line.insert_str(0, "what answers there is no Redis: ");
        } else if error.is_connection_refusal() {
            line.insert_str(0, "no server answers there: ");
        }
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
