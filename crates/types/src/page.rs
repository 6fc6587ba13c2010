use crate::Violations;

/// The page size where a caller gives none.
pub const PAGE_SIZE_DEFAULT: u32 = 20;
/// The largest page a caller may ask for.
pub const PAGE_SIZE_MAX: u32 = 100;

/// One page of a list: pages count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    number: u32,
    size: u32,
}

impl Page {
    /// Reads `page` and `page_size` as they stand on the wire; 0 means the default.
    /// What is wrong is added to `violations`.
    pub fn read(page: i32, page_size: i32, violations: &mut Violations) -> Self {
        let number = u32::try_from(page).unwrap_or_else(|_| {
            violations.add("page", "must not be negative");
            1
        });
        let size = match u32::try_from(page_size) {
            Ok(0) => PAGE_SIZE_DEFAULT,
            Ok(size) if size <= PAGE_SIZE_MAX => size,
            _ => {
                violations.add(
                    "page_size",
                    format!("must be between 0 and {PAGE_SIZE_MAX}"),
                );
                PAGE_SIZE_DEFAULT
            }
        };
        Self {
            number: number.max(1),
            size,
        }
    }

    /// How many rows the page holds at most.
    pub const fn size(self) -> u32 {
        self.size
    }

    /// How many rows come before the page.
    pub fn offset(self) -> u64 {
        u64::from(self.number)
            .saturating_sub(1)
            .saturating_mul(u64::from(self.size))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_means_the_default_and_bad_pages_are_named() {
        let mut ok = Violations::default();
        let page = Page::read(0, 0, &mut ok);
        assert_eq!((page.offset(), page.size(), ok.is_empty()), (0, 20, true));
        assert_eq!(Page::read(3, 10, &mut ok).offset(), 20);
        assert_eq!(Page::read(i32::MAX, 100, &mut ok).offset(), 214_748_364_600);

        for (page, size, field) in [(-1, 0, "page"), (1, 101, "page_size"), (1, -1, "page_size")] {
            let mut bad = Violations::default();
            Page::read(page, size, &mut bad);
            assert_eq!(bad.fields().collect::<Vec<_>>(), [field]);
        }
    }
}
