//! How titles, authors and keywords are read.
//!
//! Text is folded (case, accents, full-width forms) and cut into *parts*: runs of Chinese,
//! Japanese or Korean characters, and words of everything else. Joined again without
//! punctuation, the parts make the text's *key*, in which keywords are looked for.

use unicode_normalization::UnicodeNormalization;

/// One reading of a text: `Go微服务, 2nd` has the parts `go`, `微服务`, `2nd` and the key `go微服务2nd`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reading {
    /// The words and runs, in their order.
    pub(super) parts: Vec<String>,
    /// The parts joined, with one blank between two words; empty if the text is.
    pub(super) key: String,
}

/// Reads `text` in every way that people may spell it: as one reading, or as two where marks
/// inside words can be dropped or can part them (`O'Brien`: `obrien` and `o brien`; `J.K.`: `jk`
/// and `j k`).
pub(super) fn read(text: &str) -> Vec<Reading> {
    let folded = fold(text);
    let joined = Reading::new(&folded, InnerMarks::Join);
    let parted = Reading::new(&folded, InnerMarks::Part);
    if joined == parted {
        vec![joined]
    } else {
        vec![joined, parted]
    }
}

/// What a mark between two letters does to their word.
#[derive(Clone, Copy, PartialEq, Eq)]
enum InnerMarks {
    Join,
    Part,
}

impl Reading {
    fn new(folded: &str, marks: InnerMarks) -> Self {
        let mut parts = cut(folded, marks);
        // A text of nothing but marks (`?!`) is its own only word, so that it can be found at all.
        if parts.is_empty() && !folded.is_empty() {
            parts.push(folded.to_owned());
        }
        let mut key = String::with_capacity(folded.len());
        for part in &parts {
            let two_words = key.chars().next_back().is_some_and(|c| !is_cjk(c))
                && part.chars().next().is_some_and(|c| !is_cjk(c));
            if two_words {
                key.push(' ');
            }
            key.push_str(part);
        }
        Self { parts, key }
    }
}

fn cut(folded: &str, marks: InnerMarks) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    let mut open: Option<Kind> = None;
    let mut chars = folded.chars().peekable();
    while let Some(c) = chars.next() {
        let next_in_word = chars
            .peek()
            .is_some_and(|next| kind(*next) == Some(Kind::Word));
        let kind = match kind(c) {
            Some(kind) => kind,
            None if open == Some(Kind::Word) && is_inner_mark(c) && next_in_word => {
                if marks == InnerMarks::Part {
                    open = None;
                }
                continue;
            }
            // `C++`, `F#`: the marks make the name. They end it, too: `a+b` is `a+`, `b`.
            None if open.is_some_and(Kind::takes_suffix) && matches!(c, '+' | '#') => Kind::Suffix,
            None => {
                open = None;
                continue;
            }
        };
        let continues = open == Some(kind) || kind == Kind::Suffix;
        match parts.last_mut() {
            Some(part) if continues => part.push(c),
            _ => parts.push(c.to_string()),
        }
        open = Some(kind);
    }
    parts
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A character of a script without blanks between words.
    Cjk,
    /// A letter or digit of any other script.
    Word,
    /// A mark that belongs to the word before it.
    Suffix,
}

impl Kind {
    fn takes_suffix(self) -> bool {
        matches!(self, Self::Word | Self::Suffix)
    }
}

fn kind(c: char) -> Option<Kind> {
    if is_cjk(c) {
        Some(Kind::Cjk)
    } else if c.is_alphanumeric() {
        Some(Kind::Word)
    } else {
        None
    }
}

fn is_inner_mark(c: char) -> bool {
    matches!(c, '\'' | '\u{2018}' | '\u{2019}' | '\u{02BC}' | '`' | '.')
}

