-- The four databases, and who may do what in them: one user changes the schemas, each service reads
-- and writes its own rows, one user reads everything. Runs as an administrator; running it again
-- changes nothing, passwords included.
--
-- ${…} stand for passwords: init.sh fills them in, or `envsubst < init.sql | mysql -u root -p`.
-- Users may come from any host: narrow '%' where the services' network is known.

CREATE DATABASE IF NOT EXISTS catalog_db   CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
CREATE DATABASE IF NOT EXISTS inventory_db CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
CREATE DATABASE IF NOT EXISTS order_db     CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
CREATE DATABASE IF NOT EXISTS payment_db   CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- `bookstore migrate`. Schemas only grow: it may not drop.
CREATE USER IF NOT EXISTS 'migrate'@'%' IDENTIFIED BY '${MIGRATE_PASSWORD}';
GRANT SELECT, INSERT, UPDATE, CREATE, ALTER, INDEX ON catalog_db.*   TO 'migrate'@'%';
GRANT SELECT, INSERT, UPDATE, CREATE, ALTER, INDEX ON inventory_db.* TO 'migrate'@'%';
GRANT SELECT, INSERT, UPDATE, CREATE, ALTER, INDEX ON order_db.*     TO 'migrate'@'%';
GRANT SELECT, INSERT, UPDATE, CREATE, ALTER, INDEX ON payment_db.*   TO 'migrate'@'%';

-- `bookstore serve … --no-migrate`. Only the order service, or an operator in its
-- place, ever deletes a row.
CREATE USER IF NOT EXISTS 'catalog'@'%'   IDENTIFIED BY '${CATALOG_PASSWORD}';
CREATE USER IF NOT EXISTS 'inventory'@'%' IDENTIFIED BY '${INVENTORY_PASSWORD}';
CREATE USER IF NOT EXISTS 'order'@'%'     IDENTIFIED BY '${ORDER_PASSWORD}';
CREATE USER IF NOT EXISTS 'payment'@'%'   IDENTIFIED BY '${PAYMENT_PASSWORD}';
GRANT SELECT, INSERT, UPDATE         ON catalog_db.*   TO 'catalog'@'%';
GRANT SELECT, INSERT, UPDATE         ON inventory_db.* TO 'inventory'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE ON order_db.*     TO 'order'@'%';
GRANT SELECT, INSERT, UPDATE         ON payment_db.*   TO 'payment'@'%';

-- `bookstore check`.
CREATE USER IF NOT EXISTS 'audit'@'%' IDENTIFIED BY '${AUDIT_PASSWORD}';
GRANT SELECT ON catalog_db.*   TO 'audit'@'%';
GRANT SELECT ON inventory_db.* TO 'audit'@'%';
GRANT SELECT ON order_db.*     TO 'audit'@'%';
GRANT SELECT ON payment_db.*   TO 'audit'@'%';
