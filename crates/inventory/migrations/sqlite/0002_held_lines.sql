-- What a batch deducted stands in its key's row: ending a hold need not look for its entries, and the
-- ledger needs no index by hold.
ALTER TABLE inventory_keys ADD COLUMN held_lines VARCHAR(8000) NULL;
UPDATE inventory_keys SET held_lines = (
    SELECT group_concat(book_id || ':' || change_reserved || ':' || quantity_after || ':'
        || reserved_after || ':' || version_after, ',' ORDER BY id)
    FROM inventory_logs WHERE hold_key = inventory_keys.idempotency_key AND operation_type = 'deduct')
WHERE used_by = 'batch';
DROP INDEX inventory_logs_hold;
