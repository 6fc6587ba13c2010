//! What the search index costs among 20,000 books: to search it, by how much of a title is known, and to
//! take in a change.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on ends")]

use catalog::domain::{Listing, Revision};
use catalog::search::Index;
use divan::Bencher;
use types::{BookId, Isbn, Page, Violations};

const BOOKS: u64 = 20_000;
/// A word of many titles, a Chinese name of two characters, the beginning of an English word, several words,
/// an ISBN, and nothing that is there.
const KEYWORDS: [&str; 6] = [
    "系统",
    "余华",
    "progr",
    "rust 第77册",
    "978-0-00-001234-0",
    "量子烹饪",
];
const SUBJECTS: [&str; 8] = [
    "分布式系统原理",
    "操作系统",
    "Programming Rust",
    "数据库系统概念",
    "Algorithms in Practice",
    "编译原理",
    "活着",
    "The Art of Computer Programming",
];
const AUTHORS: [&str; 5] = ["余华", "刘慈欣", "Donald Knuth", "张三; 李四", "Jim Blandy"];

fn main() {
    divan::main();
}

#[divan::bench(args = KEYWORDS)]
fn search(bencher: Bencher<'_, '_>, keyword: &str) {
    let index = library();
    let first = Page::read(1, 20, &mut Violations::default());
    bencher.bench(|| index.search(keyword, first));
}

#[divan::bench]
fn take_in_a_change(bencher: Bencher<'_, '_>) {
    let mut index = library();
    let mut id = 0;
    bencher
        .with_inputs(|| {
            id = id % BOOKS + 1;
            listing(id)
        })
        .bench_local_refs(|listing| index.put(listing));
}

fn library() -> Index {
    let mut index = Index::default();
    for id in 1..=BOOKS {
        index.put(&listing(id));
    }
    index
}

fn listing(id: u64) -> Listing {
    let at = |list: &[&str]| {
        let place = usize::try_from(id).unwrap() % list.len();
        list.get(place).copied().unwrap_or_default().to_owned()
    };
    Listing {
        id: BookId::new(id).unwrap(),
        title: format!("{} 第{id}册", at(&SUBJECTS)),
        author: at(&AUTHORS),
        isbn: Isbn::new(&format!("978000{id:06}0")),
        unpublished: false,
        revision: Revision::START,
    }
}
