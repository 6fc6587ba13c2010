-- Lists go by the time of creation. Ids do not: replicas take them from blocks of their own.
CREATE INDEX orders_of_user ON orders (user_id, created_at);
CREATE INDEX orders_by_time ON orders (created_at);
DROP INDEX orders_by_user;