/// Whether `c` belongs to Han, Kana, Bopomofo or Hangul, where every character may begin a word.
pub(super) fn is_cjk(c: char) -> bool {
    matches!(c,
        '\u{3005}'..='\u{3007}'
        | '\u{3041}'..='\u{30FA}'
        | '\u{30FC}'..='\u{312F}'
        | '\u{31A0}'..='\u{31BF}'
        | '\u{3400}'..='\u{4DBF}'
        | '\u{4E00}'..='\u{9FFF}'
        | '\u{AC00}'..='\u{D7A3}'
        | '\u{F900}'..='\u{FAFF}'
        | '\u{20000}'..='\u{3FFFF}')
}

/// Takes case, accents, full-width and other compatibility forms out of `text`.
pub(super) fn fold(text: &str) -> String {
    text.trim()
        .nfkd()
        // Latin, Greek and Cyrillic accents; the marks of kana stay and are composed again.
        .filter(|c| !matches!(c, '\u{0300}'..='\u{036F}'))
        .nfc()
        .flat_map(char::to_lowercase)
        // Lower-casing can bring a mark back (İ).
        .filter(|c| *c != '\u{0307}')
        .fold(String::with_capacity(text.len()), |mut folded, c| {
            match undecomposed_letter(c) {
                Some(plain) => folded.push_str(plain),
                None => folded.push(c),
            }
            folded
        })
}

/// Letters that Unicode does not take apart, as people type them on a plain keyboard.
fn undecomposed_letter(c: char) -> Option<&'static str> {
    Some(match c {
        'ß' => "ss",
        'æ' => "ae",
        'œ' => "oe",
        'ø' => "o",
        'đ' | 'ð' => "d",
        'ł' => "l",
        'þ' => "th",
        'ı' => "i",
        _ => return None,
    })
}

/// The words and runs of a text whose key is `key`.
///
/// Runs that stood apart in the text are one here: blanks between Chinese characters are a matter
/// of taste, and a keyword may leave them out.
pub(super) fn parts_of_key(key: &str) -> Vec<String> {
    Reading::new(key, InnerMarks::Join).parts
}

/// The terms under which `part` is indexed: a word under itself, a run of characters under each
/// pair of neighbours and under its last character.
///
/// Looked up by prefix, they find words by their first letters, and runs of any length anywhere.
pub(super) fn terms_of(part: &str) -> Vec<&str> {
    if !part.starts_with(is_cjk) {
        return vec![part];
    }
    let bounds: Vec<usize> = part
        .char_indices()
        .map(|(start, _)| start)
        .chain([part.len()])
        .collect();
    let pairs = bounds
        .windows(3)
        .filter_map(|three| part.get(*three.first()?..*three.last()?));
    let last = part
        .char_indices()
        .next_back()
        .and_then(|(start, _)| part.get(start..));
    pairs.chain(last).collect()
}

/// The prefixes to look a keyword's `part` up by: whatever contains the part has, for each of them,
/// a term that begins with it.
pub(super) fn lookups_of(part: &str) -> Vec<&str> {
    let mut lookups = terms_of(part);
    // Where a pair ends with the last character, that character alone would only match too much.
    if lookups.len() > 1 {
        lookups.pop();
    }
    lookups
}

/// Whether `wanted` (a part or a whole key) occurs in `key`, starting at the beginning of a word.
pub(super) fn contains(key: &str, wanted: &str) -> bool {
    let mut from = 0;
    while let Some(at) = key.get(from..).and_then(|rest| rest.find(wanted)) {
        let at = from.saturating_add(at);
        if begins_word(key, at) {
            return true;
        }
        // Advances by one character, not past the match: the next one may overlap it.
        let first = key.get(at..).and_then(|tail| tail.chars().next());
        from = at.saturating_add(first.map_or(1, char::len_utf8));
    }
    false
}

