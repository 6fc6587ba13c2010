-- Orders. The row is the saga's log: it is written before anything happens elsewhere.
-- status: 0 creating (hidden), 1 pending, 2 paid, 3 shipped, 4 completed, 5 cancelled,
-- 6 abandoned (hidden). expire_at: while creating the end of the creator's lease, from pending on
-- the deadline of payment; so one index serves both sweeps.
CREATE TABLE orders (
    id             INTEGER      NOT NULL PRIMARY KEY,
    order_no       VARCHAR(32)  NOT NULL,
    user_id        BIGINT       NOT NULL,
    total          BIGINT       NOT NULL CHECK (total > 0),
    status         TINYINT      NOT NULL CHECK (status BETWEEN 0 AND 6),
    created_at     DATETIME(3)  NOT NULL,
    updated_at     DATETIME(3)  NOT NULL,
    expire_at      DATETIME(3)  NOT NULL,
    -- The user's id in 8 bytes, then the idempotency key: one column, so that one IN finds a batch.
    -- NULL where no key was given, or where it is free again.
    request_key    VARBINARY(72),
    fingerprint    VARBINARY(16),
    payment_no     VARCHAR(32),
    third_party_no VARCHAR(64),
    -- Whether the payment's money goes, or went, back.
    refunded       TINYINT      NOT NULL,
    -- 0 not cancelled, 1 asked for (in the words of cancel_reason), 2 not paid in time,
    -- 3 paid with another amount, 4 refunded at the payment service.
    cancel_cause   TINYINT      NOT NULL,
    cancel_reason  VARCHAR(200) NOT NULL
);
CREATE UNIQUE INDEX orders_by_number ON orders (order_no);
CREATE UNIQUE INDEX orders_by_request ON orders (request_key);
CREATE INDEX orders_by_deadline ON orders (status, expire_at);
CREATE INDEX orders_by_user ON orders (user_id, id);

-- What was ordered, as it was then. id counts the lines of its order from 1: with the order in
-- front it is the primary key, so an order's items lie together and need no index of their own.
CREATE TABLE order_items (
    order_id   BIGINT       NOT NULL,
    id         INT          NOT NULL,
    book_id    BIGINT       NOT NULL,
    book_title VARCHAR(200) NOT NULL,
    quantity   INT          NOT NULL CHECK (quantity > 0),
    price      BIGINT       NOT NULL CHECK (price >= 0),
    PRIMARY KEY (order_id, id)
) WITHOUT ROWID;

-- Every move of an order that callers may know of; rows are added and never changed. The state
-- machine has no cycle, so an order enters a state once: the primary key says so.
CREATE TABLE order_history (
    order_id    BIGINT      NOT NULL,
    to_status   TINYINT     NOT NULL,
    from_status TINYINT     NOT NULL,
    moved_at    DATETIME(3) NOT NULL,
    PRIMARY KEY (order_id, to_status)
) WITHOUT ROWID;

-- The outbox: what another service has to do because of a move, written in the move's transaction.
-- kind: 1 release the stock, 2 commit it, 3 refund the money. due_at is also the lease of whoever
-- works on it. order_no is NULL for money that came for no order of ours.
CREATE TABLE order_tasks (
    order_id   BIGINT       NOT NULL,
    kind       TINYINT      NOT NULL CHECK (kind BETWEEN 1 AND 3),
    order_no   VARCHAR(32),
    attempts   INT          NOT NULL,
    refusals   INT          NOT NULL,
    due_at     DATETIME(3)  NOT NULL,
    parked     TINYINT      NOT NULL,
    last_error VARCHAR(500),
    created_at DATETIME(3)  NOT NULL,
    PRIMARY KEY (order_id, kind)
) WITHOUT ROWID;
CREATE INDEX order_tasks_by_due ON order_tasks (parked, due_at);

-- How far each feed has been followed; moved in the transaction that applies its events.
CREATE TABLE feed_cursors (
    feed     VARCHAR(32) NOT NULL PRIMARY KEY,
    event_id BIGINT      NOT NULL
);
INSERT INTO feed_cursors (feed, event_id) VALUES ('payments', 0);

-- Who may do something alone, and until when.
CREATE TABLE leases (
    name       VARCHAR(32) NOT NULL PRIMARY KEY,
    holder     VARCHAR(64) NOT NULL,
    expires_at DATETIME(3) NOT NULL
);

-- The next free number of each kind of id.
CREATE TABLE id_counters (
    name VARCHAR(32) NOT NULL PRIMARY KEY,
    next BIGINT      NOT NULL
);
INSERT INTO id_counters (name, next) VALUES ('orders', 1);
