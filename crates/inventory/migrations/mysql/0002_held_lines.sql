-- What a batch deducted stands in its key's row: ending a hold need not look for its entries, and the
-- ledger needs no index by hold.
-- Each step looks whether it has been done: a crash between two leaves them so.
SET @found = (SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE()
    AND table_name = 'inventory_keys' AND column_name = 'held_lines');
SET @step = IF(@found = 0, 'ALTER TABLE inventory_keys ADD COLUMN held_lines VARCHAR(8000)
    CHARACTER SET ascii COLLATE ascii_bin NULL', 'DO 0');
PREPARE step FROM @step;
EXECUTE step;

SET SESSION group_concat_max_len = 8000;
UPDATE inventory_keys SET held_lines = (
    SELECT GROUP_CONCAT(CONCAT_WS(':', book_id, change_reserved, quantity_after, reserved_after,
        version_after) ORDER BY id SEPARATOR ',')
    FROM inventory_logs WHERE hold_key = inventory_keys.idempotency_key AND operation_type = 'deduct')
WHERE used_by = 'batch' AND held_lines IS NULL;

SET @found = (SELECT COUNT(*) FROM information_schema.statistics WHERE table_schema = DATABASE()
    AND table_name = 'inventory_logs' AND index_name = 'inventory_logs_hold');
SET @step = IF(@found > 0, 'DROP INDEX inventory_logs_hold ON inventory_logs', 'DO 0');
PREPARE step FROM @step;
EXECUTE step;
DEALLOCATE PREPARE step;
