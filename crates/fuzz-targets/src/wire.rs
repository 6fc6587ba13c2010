//! Protobuf as fields, without a schema: read, changed, written.

use rand::rngs::SmallRng;
use rand::{Rng, RngExt};

use crate::mutate;

/// One field of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) number: u64,
    pub(crate) value: Value,
}

/// What a field holds, by its wire type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Varint(u64),
    Eight([u8; 8]),
    Bytes(Vec<u8>),
    Four([u8; 4]),
}

/// Numbers at the edges of what is checked.
const EDGES: [u64; 22] = [
    0,
    1,
    2,
    3,
    5,
    20,
    99,
    100,
    101,
    500,
    501,
    9_999,
    10_000,
    (1 << 31) - 1,
    1 << 31,
    1 << 32,
    1 << 53,
    (1 << 53) + 1,
    1_000_000_000_000_001,
    (1 << 63) - 1,
    1 << 63,
    u64::MAX,
];

/// A number as callers send it: mostly small, at times at an edge, at times anything.
pub(crate) fn number(rng: &mut SmallRng) -> u64 {
    match rng.random_range(0..10_u8) {
        0..=6 => rng.random_range(0..8),
        7 | 8 => mutate::pick(rng, &EDGES).copied().unwrap_or_default(),
        _ => rng.next_u64(),
    }
}

/// Reads the fields of a message; `None` where it is none.
pub(crate) fn read(mut bytes: &[u8]) -> Option<Vec<Field>> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let tag = read_varint(&mut bytes)?;
        let value = match tag & 7 {
            0 => Value::Varint(read_varint(&mut bytes)?),
            1 => Value::Eight(*take_array(&mut bytes)?),
            2 => {
                let len = usize::try_from(read_varint(&mut bytes)?).ok()?;
                let (content, rest) = bytes.split_at_checked(len)?;
                bytes = rest;
                Value::Bytes(content.to_vec())
            }
            5 => Value::Four(*take_array(&mut bytes)?),
            _ => return None,
        };
        fields.push(Field {
            number: tag >> 3,
            value,
        });
    }
    Some(fields)
}

/// Appends fields to a message.
pub(crate) fn write(fields: &[Field], message: &mut Vec<u8>) {
    for field in fields {
        let tag = field.number << 3;
        match &field.value {
            Value::Varint(number) => {
                write_varint(tag, message);
                write_varint(*number, message);
            }
            Value::Eight(bytes) => {
                write_varint(tag | 1, message);
                message.extend_from_slice(bytes);
            }
            Value::Bytes(bytes) => {
                write_varint(tag | 2, message);
                write_varint(u64::try_from(bytes.len()).unwrap_or(u64::MAX), message);
                message.extend_from_slice(bytes);
            }
            Value::Four(bytes) => {
                write_varint(tag | 5, message);
                message.extend_from_slice(bytes);
            }
        }
    }
}

/// The number in field `number` of a message, 0 where it has none.
pub(crate) fn varint_of(message: &[u8], number: u64) -> u64 {
    let fields = read(message).unwrap_or_default();
    let last = fields.iter().rfind(|field| field.number == number);
    match last.map(|field| &field.value) {
        Some(Value::Varint(value)) => *value,
        _ => 0,
    }
}

/// Changes one field of a message, or its bytes.
pub(crate) fn mutate(rng: &mut SmallRng, message: &mut Vec<u8>) {
    let fields = if rng.random_range(0..4_u8) == 0 {
        None
    } else {
        read(message)
    };
    let Some(mut fields) = fields.filter(|fields| !fields.is_empty()) else {
        mutate::bytes(rng, message);
        return;
    };
    change(rng, &mut fields);
    message.clear();
    write(&fields, message);
    message.truncate(mutate::INPUT_BYTES_MAX);
}

fn change(rng: &mut SmallRng, fields: &mut Vec<Field>) {
    let at = rng.random_range(0..fields.len());
    match rng.random_range(0..8_u8) {
        0 => {
            fields.remove(at);
        }
        1 => {
            let twin = fields[at].clone();
            fields.push(twin);
        }
        2 => {
            let other = rng.random_range(0..fields.len());
            fields.swap(at, other);
        }
        3 => fields[at].number = rng.random_range(0..12),
        4 => {
            let number = rng.random_range(1..12);
            let value = Value::Varint(self::number(rng));
            fields.push(Field { number, value });
        }
        _ => change_value(rng, &mut fields[at].value),
    }
}

fn change_value(rng: &mut SmallRng, value: &mut Value) {
    match value {
        Value::Varint(held) => *held = number(rng),
        Value::Bytes(bytes) => {
            if rng.random() {
                mutate(rng, bytes);
            } else {
                mutate::bytes(rng, bytes);
            }
        }
        Value::Eight(_) | Value::Four(_) => *value = Value::Varint(number(rng)),
    }
}

fn take_array<'a, const N: usize>(bytes: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (array, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(array)
}

fn read_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for place in 0..10_u32 {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn write_varint(mut number: u64, message: &mut Vec<u8>) {
    loop {
        let seven = number.to_le_bytes()[0] & 0x7f;
        number >>= 7;
        if number == 0 {
            message.push(seven);
            return;
        }
        message.push(seven | 0x80);
    }
}

#[cfg(test)]
mod tests {
    //! Proves that fields come out as they went in, and that rubbish is no message.

    use super::*;

    #[test]
    fn fields_come_out_as_they_went_in() {
        let fields = [
            Value::Varint(u64::MAX),
            Value::Eight([7; 8]),
            Value::Bytes("三体".into()),
            Value::Four([9; 4]),
        ]
        .map(|value| Field { number: 17, value });
        let mut message = Vec::new();
        write(&fields, &mut message);
        assert_eq!(read(&message).unwrap(), fields);
        assert_eq!(varint_of(&message, 17), 0, "the last one counts");
        assert_eq!(varint_of(&[8, 5, 8, 150, 1], 1), 150);
        assert_eq!(read(&[10, 5, 1]), None);
        assert_eq!(read(&[0xff; 11]), None);
    }
}
