use redis::ErrorKind;

/// Error codes that are about the server's state and not about the command: no call succeeds before that
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

/// Why a Redis call failed. Whether the command was carried out all the same is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RedisError {
    /// Not sent: the server failed a moment ago and has not been reached since.
    #[error("Redis failed a moment ago and is left alone")]
    Resting,
    /// Out of reach, too slow, or in no state to serve.
    #[error("{0}")]
    Lost(String),
    /// The server is healthy and refuses this command.
    #[error("Redis refused: {0}")]
    Refused(String),
}

impl RedisError {
    /// Its label in the metric.
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
