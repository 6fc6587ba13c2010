use std::sync::Arc;

use anyhow::ensure;
use api::inventory::v1 as wire;
use async_trait::async_trait;
use inventory::store::Store;
use inventory::store::memory::{MemoryStore, Snapshot};
use platform::net::Transport;
use platform::server::RunningService;

use super::{World, ask, deps, words_of};

/// Books 1 to 4 with stock, 5 with almost more than fits; holds of either kind, a fence, a commit.
pub(super) struct InventoryWorld {
    running: RunningService,
    store: Arc<MemoryStore>,
    seeded: Snapshot,
    remembered: Snapshot,
    words: Vec<String>,
}

impl InventoryWorld {
    pub(super) async fn open() -> anyhow::Result<Self> {
        let store = Arc::new(MemoryStore::new());
        let running = inventory::start_with_store(Arc::<MemoryStore>::clone(&store), deps()).await;
        seed(&running.transport()).await?;
        let seeded = store.snapshot();
        let words = [
            "single",
            "batch",
            "fenced",
            "gone",
            "restock",
            "single-book-1",
            "batch:fence",
            "Single",
        ];
        Ok(Self {
            running,
            remembered: seeded.clone(),
            seeded,
            words: words_of(words),
            store,
        })
    }
}

async fn seed(transport: &Transport) -> anyhow::Result<()> {
    let path = |method: &str| format!("/inventory.v1.InventoryService/{method}");
    for (book_id, quantity) in [(1, 5), (2, 3), (3, 100), (4, 1), (5, i32::MAX - 2)] {
        let restock = wire::RestockInventoryRequest {
            book_id,
            quantity,
            idempotency_key: if book_id == 1 { "restock" } else { "" }.to_owned(),
        };
        let reply: wire::RestockInventoryResponse =
            ask(transport, &path("RestockInventory"), restock).await?;
        ensure!(reply.code == 0, "{reply:?}");
    }
    let single = wire::DeductStockRequest {
        book_id: 1,
        quantity: 2,
        reference_id: 1,
        idempotency_key: "single".to_owned(),
    };
    let reply: wire::DeductStockResponse = ask(transport, &path("DeductStock"), single).await?;
    ensure!(reply.code == 0, "{reply:?}");
    for key in ["batch", "gone"] {
        let item = |book_id| wire::StockItem {
            book_id,
            quantity: 1,
        };
        let batch = wire::BatchDeductStockRequest {
            idempotency_key: key.to_owned(),
            reference_id: 2,
            items: vec![item(2), item(3)],
        };
        let reply: wire::BatchDeductStockResponse =
            ask(transport, &path("BatchDeductStock"), batch).await?;
        ensure!(reply.code == 0, "{reply:?}");
    }
    let commit = wire::CommitStockRequest {
        idempotency_key: "gone".to_owned(),
    };
    let reply: wire::CommitStockResponse = ask(transport, &path("CommitStock"), commit).await?;
    ensure!(reply.committed.len() == 2, "{reply:?}");
    let fence = wire::BatchReleaseStockRequest {
        idempotency_key: "fenced".to_owned(),
    };
    let reply: wire::BatchReleaseStockResponse =
        ask(transport, &path("BatchReleaseStock"), fence).await?;
    ensure!(reply.code == 0, "{reply:?}");
    Ok(())
}

#[async_trait(?Send)]
impl World for InventoryWorld {
    fn transport(&self) -> Transport {
        self.running.transport()
    }

    fn words(&self) -> &[String] {
        &self.words
    }

    fn remember(&mut self) {
        self.remembered = self.store.snapshot();
    }

    fn has_changed(&self) -> bool {
        self.store.snapshot() != self.remembered
    }

    /// An operation is in the store before it is answered.
    async fn settle(&self) -> anyhow::Result<()> {
        Ok(())
    }

    async fn audit(&self) -> anyhow::Result<()> {
        let audit = self.store.read_audit().await?;
        ensure!(audit.problems.is_empty(), "{:?}", audit.problems);
        let sums = self
            .store
            .read_sums(inventory::store::LedgerSums::default(), 0);
        ensure!(sums.await?.drift() == 0);
        Ok(())
    }

    async fn restore(&mut self) -> anyhow::Result<()> {
        self.store.restore(&self.seeded);
        Ok(())
    }
}
