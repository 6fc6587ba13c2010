-- Lists go by the time of creation. Ids do not: replicas take them from blocks of their own.
-- Each step looks whether it has been done: a crash between two leaves them so.
SET @found = (SELECT COUNT(*) FROM information_schema.statistics WHERE table_schema = DATABASE()
    AND table_name = 'orders' AND index_name = 'orders_of_user');
SET @step = IF(@found = 0, 'CREATE INDEX orders_of_user ON orders (user_id, created_at)', 'DO 0');
PREPARE step FROM @step;
EXECUTE step;

SET @found = (SELECT COUNT(*) FROM information_schema.statistics WHERE table_schema = DATABASE()
    AND table_name = 'orders' AND index_name = 'orders_by_time');
SET @step = IF(@found = 0, 'CREATE INDEX orders_by_time ON orders (created_at)', 'DO 0');
PREPARE step FROM @step;
EXECUTE step;

SET @found = (SELECT COUNT(*) FROM information_schema.statistics WHERE table_schema = DATABASE()
    AND table_name = 'orders' AND index_name = 'orders_by_user');
SET @step = IF(@found > 0, 'DROP INDEX orders_by_user ON orders', 'DO 0');
PREPARE step FROM @step;
EXECUTE step;
DEALLOCATE PREPARE step;
