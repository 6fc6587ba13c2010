//! Everything that reads text which somebody else wrote. A parser never panics, and what it accepts
//! keeps what its type promises: mostly that it is read again from its own text.

mod config;
mod csv;
mod headers;
mod messages;
mod urls;
mod words;

use rand::RngExt;
use rand::rngs::SmallRng;

use crate::mutate;
use crate::target::Target;

/// A function over bytes, and the words that its inputs are made of.
pub(crate) struct Parser {
    name: &'static str,
    read: fn(&[u8]) -> anyhow::Result<()>,
    words: &'static [&'static str],
}

const ALL: &[&[Parser]] = &[
    words::ALL,
    headers::ALL,
    urls::ALL,
    config::ALL,
    csv::ALL,
    messages::ALL,
];

/// The names of all parsers.
pub(crate) fn names() -> Vec<String> {
    all().map(|parser| parser.name.to_owned()).collect()
}

/// The parser of that name.
pub(crate) fn open(name: &str) -> Option<&'static Parser> {
    all().find(|parser| parser.name == name)
}

fn all() -> impl Iterator<Item = &'static Parser> {
    ALL.iter().copied().flatten()
}

impl Target for &'static Parser {
    fn execute(&mut self, input: &[u8]) -> anyhow::Result<()> {
        (self.read)(input)
    }

    fn generate(&self, rng: &mut SmallRng, input: &mut Vec<u8>) {
        input.clear();
        for _ in 0..rng.random_range(1..=3_u8) {
            let word = mutate::pick(rng, self.words).copied().unwrap_or_default();
            input.extend_from_slice(word.as_bytes());
            if rng.random() {
                break;
            }
        }
    }

    fn mutate(&self, rng: &mut SmallRng, input: &mut Vec<u8>) {
        if rng.random_range(0..4_u8) == 0 {
            let word = mutate::pick(rng, self.words).copied().unwrap_or_default();
            mutate::splice(rng, input, word.as_bytes());
        } else {
            mutate::bytes(rng, input);
        }
    }
}
