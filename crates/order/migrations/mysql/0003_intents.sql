-- The log of creations whose orders are written down only once their stock is held: ids under which a
-- replica may have asked for stock. A row goes when each of its ids has an order or holds nothing.
CREATE TABLE IF NOT EXISTS order_intents (
    first_id    BIGINT      NOT NULL PRIMARY KEY,
    last_id     BIGINT      NOT NULL,
    -- What all their numbers are made from, so that what is held under them can be found.
    numbered_at DATETIME(3) NOT NULL,
    -- The end of the creator's lease, or of recovery's.
    expires_at  DATETIME(3) NOT NULL,
    -- How many orders were written down under it.
    written     BIGINT      NOT NULL,
    -- Whether recovery has it: no order is written down under it any more.
    recovering  TINYINT     NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
