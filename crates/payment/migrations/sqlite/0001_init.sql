-- One row an order: what callers see of its money. Tells of the order's last attempt.
CREATE TABLE payments (
    id             BIGINT      NOT NULL PRIMARY KEY,
    payment_no     VARCHAR(32) NOT NULL,
    order_id       BIGINT      NOT NULL,
    amount         BIGINT      NOT NULL CHECK (amount > 0),
    status         TINYINT     NOT NULL CHECK (status BETWEEN 1 AND 4), -- 1 PENDING 2 PAID 3 REFUNDED 4 FAILED
    payment_method VARCHAR(20) NOT NULL,
    third_party_no VARCHAR(64) NULL,
    created_at     DATETIME(3) NOT NULL,
    updated_at     DATETIME(3) NOT NULL
);
CREATE UNIQUE INDEX uk_payments_payment_no ON payments (payment_no);
CREATE UNIQUE INDEX uk_payments_order_id ON payments (order_id);

-- One row a try to charge. At most one attempt of an order is open or holds money, and it is the
-- one that the order's payment names.
CREATE TABLE payment_attempts (
    payment_no     VARCHAR(32) NOT NULL PRIMARY KEY,
    order_id       BIGINT      NOT NULL,
    amount         BIGINT      NOT NULL CHECK (amount > 0),
    payment_method VARCHAR(20) NOT NULL,
    state          TINYINT     NOT NULL CHECK (state BETWEEN 1 AND 5), -- 1 charging 2 charged 3 refused 4 refunding 5 refunded
    next_check_at  DATETIME(3) NULL, -- when the gateway is asked again; not null exactly while charging or refunding
    created_at     DATETIME(3) NOT NULL,
    updated_at     DATETIME(3) NOT NULL
);
CREATE INDEX ix_payment_attempts_next_check_at ON payment_attempts (next_check_at);

-- The feed: every settled change, once, numbered 1, 2, 3 … without a gap and in the order in which
-- the changes became visible. Append-only.
CREATE TABLE payment_events (
    id         BIGINT      NOT NULL PRIMARY KEY,
    order_id   BIGINT      NOT NULL,
    payment_no VARCHAR(32) NOT NULL,
    amount     BIGINT      NOT NULL,
    status     TINYINT     NOT NULL CHECK (status BETWEEN 2 AND 4),
    created_at DATETIME(3) NOT NULL
);

-- Where numbering stands. `payments` hands out serials in blocks and may skip some;
-- `payment_events` is moved by the transaction that writes the events, and skips none.
CREATE TABLE id_counters (
    name VARCHAR(32) NOT NULL PRIMARY KEY,
    next BIGINT      NOT NULL
);
INSERT INTO id_counters (name, next) VALUES ('payment_events', 1), ('payments', 1);