fn begins_word(key: &str, at: usize) -> bool {
    let before = key.get(..at).and_then(|head| head.chars().next_back());
    let first = key.get(at..).and_then(|tail| tail.chars().next());
    match (before, first) {
        (Some(before), Some(first)) => before == ' ' || is_cjk(before) || is_cjk(first),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    //! Proves how text is cut and folded, and where a keyword counts as found.

    use super::*;

    fn parts(text: &str) -> Vec<Vec<String>> {
        read(text)
            .into_iter()
            .map(|reading| reading.parts)
            .collect()
    }

    #[test]
    fn text_is_cut_into_words_and_runs() {
        let cases: [(&str, &[&[&str]]); 17] = [
            ("Go微服务实战", &[&["go", "微服务实战"]]),
            (
                "The Hunger Games (The Hunger Games, #1)",
                &[&["the", "hunger", "games", "the", "hunger", "games", "1"]],
            ),
            ("C++ Primer", &[&["c++", "primer"]]),
            ("C#与F#", &[&["c#", "与", "f#"]]),
            ("react+redux", &[&["react+", "redux"]]),
            ("分布式 系统：原理", &[&["分布式", "系统", "原理"]]),
            ("O'Brien", &[&["obrien"], &["o", "brien"]]),
            ("L’Étranger", &[&["letranger"], &["l", "etranger"]]),
            (
                "J.K. Rowling",
                &[&["jk", "rowling"], &["j", "k", "rowling"]],
            ),
            ("Ｇｏ　１２", &[&["go", "12"]]),
            (
                "Straße Ångström Øre İstanbul",
                &[&["strasse", "angstrom", "ore", "istanbul"]],
            ),
            ("ガラスの城", &[&["ガラスの城"]]),
            ("한국어 소설", &[&["한국어", "소설"]]),
            ("Война и мир", &[&["воина", "и", "мир"]]),
            ("Catch-22", &[&["catch", "22"]]),
            ("?!", &[&["?!"]]),
            ("  ", &[&[]]),
        ];
        for (text, expected) in cases {
            assert_eq!(parts(text), expected, "{text}");
        }
    }

    #[test]
    fn a_key_has_blanks_between_words_alone() {
        let keys = |text| read(text).into_iter().map(|r| r.key).collect::<Vec<_>>();
        assert_eq!(keys("Go 微服务 in  Action!"), ["go微服务in action"]);
        assert_eq!(keys("三体 · 全集"), ["三体全集"]);
        assert_eq!(
            parts_of_key("go微服务in action"),
            ["go", "微服务", "in", "action"]
        );
        assert_eq!(parts_of_key("三体全集"), ["三体全集"]);
        assert_eq!(parts_of_key("c++ a+ b"), ["c++", "a+", "b"]);
        assert_eq!(parts_of_key("?!"), ["?!"]);
    }

    #[test]
    fn runs_are_indexed_by_neighbours_and_looked_up_by_them() {
        assert_eq!(terms_of("三"), ["三"]);
        assert_eq!(terms_of("三体集"), ["三体", "体集", "集"]);
        assert_eq!(terms_of("trisolaris"), ["trisolaris"]);
        assert_eq!(lookups_of("集"), ["集"]);
        assert_eq!(lookups_of("三体"), ["三体"]);
        assert_eq!(lookups_of("三体集"), ["三体", "体集"]);
    }

    #[test]
    fn a_keyword_counts_from_the_beginning_of_a_word() {
        let cases = [
            ("harry potter", "pot", true),
            ("harry potter", "otter", false),
            ("harry potter", "harry pot", true),
            ("harry potter", "y pot", false),
            ("go微服务实战", "微服务", true),
            ("go微服务实战", "服务", true),
            ("go微服务实战", "go微", true),
            ("go微服务实战", "o微", false),
            ("ba a a", "a a", true),
            ("学习go", "go", true),
            ("学习go", "习g", true),
            ("learning go", "g", true),
            ("algo", "go", false),
        ];
        for (key, wanted, found) in cases {
            assert_eq!(contains(key, wanted), found, "{wanted} in {key}");
        }
    }
}
