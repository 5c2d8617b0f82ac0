//! SQLite under `rusqlite`, as the relay's `Sql` sees it. Read by path from sim/ and fuzz/ too.

use relay::store::{Row, Value};
use rusqlite::Connection;
use rusqlite::types::ValueRef;

/// Runs a statement with its positional parameters and answers its rows.
pub fn rows(
    connection: &Connection,
    statement: &'static str,
    parameters: Vec<Value>,
) -> Result<Vec<Row>, rusqlite::Error> {
    let mut statement = connection.prepare_cached(statement)?;
    let columns = statement.column_count();
    let parameters = parameters.into_iter().map(|value| match value {
        Value::Blob(bytes) => rusqlite::types::Value::Blob(bytes),
        Value::Integer(integer) => rusqlite::types::Value::Integer(integer),
        Value::Null => rusqlite::types::Value::Null,
        Value::Text(text) => rusqlite::types::Value::Text(text),
    });
    // Refuses too few parameters as well as too many.
    let mut rows = statement.query(rusqlite::params_from_iter(parameters))?;
    let mut read = Vec::new();
    while let Some(row) = rows.next()? {
        let column = |index| {
            Ok(match row.get_ref(index)? {
                ValueRef::Integer(integer) => Value::Integer(integer),
                ValueRef::Null => Value::Null,
                ValueRef::Text(text) => Value::Text(String::from_utf8(text.to_vec()).expect("SQLite was given UTF-8")),
                ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
                other => panic!("a column holds {other:?}"),
            })
        };
        read.push((0..columns).map(column).collect::<Result<Row, rusqlite::Error>>()?);
    }
    Ok(read)
}
