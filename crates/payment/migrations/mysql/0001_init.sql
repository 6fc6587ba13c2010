-- One row an order: what callers see of its money. Tells of the order's last attempt.
CREATE TABLE IF NOT EXISTS payments (
    id             BIGINT      NOT NULL PRIMARY KEY,
    payment_no     VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    order_id       BIGINT      NOT NULL,
    amount         BIGINT      NOT NULL CHECK (amount > 0),
    status         TINYINT     NOT NULL CHECK (status BETWEEN 1 AND 4), -- 1 PENDING 2 PAID 3 REFUNDED 4 FAILED
    payment_method VARCHAR(20) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    third_party_no VARCHAR(64) NULL,
    created_at     DATETIME(3) NOT NULL,
    updated_at     DATETIME(3) NOT NULL,
    UNIQUE KEY uk_payments_payment_no (payment_no),
    UNIQUE KEY uk_payments_order_id (order_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- One row a try to charge. At most one attempt of an order is open or holds money, and it is the
-- one that the order's payment names.
CREATE TABLE IF NOT EXISTS payment_attempts (
    payment_no     VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    order_id       BIGINT      NOT NULL,
    amount         BIGINT      NOT NULL CHECK (amount > 0),
    payment_method VARCHAR(20) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    state          TINYINT     NOT NULL CHECK (state BETWEEN 1 AND 5), -- 1 charging 2 charged 3 refused 4 refunding 5 refunded
    next_check_at  DATETIME(3) NULL, -- when the gateway is asked again; not null exactly while charging or refunding
    created_at     DATETIME(3) NOT NULL,
    updated_at     DATETIME(3) NOT NULL,
    KEY ix_payment_attempts_next_check_at (next_check_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- The feed: every settled change, once, numbered 1, 2, 3 … without a gap and in the order in which
-- the changes became visible. Append-only.
CREATE TABLE IF NOT EXISTS payment_events (
    id         BIGINT      NOT NULL PRIMARY KEY,
    order_id   BIGINT      NOT NULL,
    payment_no VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    amount     BIGINT      NOT NULL,
    status     TINYINT     NOT NULL CHECK (status BETWEEN 2 AND 4),
    created_at DATETIME(3) NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Where numbering stands. `payments` hands out serials in blocks and may skip some;
-- `payment_events` is moved by the transaction that writes the events, and skips none.
CREATE TABLE IF NOT EXISTS id_counters (
    name VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    next BIGINT      NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
INSERT IGNORE INTO id_counters (name, next) VALUES ('payment_events', 1), ('payments', 1);
