//! Which column is what, found by the names in the header.

use csv::StringRecord;

use super::cells::{PriceUnit, fold};

/// Names of the title, better ones first; all names here are folded.
const TITLE: &[&str] = &[
    "title",
    "booktitle",
    "书名",
    "图书名称",
    "题名",
    "标题",
    "name",
    "bookname",
    "名称",
    "originaltitle",
    "原书名",
    "原名",
];
const AUTHOR: &[&str] = &[
    "author",
    "authors",
    "authorname",
    "authornames",
    "writer",
    "writers",
    "作者",
    "作者名",
    "著者",
    "责任者",
];
const ISBN: &[&str] = &[
    "isbn13",
    "isbn",
    "isbn10",
    "isbn号",
    "isbn编号",
    "书号",
    "国际标准书号",
];
const STOCK: &[&str] = &[
    "stock",
    "quantity",
    "qty",
    "copies",
    "instock",
    "inventory",
    "库存",
    "库存量",
    "库存数量",
    "数量",
    "册数",
];
const DESCRIPTION: &[&str] = &[
    "description",
    "desc",
    "summary",
    "blurb",
    "about",
    "简介",
    "内容简介",
    "图书简介",
    "内容提要",
    "描述",
    "介绍",
];
/// Names of the price, in yuan unless one of the endings below says otherwise.
const PRICE: &[&str] = &[
    "price",
    "listprice",
    "unitprice",
    "价格",
    "定价",
    "售价",
    "单价",
];
const YUAN_ENDINGS: &[&str] = &["", "yuan", "cny", "rmb", "元", "人民币"];
const FEN_ENDINGS: &[&str] = &["fen", "infen", "分"];

/// Where the cells of a row are. Of several columns for one thing the first that is not blank
/// counts, row by row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Columns {
    pub(super) title: Vec<usize>,
    pub(super) author: Vec<usize>,
    pub(super) isbn: Vec<usize>,
    pub(super) price: Vec<(usize, PriceUnit)>,
    pub(super) stock: Vec<usize>,
    pub(super) description: Vec<usize>,
    /// How many columns there are, used or not.
    pub(super) width: usize,
}

/// A header without what every book needs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the header has no column for the {missing}; it has: {}", if found.is_empty() { "nothing" } else { found })]
pub(crate) struct HeaderError {
    missing: &'static str,
    found: String,
}

impl Columns {
    /// Finds the columns by the names in `header`: case, blanks, punctuation and full width do not
    /// matter, nor does a remark in brackets.
    ///
    /// # Errors
    /// There is no title, or no author.
    pub(super) fn find(header: &StringRecord) -> Result<Self, HeaderError> {
        let names: Vec<Name> = header.iter().map(Name::read).collect();
        let columns = Self {
            title: find_named(&names, TITLE),
            author: find_named(&names, AUTHOR),
            isbn: find_named(&names, ISBN),
            price: find_prices(&names),
            stock: find_named(&names, STOCK),
            description: find_named(&names, DESCRIPTION),
            width: header.len(),
        };
        let needed = [("title", &columns.title), ("author", &columns.author)];
        for (missing, found) in needed {
            if found.is_empty() {
                let found = header.iter().map(str::trim).collect::<Vec<_>>().join(", ");
                return Err(HeaderError { missing, found });
            }
        }
        Ok(columns)
    }

    /// Each thing a book has, and the columns it is taken from.
    pub(super) fn sources(&self) -> [(&'static str, Vec<usize>); 6] {
        [
            ("title", self.title.clone()),
            ("author", self.author.clone()),
            ("ISBN", self.isbn.clone()),
            (
                "price",
                self.price.iter().map(|(column, _)| *column).collect(),
            ),
            ("stock", self.stock.clone()),
            ("description", self.description.clone()),
        ]
    }
}

/// A column's name, folded: all of it, and without the remark in brackets.
struct Name {
    whole: String,
    stem: String,
}

impl Name {
    fn read(text: &str) -> Self {
        let stem = text
            .split(['(', '（', '[', '【'])
            .next()
            .unwrap_or_default();
        Self {
            whole: fold(text),
            stem: fold(stem),
        }
    }

    fn is(&self, known: &str) -> bool {
        self.whole == known || self.stem == known
    }
}

fn find_named(names: &[Name], known: &[&str]) -> Vec<usize> {
    let mut columns = Vec::new();
    for known in known {
        for (column, name) in names.iter().enumerate() {
            if name.is(known) && !columns.contains(&column) {
                columns.push(column);
            }
        }
    }
    columns
}

fn find_prices(names: &[Name]) -> Vec<(usize, PriceUnit)> {
    let mut prices = Vec::new();
    for known in PRICE {
        for (column, name) in names.iter().enumerate() {
            let ending = name.whole.strip_prefix(known);
            let says = |endings: &[&str]| ending.is_some_and(|ending| endings.contains(&ending));
            if says(FEN_ENDINGS) {
                prices.push((column, PriceUnit::Fen));
            } else if says(YUAN_ENDINGS) {
                prices.push((column, PriceUnit::Yuan));
            }
        }
    }
    prices
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(names: &[&str]) -> Columns {
        Columns::find(&StringRecord::from(names)).unwrap()
    }

    #[test]
    fn names_match_loosely_in_both_languages() {
        for names in [
            ["title", "author", "isbn", "price", "stock", "description"],
            [
                "TITLE ",
                " Author(s)",
                "ISBN-13",
                "Price (CNY)",
                "Quantity",
                "Desc.",
            ],
            [
                "Book_Title",
                "authors",
                "isbn_10",
                "list price",
                "In Stock",
                "Summary",
            ],
            ["\u{feff}书名", "作者", "ISBN", "价格", "库存", "简介"],
            [
                "书 名（必填）",
                "作者",
                "国际标准书号",
                "定价（元）",
                "数量",
                "内容简介",
            ],
        ] {
            let columns = find(&names);
            let price = vec![(3, PriceUnit::Yuan)];
            assert_eq!(columns.title, [0], "{names:?}");
            assert_eq!(
                (columns.author, columns.isbn),
                (vec![1], vec![2]),
                "{names:?}"
            );
            assert_eq!(
                (columns.price, columns.stock),
                (price, vec![4]),
                "{names:?}"
            );
            assert_eq!(columns.description, [5], "{names:?}");
        }
    }

    #[test]
    fn a_price_says_its_unit() {
        for (name, unit) in [
            ("price_fen", PriceUnit::Fen),
            ("Price (fen)", PriceUnit::Fen),
            ("价格（分）", PriceUnit::Fen),
            ("价格(元)", PriceUnit::Yuan),
            ("price", PriceUnit::Yuan),
        ] {
            assert_eq!(
                find(&["title", "author", name]).price,
                [(2, unit)],
                "{name}"
            );
        }
        // Another currency is another thing.
        assert_eq!(find(&["title", "author", "price_usd"]).price, []);
    }

    #[test]
    fn of_several_columns_the_better_name_comes_first() {
        let columns = find(&[
            "isbn",
            "isbn13",
            "authors",
            "original_title",
            "title",
            "books_count",
        ]);
        assert_eq!(columns.title, [4, 3]);
        assert_eq!(columns.isbn, [1, 0]);
        assert!(columns.stock.is_empty());
    }

    #[test]
    fn a_header_without_title_or_author_is_refused_by_name() {
        let error = Columns::find(&StringRecord::from(vec!["title", "price"])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the header has no column for the author; it has: title, price"
        );
        assert!(Columns::find(&StringRecord::new()).is_err());
    }
}
