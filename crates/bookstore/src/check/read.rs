use anyhow::Context;
use catalog::audit::Audit as CatalogAudit;
use order::audit::{OrderRecord, find_faults};
use platform::clock::{Clock, SystemClock};
use platform::db::{Database, DatabaseUrl};
use types::UnixMillis;

use super::facts::{Catalog, Facts, OrderFact, Orders};
use crate::config::Config;
use crate::service::Service;

/// How many orders are in memory with all that belongs to them; of each a few words are kept.
const PAGE_LEN: u32 = 2_000;

/// The four databases, opened for reading.
pub(crate) struct Databases {
    catalog: CatalogAudit,
    inventory: Database,
    order: Database,
    payment: Database,
}

impl Databases {
    /// Opens the databases that the configuration names.
    ///
    /// # Errors
    /// One of them is not there, or is no database.
    pub(crate) fn open(config: &Config) -> anyhow::Result<Self> {
        for service in Service::ALL {
            service.expect_database(config)?;
        }
        let open =
            |key: &'static str, url: &DatabaseUrl| Database::open_read_only(url).context(key);
        Ok(Self {
            catalog: CatalogAudit::open(&config.catalog.database).context("catalog.database")?,
            inventory: open("inventory.database", &config.inventory.database)?,
            order: open("order.database", &config.order.database)?,
            payment: open("payment.database", &config.payment.database)?,
        })
    }

    /// Reads everything once: orders first, then the rest side by side. The laws rely on it.
    pub(crate) async fn read(&self) -> anyhow::Result<Facts> {
        let read_at = SystemClock.now();
        let orders = self.read_orders(read_at).await.context("order.database")?;
        let stock = async {
            inventory::audit::read(&self.inventory)
                .await
                .context("inventory.database")
        };
        let money = async {
            payment::audit::audit(&self.payment)
                .await
                .context("payment.database")
        };
        let catalog = async { self.read_catalog(&orders).await.context("catalog.database") };
        let (stock, money, catalog) = tokio::try_join!(stock, money, catalog)?;
        Ok(Facts {
            read_at,
            orders,
            stock,
            money,
            catalog,
        })
    }

    /// The cursor, then tasks and intents, then orders: a task's order is never read before its task, what the
    /// cursor has passed shows in the orders, and of a creation under way its intent or its order.
    async fn read_orders(&self, now: UnixMillis) -> anyhow::Result<Orders> {
        let tasks = |tasks: Vec<order::domain::Task>| {
            tasks.into_iter().map(|task| (task.key, task)).collect()
        };
        let mut orders = Orders {
            is_running: order::audit::is_running(&self.order, now).await?,
            cursor: order::audit::read_feed_cursor(&self.order).await?,
            tasks: tasks(order::audit::read_tasks(&self.order).await?),
            intents: order::audit::read_intents(&self.order).await?,
            ..Orders::default()
        };
        loop {
            let after = orders.rows.last().map(|order| order.name.id);
            let page = order::audit::read_orders(&self.order, after, PAGE_LEN).await?;
            let is_last = page.len() < usize::try_from(PAGE_LEN)?;
            for record in &page {
                take_in(&mut orders, record, now);
            }
            if is_last {
                return Ok(orders);
            }
        }
    }

    async fn read_catalog(&self, orders: &Orders) -> anyhow::Result<Catalog> {
        let ordered = orders.books.iter().copied().collect();
        Ok(Catalog {
            books: self.catalog.count_books().await?,
            faults: self.catalog.find_faults().await?,
            missing: self.catalog.find_missing(ordered).await?,
        })
    }

    /// Closes them.
    pub(crate) async fn close(&self) {
        self.catalog.close().await;
        self.inventory.close().await;
        self.order.close().await;
        self.payment.close().await;
    }
}

fn take_in(orders: &mut Orders, record: &OrderRecord, now: UnixMillis) {
    let fact = OrderFact::of(record);
    let faults = find_faults(record, now).into_iter();
    orders
        .faults
        .extend(faults.map(|fault| (fact.name.clone(), fault)));
    orders
        .books
        .extend(record.items.iter().map(|item| item.book_id));
    orders.rows.push(fact);
}

#[cfg(test)]
mod tests {
    //! Proves that what the services' own schemas hold can be read, and what is not there is named.

    use platform::db::{DatabaseOptions, Migration};
    use tempfile::TempDir;

    use super::*;
    use crate::check::invariants::judge;

    #[tokio::test]
    async fn fresh_databases_read_as_a_sound_and_empty_system() -> anyhow::Result<()> {
        let folder = TempDir::new()?;
        let config = Config::load(None, folder.path())?;
        let fresh: [(&DatabaseUrl, &'static [Migration]); 4] = [
            (&config.catalog.database, catalog::MIGRATIONS),
            (&config.inventory.database, inventory::MIGRATIONS),
            (&config.order.database, order::MIGRATIONS),
            (&config.payment.database, payment::MIGRATIONS),
        ];
        for (url, migrations) in fresh {
            Database::open(url, migrations, DatabaseOptions::default())
                .await?
                .close()
                .await;
        }
        let databases = Databases::open(&config)?;
        let facts = databases.read().await?;
        databases.close().await;
        assert_eq!(judge(&facts), []);
        assert_eq!((facts.catalog.books, facts.orders.rows.len()), (0, 0));
        assert!(!facts.orders.is_running);
        Ok(())
    }

    #[test]
    fn a_database_that_is_not_there_is_named() -> anyhow::Result<()> {
        let folder = TempDir::new()?;
        let config = Config::load(None, folder.path())?;
        let error = Databases::open(&config)
            .err()
            .map(|error| format!("{error:#}"));
        assert!(error.is_some_and(|error| error.starts_with("catalog.database: ")));
        Ok(())
    }
}
