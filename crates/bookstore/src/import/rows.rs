//! The file, row by row, with the duplicates in it found.

use std::collections::HashMap;
use std::io::{Chain, Read};

use anyhow::Context;
use csv::{ByteRecord, Reader, ReaderBuilder, StringRecord, Terminator};

use super::columns::Columns;
use super::finding::{Refusal, Repair};
use super::identity::Identity;
use super::row::{Defaults, Row, read_row};

/// A row that no file has. It goes behind the file: whoever does not see it at the end is inside a quote.
const LAST_ROW: &[u8] = b"\0the end of the file\0";
/// The same behind a line break, so that the file's own last line ends like all others.
const LAST_ROW_BEHIND_A_BREAK: &[u8] = b"\n\0the end of the file\0\n";

/// One row of the file, read.
#[derive(Debug)]
pub(crate) struct ReadRow {
    /// Where it begins; the header is line 1.
    pub(super) line: u64,
    /// How far into the file it reaches.
    pub(super) bytes_read: u64,
    /// What it should be loaded as, and the repairs that took.
    pub(super) verdict: Result<(Row, Vec<Repair>), Refusal>,
}

/// Reads a CSV file lazily: what is kept of the rows that went by is 24 bytes or so for each
/// identity.
pub(crate) struct Rows<R> {
    reader: Reader<Chain<R, &'static [u8]>>,
    header: StringRecord,
    columns: Columns,
    defaults: Defaults,
    seen: HashMap<Identity, u64>,
    buffer: ByteRecord,
    failed: bool,
}

impl<R: Read> Rows<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// The file cannot be read; its header is not UTF-8, has a quote that never closes, or lacks the title
    /// or the author.
    pub(crate) fn open(file: R, defaults: Defaults) -> anyhow::Result<Self> {
        let mut reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            // A CR before it stays at the end of the last cell, where it is trimmed away; with
            // the reader's own CRLF the line numbers would be off by one.
            .terminator(Terminator::Any(b'\n'))
            .from_reader(file.chain(LAST_ROW_BEHIND_A_BREAK));
        let mut buffer = ByteRecord::new();
        reader.read_byte_record(&mut buffer)?;
        anyhow::ensure!(!is_torn(&buffer), "a quote in the header never closes");
        if is_last(&buffer) {
            buffer.clear();
        }
        let header = StringRecord::from_byte_record(buffer)
            .map_err(|_| anyhow::anyhow!("the header is not UTF-8: save the file as UTF-8"))?;
        let columns = Columns::find(&header)?;
        Ok(Self {
            reader,
            header,
            columns,
            defaults,
            seen: HashMap::new(),
            buffer: ByteRecord::new(),
            failed: false,
        })
    }

    /// Each thing a book has, and the names of the columns it is taken from.
    pub(super) fn sources(&self) -> Vec<(&'static str, Vec<&str>)> {
        let name = |column: usize| self.header.get(column).unwrap_or_default().trim();
        let named =
            |(thing, columns): (_, Vec<usize>)| (thing, columns.into_iter().map(name).collect());
        self.columns.sources().into_iter().map(named).collect()
    }

    /// What rows get that the file does not say.
    pub(super) const fn defaults(&self) -> Defaults {
        self.defaults
    }

    fn read_next(&mut self) -> anyhow::Result<Option<ReadRow>> {
        loop {
            let more = self.reader.read_byte_record(&mut self.buffer);
            if !more.context("the file cannot be read any further")? {
                return Ok(None);
            }
            if !is_blank(&self.buffer) && !is_last(&self.buffer) {
                break;
            }
        }
        let line = self.first_line();
        let verdict = match StringRecord::from_byte_record(self.buffer.clone()) {
            _ if is_torn(&self.buffer) => Err(Refusal::NeverCloses),
            Ok(record) => read_row(&self.columns, &record, self.defaults),
            Err(_) => Err(Refusal::NotUtf8),
        };
        let verdict = verdict.and_then(|(row, repairs)| {
            self.check_first(line, &row)?;
            Ok((row, repairs))
        });
        Ok(Some(ReadRow {
            line,
            bytes_read: self.reader.position().byte(),
            verdict,
        }))
    }

    /// The line that the record in the buffer begins on.
    ///
    /// The reader's own answer is the first of the blank lines before it, so it is counted back
    /// from where the record ends. Only behind a quote that never closes is there no line break
    /// at the end.
    fn first_line(&self) -> u64 {
        let is_break = |byte: &&u8| **byte == b'\n';
        let inside = self.buffer.iter().flatten().filter(is_break).count();
        let at_end = usize::from(!is_torn(&self.buffer));
        let breaks = inside.saturating_add(at_end);
        let end = self.reader.position().line();
        end.saturating_sub(u64::try_from(breaks).unwrap_or(u64::MAX))
    }

    /// Refuses a row that means the same book as an earlier one; else remembers it.
    ///
    /// Two rows with ISBNs are two editions, whatever their titles are. A row without one is
    /// taken for a repetition of any earlier row with its title and author.
    fn check_first(&mut self, line: u64, row: &Row) -> Result<(), Refusal> {
        let words = Identity::of_words(&row.title, &row.author);
        match (&row.isbn, self.seen.get(&row.identity)) {
            (Some(isbn), Some(line)) => {
                return Err(Refusal::DuplicateIsbn {
                    isbn: isbn.clone(),
                    line: *line,
                });
            }
            (None, Some(line)) => return Err(Refusal::DuplicateWords { line: *line }),
            (_, None) => {}
        }
        self.seen.insert(row.identity, line);
        self.seen.entry(words).or_insert(line);
        Ok(())
    }
}

