//! A server on this machine, by its Unix socket.

use std::path::Path;

use platform::db::{Database, DatabaseOptions, DatabaseUrl};
use testkit::servers::MysqlServer;

use super::{MIGRATIONS, insert, open};

/// A port at which nobody listens: whoever gets an answer has not asked there.
const NOWHERE: &str = "127.0.0.1:1";

/// The URL of a new database, at `socket`.
async fn at(server: &MysqlServer, socket: &Path) -> DatabaseUrl {
    let setting = server.new_database_setting().await.unwrap();
    let url = setting.replace(server.address(), NOWHERE);
    assert_ne!(url, setting);
    let url = format!("{url}?socket={}", socket.display());
    url.parse().unwrap()
}

#[tokio::test]
async fn a_socket_takes_the_place_of_host_and_port() {
    let Some(server) = MysqlServer::start().await.unwrap() else {
        return;
    };
    let socket = server.socket().unwrap();
    let database = open(&at(&server, &socket).await).await;
    insert(&database, 1, 7).await.unwrap();
    database.close().await;

    let absent = at(&server, &socket.with_extension("absent")).await;
    let opened = Database::open(&absent, MIGRATIONS, DatabaseOptions::default()).await;
    let mistake = opened.err().unwrap().to_string();
    assert!(mistake.contains("no server answers there"), "{mistake}");
}
