use std::collections::BTreeMap;

/// Rows by key that remember what they were before an operation touched them.
///
/// A store loads rows, lets the rules work on them, and then writes [`Table::changes`]: each
/// touched key once, however many operations touched it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table<K, V> {
    rows: BTreeMap<K, V>,
    before: BTreeMap<K, Option<V>>,
}

/// What became of one row.
#[derive(Debug, PartialEq, Eq)]
pub enum Change<'a, K, V> {
    /// It is new.
    Insert(&'a K, &'a V),
    /// It was `before` and is `after`.
    Update {
        /// Its key.
        key: &'a K,
        /// As the store has it.
        before: &'a V,
        /// As the store shall have it.
        after: &'a V,
    },
    /// It is gone.
    Delete(&'a K),
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self {
            rows: BTreeMap::new(),
            before: BTreeMap::new(),
        }
    }
}

impl<K: Ord + Clone, V: Clone + PartialEq> Table<K, V> {
    /// Takes in a row that the store has.
    pub fn load(&mut self, key: K, row: V) {
        self.rows.insert(key, row);
    }

    /// The row under `key`.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.rows.get(key)
    }

    /// The row under `key`, to be changed.
    pub fn edit(&mut self, key: &K) -> Option<&mut V> {
        let row = self.rows.get_mut(key)?;
        self.before
            .entry(key.clone())
            .or_insert_with(|| Some(row.clone()));
        Some(row)
    }

    /// Writes a row, new or not.
    pub fn put(&mut self, key: K, row: V) {
        let old = self.rows.insert(key.clone(), row);
        self.before.entry(key).or_insert(old);
    }

    /// Removes a row.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let old = self.rows.remove(key)?;
        self.before
            .entry(key.clone())
            .or_insert_with(|| Some(old.clone()));
        Some(old)
    }

    /// All rows, by ascending key.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> {
        self.rows.iter()
    }

    /// What the store has to write, by ascending key. Rows that ended up unchanged are left out.
    pub fn changes(&self) -> impl Iterator<Item = Change<'_, K, V>> {
        self.before
            .iter()
            .filter_map(|(key, before)| match (before, self.rows.get(key)) {
                (None, Some(after)) => Some(Change::Insert(key, after)),
                (Some(before), Some(after)) if before != after => {
                    Some(Change::Update { key, before, after })
                }
                (Some(_), None) => Some(Change::Delete(key)),
                (Some(_), Some(_)) | (None, None) => None,
            })
    }

    /// Forgets the earlier values: the store has written the changes.
    pub fn settle(&mut self) {
        self.before.clear();
    }
}

#[cfg(test)]
mod tests {
    //! Proves that a table reports each touched key once, by its net change.

    use super::*;

    #[test]
    fn the_net_change_of_each_key_is_reported() {
        let mut table = Table::default();
        for key in 1..=4 {
            table.load(key, "old");
        }
        *table.edit(&1).unwrap() = "new";
        *table.edit(&1).unwrap() = "newer";
        table.remove(&2);
        table.put(5, "born");
        table.put(6, "stillborn");
        table.remove(&6);
        *table.edit(&3).unwrap() = "x";
        *table.edit(&3).unwrap() = "old";

        let changes: Vec<_> = table.changes().collect();
        assert_eq!(
            changes,
            [
                Change::Update {
                    key: &1,
                    before: &"old",
                    after: &"newer"
                },
                Change::Delete(&2),
                Change::Insert(&5, &"born"),
            ]
        );
        table.settle();
        assert_eq!(table.changes().count(), 0);
        assert_eq!(table.get(&1), Some(&"newer"));
    }

    #[test]
    fn a_row_taken_away_and_put_back_is_an_update() {
        let mut table = Table::default();
        table.load(1, "old");
        table.remove(&1);
        table.put(1, "new");
        let changes: Vec<_> = table.changes().collect();
        assert_eq!(
            changes,
            [Change::Update {
                key: &1,
                before: &"old",
                after: &"new"
            }]
        );
    }
}
