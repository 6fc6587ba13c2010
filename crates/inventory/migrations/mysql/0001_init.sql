-- Balances: a running total of the ledger below, changed in the same transaction.
CREATE TABLE IF NOT EXISTS inventories (
    id       BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    book_id  BIGINT NOT NULL,
    quantity INT    NOT NULL CHECK (quantity >= 0),
    reserved INT    NOT NULL CHECK (reserved >= 0),
    version  BIGINT NOT NULL,
    UNIQUE (book_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- The ledger: append-only, and the truth. The sums of a book's changes are its balance; the sum of
-- change_reserved over a hold_key is what is outstanding under that hold.
CREATE TABLE IF NOT EXISTS inventory_logs (
    id              BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    book_id         BIGINT        NOT NULL,
    operation_type  VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin    NOT NULL, -- restock, deduct, release, commit
    change_quantity INT           NOT NULL,
    change_reserved INT           NOT NULL,
    quantity_after  INT           NOT NULL,
    reserved_after  INT           NOT NULL,
    version_after   BIGINT        NOT NULL, -- numbers the entries of a book from 1
    idempotency_key VARBINARY(64) NULL,     -- of the request, where it wrote this entry alone
    hold_key        VARBINARY(64) NULL,     -- of the hold that is opened or settled
    reference_id    BIGINT        NULL,
    created_at      DATETIME(3)   NOT NULL,
    -- A lost update would write the same version twice, and fail here.
    UNIQUE (book_id, version_after),
    UNIQUE KEY inventory_logs_key (idempotency_key),
    KEY inventory_logs_hold (hold_key)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- The one namespace of idempotency keys: what each was used for, and what it answered.
-- Rows are never deleted: a fence must outlast the last late message.
CREATE TABLE IF NOT EXISTS inventory_keys (
    idempotency_key VARBINARY(64) NOT NULL PRIMARY KEY,
    used_by         VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin    NOT NULL, -- restock, release, deduct, batch, fence
    fingerprint     VARBINARY(16) NULL,     -- of the request; none on a fence
    reference_id    BIGINT        NULL,     -- deduct, batch
    state           VARCHAR(9) CHARACTER SET ascii COLLATE ascii_bin    NULL,     -- deduct, batch: held, released, committed
    answer_quantity INT           NULL,     -- restock, release, deduct: the first answer
    book_id         BIGINT        NULL,     -- deduct
    open_version    BIGINT        NULL,     -- deduct: the book's version then, while something is outstanding
    outstanding     INT           NULL,     -- deduct
    settled         INT           NULL,     -- deduct: copies that the end of the hold moved
    created_at      DATETIME(3)   NOT NULL,
    -- What ReleaseStock can reach, oldest first.
    KEY inventory_keys_open (book_id, reference_id, open_version)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
