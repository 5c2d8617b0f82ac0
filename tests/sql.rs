//! Every statement of D1 is prepared against `migrations/`, applied in order.
#![allow(clippy::unwrap_used, missing_docs)]

use claw_relay::db::statements;
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
    assert!(statements().len() > 80, "{}", statements().len());
    for statement in statements() {
        connection.prepare(statement).unwrap_or_else(|error| panic!("{statement}: {error}"));
    }
}

/// Every SQL text stands in a `statements!` block: none is written where this test does not see it.
#[test]
fn no_statement_is_left_out() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/db");
    let mut blocks = 0;
    for file in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let source = std::fs::read_to_string(&file).unwrap();
        blocks += source.matches("\nstatements! {").count();
        assert_eq!(source.matches(": &str = \"").count(), 0, "{}: a statement by itself", file.display());
    }
    assert_eq!(blocks, 12);
}

/// Whatever tables come: what belongs to a user goes with them, and no row names them.
#[test]
fn a_deleted_user_leaves_nothing_behind() {
    let connection = migrated();
    connection
        .execute_batch(
            "insert into users (id, name, role, audit_id, created_ms) values ('usr_1', 'a', 'operator', 'who_1', 1);
             insert into agents values ('agt_1', 'usr_1', 'laptop', 1);
             insert into agent_keys (id, agent_id, created_ms) values ('key_1', 'agt_1', 1);
             insert into accounts (id, platform, default_user, settings, created_ms)
                values ('main', 'feishu', 'usr_1', '{}', 1);
             insert into identities (id, account_id, sender, user_id, created_ms) values ('idt_1', 'main', 'ou_1', 'usr_1', 1);
             insert into logins values ('password', 'a@b.cc', 'usr_1', 'hash', 1);
             insert into sessions values ('ses_1', 'usr_1', 'client', 1, 1, 0, 1, 2);
             insert into links values ('hash', 'usr_1', 1, 2);
             insert into account_groups values ('main', 'oc_1', 'usr_1', 1);
             insert into configs values ('usr_1', 'sealed');
             insert into idempotency values ('key', 'usr_1', 'hash', null, null, 1, 2);
             insert into chats values ('feishu:main:oc_1', 'usr_1');
             insert into audit values (1, 1, 'who_1', 'user.create', null, null, 'hash');
             delete from users;",
        )
        .unwrap();
    let tables: Vec<String> = connection
        .prepare("select name from sqlite_master where type = 'table' and name not like 'sqlite%'")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert!(tables.len() > 15, "{tables:?}");
    for table in tables {
        let rows: i64 = connection.query_row(&format!("select count(*) from {table}"), [], |row| row.get(0)).unwrap();
        let expected = i64::from(table == "accounts" || table == "audit");
        assert_eq!(rows, expected, "{table}");
    }
    let default_user: Option<String> =
        connection.query_row("select default_user from accounts", [], |row| row.get(0)).unwrap();
    assert_eq!(default_user, None, "the account stays, and reaches nobody");
}

/// The one that begins like this.
fn statement(begin: &str) -> &'static str {
    statements().into_iter().find(|text| text.starts_with(begin)).unwrap()
}

/// A deed is told if it changes something, whether it ends with `returning` or not, and by its own change alone.
#[test]
fn what_changes_nothing_is_not_told() {
    let connection = migrated();
    connection.execute("insert into providers values ('main', 'feishu', '{}', 1)", []).unwrap();
    let delete = statement("delete from providers");
    let append = statements().into_iter().find(|text| text.contains("where changes() > 0")).unwrap();
    let mut seq = 0;
    let mut told = |provider: &str| {
        seq += 1;
        let deleted = connection.prepare(delete).unwrap().query_map([provider], |_| Ok(())).unwrap().count();
        let entry = (seq, 1, "who_1", "provider.delete", provider, None::<&str>, "hash");
        (deleted, connection.execute(append, entry).unwrap())
    };
    assert_eq!(told("other"), (0, 0));
    assert_eq!(told("main"), (1, 1));
    assert_eq!(told("main"), (0, 0), "after an entry, which is a change too");
}

