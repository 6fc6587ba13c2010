//! Small changes of bytes that know nothing of their meaning.

use rand::rngs::SmallRng;
use rand::{Rng, RngExt};

/// The most bytes that a change leaves: past it nothing new happens, and everything is slow.
pub(crate) const INPUT_BYTES_MAX: usize = 4096;

/// Bytes that often stand where something is decided.
const MARKS: &[u8] = b"\0\x01\x7f\x80\xff \t\n\r\"'-.,:;/\\@?#%&=+*|[]{}()09aZ\xc3\xe2";

/// One random change.
pub(crate) fn bytes(rng: &mut SmallRng, input: &mut Vec<u8>) {
    let at = position(rng, input.len());
    match rng.random_range(0..8_u8) {
        0 => {
            if let Some(byte) = input.get_mut(at) {
                *byte ^= 1 << rng.random_range(0..8_u8);
            }
        }
        1 => {
            if let Some(byte) = input.get_mut(at) {
                *byte = mark(rng);
            }
        }
        2 => input.insert(at, mark(rng)),
        3 => {
            let end = span_end(rng, at, input.len());
            input.drain(at..end);
        }
        4 => {
            let end = span_end(rng, at, input.len());
            input.extend_from_within(at..end);
        }
        5 => input.truncate(at),
        6 => {
            let other = position(rng, input.len());
            if at < input.len() && other < input.len() {
                input.swap(at, other);
            }
        }
        _ => input.insert(at, low_byte(rng.next_u32())),
    }
    input.truncate(INPUT_BYTES_MAX);
}

/// Puts `word` somewhere into `input`, or over a part of it.
pub(crate) fn splice(rng: &mut SmallRng, input: &mut Vec<u8>, word: &[u8]) {
    let at = position(rng, input.len());
    let end = if rng.random() {
        at
    } else {
        span_end(rng, at, input.len())
    };
    input.splice(at..end, word.iter().copied());
    input.truncate(INPUT_BYTES_MAX);
}

/// One of `choices`; nothing where there are none.
pub(crate) fn pick<'a, T>(rng: &mut SmallRng, choices: &'a [T]) -> Option<&'a T> {
    if choices.is_empty() {
        return None;
    }
    choices.get(rng.random_range(0..choices.len()))
}

fn mark(rng: &mut SmallRng) -> u8 {
    pick(rng, MARKS).copied().unwrap_or_default()
}

fn low_byte(number: u32) -> u8 {
    number.to_le_bytes()[0]
}

fn position(rng: &mut SmallRng, len: usize) -> usize {
    rng.random_range(0..=len)
}

/// Mostly near: long spans leave little of an input.
fn span_end(rng: &mut SmallRng, at: usize, len: usize) -> usize {
    let span = if rng.random_range(0..8_u8) == 0 {
        len
    } else {
        rng.random_range(1..=8)
    };
    at.saturating_add(span).min(len)
}
