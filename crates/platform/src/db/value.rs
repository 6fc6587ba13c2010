use types::{
    BookId, Fen, Fingerprint, IdempotencyKey, OrderId, OrderNo, PaymentNo, Quantity, UnixMillis,
    UserId,
};

use super::DbError;

/// A value that goes into a statement or comes out of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// No value.
    Null,
    /// A whole number; flags are 0 and 1.
    Int(i64),
    /// Text.
    Text(String),
    /// Bytes: idempotency keys and fingerprints, which compare byte for byte.
    Bytes(Vec<u8>),
    /// A moment, in milliseconds; `DATETIME(3)` in the schema.
    Time(UnixMillis),
}

macro_rules! value_from {
    ($($type:ty, $name:ident => $value:expr;)+) => {
        $(impl From<$type> for Value {
            fn from($name: $type) -> Self {
                $value
            }
        })+
    };
}

value_from! {
    i64, number => Self::Int(number);
    i32, number => Self::Int(number.into());
    u32, number => Self::Int(number.into());
    bool, flag => Self::Int(flag.into());
    String, text => Self::Text(text);
    &str, text => Self::Text(text.to_owned());
    Vec<u8>, bytes => Self::Bytes(bytes);
    &[u8], bytes => Self::Bytes(bytes.to_vec());
    UnixMillis, moment => Self::Time(moment);
    BookId, id => Self::Int(id.as_i64());
    OrderId, id => Self::Int(id.as_i64());
    UserId, id => Self::Int(id.as_i64());
    Fen, money => Self::Int(money.get());
    Quantity, copies => Self::Int(copies.get().into());
    &OrderNo, number => Self::Text(number.as_str().to_owned());
    &PaymentNo, number => Self::Text(number.as_str().to_owned());
    &IdempotencyKey, key => Self::Bytes(key.as_str().as_bytes().to_vec());
    Fingerprint, fingerprint => Self::Bytes(fingerprint.as_bytes().to_vec());
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// The arguments of a statement, each turned into a [`Value`](crate::db::Value).
#[macro_export]
macro_rules! args {
    ($($value:expr),* $(,)?) => {
        vec![$($crate::db::Value::from($value)),*]
    };
}

/// One row of an answer; columns are read by position, as the statement lists them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row(Vec<Value>);

impl Row {
    pub(super) const fn new(values: Vec<Value>) -> Self {
        Self(values)
    }

    fn at(&self, column: usize) -> &Value {
        self.0.get(column).unwrap_or(&Value::Null)
    }

    fn wrong(&self, column: usize, wanted: &str) -> DbError {
        DbError::Corrupt(format!(
            "column {column} of {} is not {wanted}",
            self.0.len()
        ))
    }

    /// A whole number, or `None` where the column is NULL.
    pub fn opt_int(&self, column: usize) -> Result<Option<i64>, DbError> {
        match self.at(column) {
            Value::Null => Ok(None),
            Value::Int(number) => Ok(Some(*number)),
            // MySQL answers sums as decimals, which arrive as text.
            Value::Text(digits) => digits
                .parse()
                .map(Some)
                .map_err(|_| self.wrong(column, "a number")),
            Value::Bytes(_) | Value::Time(_) => Err(self.wrong(column, "a number")),
        }
    }

    /// A whole number.
    pub fn int(&self, column: usize) -> Result<i64, DbError> {
        self.opt_int(column)?
            .ok_or_else(|| self.wrong(column, "a number"))
    }

    /// A whole number that fits 32 bits.
    pub fn int32(&self, column: usize) -> Result<i32, DbError> {
        i32::try_from(self.int(column)?).map_err(|_| self.wrong(column, "a 32-bit number"))
    }

    /// A flag: 0 or 1.
    pub fn flag(&self, column: usize) -> Result<bool, DbError> {
        Ok(self.int(column)? != 0)
    }

    /// Text, or `None` where the column is NULL.
    pub fn opt_text(&self, column: usize) -> Result<Option<String>, DbError> {
        match self.at(column) {
            Value::Null => Ok(None),
            Value::Text(text) => Ok(Some(text.clone())),
            Value::Int(_) | Value::Bytes(_) | Value::Time(_) => Err(self.wrong(column, "text")),
        }
    }

    /// Text.
    pub fn text(&self, column: usize) -> Result<String, DbError> {
        self.opt_text(column)?
            .ok_or_else(|| self.wrong(column, "text"))
    }

    /// Bytes, or `None` where the column is NULL.
    pub fn opt_bytes(&self, column: usize) -> Result<Option<Vec<u8>>, DbError> {
        match self.at(column) {
            Value::Null => Ok(None),
            Value::Bytes(bytes) => Ok(Some(bytes.clone())),
            Value::Int(_) | Value::Text(_) | Value::Time(_) => Err(self.wrong(column, "bytes")),
        }
    }

    /// Bytes.
    pub fn bytes(&self, column: usize) -> Result<Vec<u8>, DbError> {
        self.opt_bytes(column)?
            .ok_or_else(|| self.wrong(column, "bytes"))
    }

    /// A moment.
    pub fn time(&self, column: usize) -> Result<UnixMillis, DbError> {
        match self.at(column) {
            Value::Time(moment) => Ok(*moment),
            Value::Int(millis) => Ok(UnixMillis::new(*millis)),
            Value::Null | Value::Text(_) | Value::Bytes(_) => Err(self.wrong(column, "a moment")),
        }
    }

    /// A moment, or `None` where the column is NULL.
    pub fn opt_time(&self, column: usize) -> Result<Option<UnixMillis>, DbError> {
        if *self.at(column) == Value::Null {
            Ok(None)
        } else {
            self.time(column).map(Some)
        }
    }
}