/// Of two who take one login, the second changes nothing.
#[test]
fn a_login_has_one_owner() {
    let connection = migrated();
    let insert = statement("insert into users (id, name, role, audit_id, created_ms) select ?1");
    let login = statement("insert into logins (kind, subject, user_id, secret, created_ms)\n        select ?1");
    let register = |user: &str, kind: &str, subject: &str| {
        connection.execute("begin", []).unwrap();
        let person = (user, "a", "user", user, 1, kind, subject);
        let inserted = connection.prepare(insert).unwrap().query_map(person, |_| Ok(())).unwrap().count();
        let with_login = connection.execute(login, (kind, subject, user, "secret", 1)).unwrap();
        connection.execute("commit", []).unwrap();
        (inserted, with_login)
    };
    assert_eq!(register("usr_1", "password", "a@b.cc"), (1, 1));
    assert_eq!(register("usr_2", "password", "a@b.cc"), (0, 0));
    assert_eq!(register("usr_2", "feishu", "a@b.cc"), (1, 1));
    let (change, put) = (
        statement("update users set role"),
        statement("insert into logins (kind, subject, user_id, secret, created_ms)\n        select 'password'"),
    );
    let others = statement("delete from logins where user_id = ?1 and kind = 'password'");
    let change = |user: &str, subject: &str| {
        let values = ("operator", 0, user, 1, Some(subject));
        let changed = connection.prepare(change).unwrap().query_map(values, |_| Ok(())).unwrap().count();
        let values = (user, subject, "new", 1, Some("operator"), Some(0));
        let put = connection.prepare(put).unwrap().query_map(values, |_| Ok(())).unwrap().count();
        (changed, put, connection.execute(others, (user, subject)).unwrap())
    };
    assert_eq!(change("usr_2", "a@b.cc"), (0, 0, 0));
    assert_eq!(change("usr_1", "c@d.ee"), (1, 1, 1), "the old one goes");
    assert_eq!(change("usr_2", "a@b.cc"), (1, 1, 0), "it is free now");
}

#[test]
fn the_audit_log_is_append_only() {
    let connection = migrated();
    connection.execute_batch("insert into audit values (1, 1, 'who_1', 'user.create', null, null, 'hash')").unwrap();
    for statement in ["update audit set actor = 'who_2'", "delete from audit", "delete from audit where seq = 1"] {
        let error = connection.execute_batch(statement).unwrap_err().to_string();
        assert!(error.contains("append-only"), "{statement}: {error}");
    }
}

/// One operator who can sign in is always left.
#[test]
fn the_last_operator_stays() {
    let connection = migrated();
    let user = |id: &str, role: &str| {
        let statement = "insert into users (id, name, role, audit_id, created_ms) values (?, 'a', ?, ?, 1)";
        connection.execute(statement, [id, role, id]).unwrap();
    };
    user("usr_1", "operator");
    user("usr_2", "user");
    let (delete, change) = (statement("delete from users"), statement("update users set role"));
    let deleted = |id: &str| connection.prepare(delete).unwrap().query([id]).unwrap().next().unwrap().is_some();
    let changed = |role: &str, disabled: i64, id: &str, is_operator: i64| {
        let mut statement = connection.prepare(change).unwrap();
        let mut rows = statement.query((role, disabled, id, is_operator, None::<&str>)).unwrap();
        rows.next().unwrap().is_some()
    };
    assert!(!deleted("usr_1"));
    assert!(!changed("user", 0, "usr_1", 0));
    assert!(!changed("operator", 1, "usr_1", 0));
    assert!(changed("operator", 0, "usr_2", 1));
    assert!(changed("operator", 1, "usr_1", 0), "another one is there");
    assert!(!changed("user", 0, "usr_2", 0), "the other one cannot sign in");
    assert!(deleted("usr_1"), "who is disabled is not needed");
    assert!(!deleted("usr_2"));
}
