/// The language of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Locale {
    /// Chinese, the default.
    #[default]
    Zh,
    /// English.
    En,
}

impl Locale {
    /// Picks the language that an `accept-language` header prefers, by its weights; `None` where
    /// it accepts neither. Of two with the same weight the first wins.
    pub fn preferred(header: &str) -> Option<Self> {
        let mut best: Option<(Self, u16)> = None;
        for range in header.split(',') {
            let mut parts = range.split(';');
            let tag = parts.next().unwrap_or_default().trim();
            let weight = parts
                .find_map(|p| p.trim().strip_prefix("q="))
                .map_or(1000, permille);
            let Some(locale) = Self::of_tag(tag) else {
                continue;
            };
            if weight > best.map_or(0, |(_, w)| w) {
                best = Some((locale, weight));
            }
        }
        best.map(|(locale, _)| locale)
    }

    /// The language as headers name it.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Zh => "zh",
            Self::En => "en",
        }
    }

    fn of_tag(tag: &str) -> Option<Self> {
        let primary = tag.split(['-', '_']).next().unwrap_or_default();
        if primary.eq_ignore_ascii_case("en") {
            Some(Self::En)
        } else if primary.eq_ignore_ascii_case("zh") {
            Some(Self::Zh)
        } else {
            None
        }
    }
}

/// Reads an HTTP weight (`0`, `0.8`, `1.000`) in thousandths; what is not a weight counts as 0.
fn permille(weight: &str) -> u16 {
    let (whole, fraction) = weight.trim().split_once('.').unwrap_or((weight.trim(), ""));
    let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
    match (whole.parse::<u16>(), digits.parse::<u16>()) {
        (Ok(0), Ok(thousandths)) => thousandths,
        (Ok(1), Ok(0)) => 1000,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heavier_language_wins() {
        let cases = [
            ("en", Some(Locale::En)),
            ("en-US,en;q=0.9", Some(Locale::En)),
            ("zh-CN,zh;q=0.9,en;q=0.8", Some(Locale::Zh)),
            ("zh;q=0.3, en;q=0.8", Some(Locale::En)),
            ("fr, en;q=0.2", Some(Locale::En)),
            ("fr", None),
            ("", None),
            ("en;q=0", None),
            ("en;q=rubbish", None),
        ];
        for (header, expected) in cases {
            assert_eq!(Locale::preferred(header), expected, "{header}");
        }
    }
}
