//! Every statement of D1 is prepared against `migrations/`, applied in order.
#![allow(clippy::unwrap_used, missing_docs)]

use claw_relay::db::STATEMENTS;
use rusqlite::Connection;

fn migrated() -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch("pragma foreign_keys = on").unwrap();
    let mut files: Vec<_> = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty());
    for file in files {
        connection.execute_batch(&std::fs::read_to_string(&file).unwrap()).unwrap();
    }
    connection
}

#[test]
fn every_statement_prepares() {
    let connection = migrated();
    for statement in STATEMENTS {
        connection.prepare(statement).unwrap_or_else(|error| panic!("{statement}: {error}"));
    }
}

/// `STATEMENTS` is written by hand: it must name every constant of SQL in `src/db.rs`.
#[test]
fn no_statement_is_left_out() {
    let source = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/db.rs")).unwrap();
    let constants = source.matches(": &str =").count();
    assert_eq!(constants, STATEMENTS.len());
}

#[test]
fn a_deleted_user_leaves_nothing_behind() {
    let connection = migrated();
    connection
        .execute_batch(
            "insert into users values ('usr_1', 'a', 'operator', 1);
             insert into agents values ('agt_1', 'usr_1', 'laptop', 1);
             insert into agent_keys values ('key_1', 'agt_1', 1);
             insert into accounts values ('main', 'feishu', 'usr_1', '{}', 1);
             insert into identities values ('main', 'ou_1', 'usr_1', 1);
             delete from users;",
        )
        .unwrap();
    for table in ["agents", "agent_keys", "identities"] {
        let rows: i64 = connection.query_row(&format!("select count(*) from {table}"), [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 0, "{table}");
    }
    let default_user: Option<String> =
        connection.query_row("select default_user from accounts", [], |row| row.get(0)).unwrap();
    assert_eq!(default_user, None, "the account stays, and reaches nobody");
}
