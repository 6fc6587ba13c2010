//! What callers put into headers, and operators into waits.

use std::time::Duration;

use anyhow::ensure;
use platform::config::{Source, human_duration, load};
use serde::Deserialize;
use types::Locale;

use super::Parser;

pub(super) const ALL: &[Parser] = &[
    Parser {
        name: "accept_language",
        read: accept_language,
        words: &[
            "en",
            "zh-CN",
            "en-US,en;q=0.9",
            "fr",
            ";q=",
            "0.8",
            "1.000",
            ",",
            "*",
            "q",
            ";",
            "图",
        ],
    },
    Parser {
        name: "duration",
        read: duration,
        words: &[
            "15m",
            "0ms",
            "2h 3s",
            "1y",
            "1week",
            "200",
            "ms",
            "18446744073709551615",
            "s",
            "ns",
            ".5",
            " ",
        ],
    },
];

fn accept_language(input: &[u8]) -> anyhow::Result<()> {
    let header = String::from_utf8_lossy(input);
    let preferred = Locale::preferred(&header);
    // A language that nobody speaks here decides nothing.
    let with_another = format!("{header},fr");
    ensure!(Locale::preferred(&with_another) == preferred, "{header:?}");
    if let Some(locale) = preferred {
        ensure!(Locale::preferred(locale.tag()) == Some(locale));
    }
    Ok(())
}

#[derive(Deserialize)]
struct Waits {
    #[serde(with = "human_duration")]
    wait: Duration,
}

fn duration(input: &[u8]) -> anyhow::Result<()> {
    let text = String::from_utf8_lossy(input);
    let variable = ("BOOKSTORE_WAIT".to_owned(), text.clone().into_owned());
    let source = Source {
        name: "defaults",
        yaml: "wait: 15m",
    };
    match load::<Waits>(&[source], [variable]) {
        Ok(read) => {
            let written = humantime::format_duration(read.wait).to_string();
            let again = humantime::parse_duration(&written);
            ensure!(again.as_ref() == Ok(&read.wait), "{text:?} is {written}");
        }
        Err(mistake) => super::config::check_mistake(&mistake)?,
    }
    Ok(())
}