fn is_blank(record: &ByteRecord) -> bool {
    record.len() <= 1 && record.iter().all(|cell| cell.trim_ascii().is_empty())
}

/// Whether the file ended before it.
fn is_last(record: &ByteRecord) -> bool {
    record.len() == 1 && record.get(0) == Some(LAST_ROW)
}

/// Whether the file ended inside a quote, which has taken the last row in.
fn is_torn(record: &ByteRecord) -> bool {
    let last = record.iter().next_back();
    last.is_some_and(|cell| cell.ends_with(LAST_ROW_BEHIND_A_BREAK))
}

impl<R: Read> Iterator for Rows<R> {
    /// An error is that of the file, and the last item.
    type Item = anyhow::Result<ReadRow>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let row = self.read_next();
        self.failed = row.is_err();
        row.transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(file: &[u8]) -> Rows<&[u8]> {
        Rows::open(
            file,
            Defaults {
                price: None,
                stock: None,
            },
        )
        .unwrap()
    }

    /// Line, and title or reason, of every row.
    fn read(file: &[u8]) -> Vec<(u64, Result<String, String>)> {
        let told = |row: ReadRow| {
            let verdict = row
                .verdict
                .map(|(row, _)| row.title)
                .map_err(|refusal| refusal.to_string());
            (row.line, verdict)
        };
        rows(file).map(|row| told(row.unwrap())).collect()
    }

    #[test]
    fn lines_are_counted_as_an_editor_counts_them() {
        for end in ["\n", "\r\n"] {
            let lines = [
                "\u{feff}书名,作者",
                "三体,\"刘慈欣\"",
                "\"活\"\"着\",\"余",
                "华\"",
                "",
                "围城,钱钟书",
            ];
            let expected = [
                (2, Ok("三体".to_owned())),
                (3, Err("the author holds control characters".to_owned())),
                (6, Ok("围城".to_owned())),
            ];
            let file = lines.join(end);
            assert_eq!(read(file.as_bytes()), expected, "{end:?}");
            assert_eq!(
                read(format!("{file}{end}{end}").as_bytes()),
                expected,
                "{end:?}"
            );
        }
    }

    #[test]
    fn a_row_that_is_not_utf8_is_refused_alone() {
        let file = b"title,author\nok,a\n\xff\xfe,b\nfine,c";
        let expected = [
            (2, Ok("ok".to_owned())),
            (3, Err("is not UTF-8".to_owned())),
            (4, Ok("fine".to_owned())),
        ];
        assert_eq!(read(file), expected);
    }

    #[test]
    fn duplicates_are_refused_by_isbn_else_by_title_and_author() {
        let file = "title,author,isbn\n\
            A,X,9780439023481\n\
            other,Y,0-439-02348-3\n\
            A,X,9780439655484\n\
            A,X,\n\
            B,Z,\n\
            B,Z,bad\n\
            B,z,\n";
        let duplicate = |text: &str| Err(text.to_owned());
        let expected = [
            (2, Ok("A".to_owned())),
            (3, duplicate("has the ISBN 9780439023481 of line 2")),
            (4, Ok("A".to_owned())),
            (
                5,
                duplicate("has no ISBN, and the title and author of line 2"),
            ),
            (6, Ok("B".to_owned())),
            (
                7,
                duplicate("has no ISBN, and the title and author of line 6"),
            ),
            (8, Ok("B".to_owned())),
        ];
        assert_eq!(read(file.as_bytes()), expected);
    }

    #[test]
    fn a_file_without_a_usable_header_does_not_open() {
        let defaults = Defaults {
            price: None,
            stock: None,
        };
        for (file, why) in [
            (&b""[..], "no column for the title"),
            (b"\xca\xe9,\xd7\xf7\n", "not UTF-8"),
            (b"title;author\n", "no column for the title"),
            (
                b"title,\"author\nA,X\n",
                "a quote in the header never closes",
            ),
        ] {
            let error = Rows::open(file, defaults).err().unwrap().to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn a_quote_that_never_closes_in_a_description_is_told_too() {
        for end in ["", "\n", "\r\n", "\n\n"] {
            let file = format!("title,author,简介\nA,X,\n\n\nB,Y,\"long\nC,Z,\nD,W,{end}");
            let refused = "opens a quote that never closes: nothing behind it was read";
            let expected = [(2, Ok("A".to_owned())), (5, Err(refused.to_owned()))];
            assert_eq!(read(file.as_bytes()), expected, "{end:?}");
        }
        // These do close.
        for last in ["\"W\"", "\"W\n\"", "\"W\"\"\"", "W\"", "\"\"", "\"W\" x"] {
            for end in ["", "\n", "\r\n"] {
                let file = format!("title,author,简介\nB,Y,{last}{end}");
                assert_eq!(read(file.as_bytes()), [(2, Ok("B".to_owned()))], "{last}");
            }
        }
    }

    #[test]
    fn a_quote_that_never_closes_refuses_the_rest_as_one_row() {
        let file = "title,author\nA,X\n\"B,Y\nC,Z\n";
        let read = read(file.as_bytes());
        let lines: Vec<_> = read
            .iter()
            .map(|(line, title)| (*line, title.is_ok()))
            .collect();
        assert_eq!(lines, [(2, true), (3, false)]);
    }
}
