#!/usr/bin/env bash
# Run by the MySQL image once, on an empty volume: init.sql with the passwords of the environment.
set -eu

sql=$(cat /etc/bookstore/init.sql)
for name in MIGRATE CATALOG INVENTORY ORDER PAYMENT AUDIT; do
    variable="${name}_PASSWORD"
    password=${!variable:?is not set}
    sql=${sql//"\${$variable}"/"$password"}
done
MYSQL_PWD=$MYSQL_ROOT_PASSWORD mysql --protocol=socket --user=root <<<"$sql"
