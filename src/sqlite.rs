//! The Hub's SQLite in a Durable Object.

use std::fmt;

use relay::store::{Corrupt, Row, Sql, Value};
use worker::wasm_bindgen::prelude::wasm_bindgen;
use worker::wasm_bindgen::{JsCast, JsValue};
use worker::{SqlStorage, SqlStorageValue, Storage};

/// A Durable Object's database.
#[derive(Clone)]
pub struct Sqlite(SqlStorage);

/// Why a statement or a transaction failed.
#[derive(Debug)]
pub struct SqliteError(String);

impl Sqlite {
    /// The database of this storage.
    pub fn new(storage: &Storage) -> Sqlite {
        Sqlite(storage.sql())
    }
}

impl Sql for Sqlite {
    type Error = SqliteError;

    fn run(&self, statement: &'static str, parameters: Vec<Value>) -> Result<Vec<Row>, SqliteError> {
        let parameters: Vec<SqlStorageValue> = parameters.into_iter().map(store).collect();
        let cursor = self.0.exec(statement, parameters).map_err(|error| SqliteError(error.to_string()))?;
        cursor
            .raw()
            .map(|row| row.map_err(|error| SqliteError(error.to_string()))?.into_iter().map(load).collect())
            .collect()
    }
}

/// Runs `work` in a transaction that is rolled back when it fails. `work` must not await.
pub fn transaction<T>(storage: &Storage, work: impl FnOnce() -> Result<T, SqliteError>) -> Result<T, SqliteError> {
    let mut work = Some(work);
    let mut result = None;
    let mut once = || -> Result<(), JsValue> {
        let Some(work) = work.take() else { return Err(JsValue::from("called twice")) };
        let done = work();
        let failed = done.as_ref().err().map(|error| JsValue::from(error.0.as_str()));
        result = Some(done);
        // Thrown, so that the runtime rolls back.
        failed.map_or(Ok(()), Err)
    };
    let storage: &SyncStorage = storage.as_raw().unchecked_ref();
    let thrown = storage.transaction_sync(&mut once).err();
    match (result, thrown) {
        (Some(Err(error)), _) => Err(error),
        (Some(Ok(value)), None) => Ok(value),
        (_, thrown) => Err(SqliteError(format!("transaction: {thrown:?}"))),
    }
}

impl fmt::Display for SqliteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Corrupt> for SqliteError {
    fn from(Corrupt(what): Corrupt) -> SqliteError {
        SqliteError(format!("stored value: {what}"))
    }
}

#[wasm_bindgen]
extern "C" {
    /// `DurableObjectStorage.transactionSync`, which the worker crate does not bind.
    type SyncStorage;

    #[wasm_bindgen(method, catch, js_name = transactionSync)]
    fn transaction_sync(this: &SyncStorage, work: &mut dyn FnMut() -> Result<(), JsValue>) -> Result<JsValue, JsValue>;
}

fn store(value: Value) -> SqlStorageValue {
    match value {
        Value::Integer(integer) => SqlStorageValue::Integer(integer),
        Value::Null => SqlStorageValue::Null,
        Value::Text(text) => SqlStorageValue::String(text),
    }
}

fn load(value: SqlStorageValue) -> Result<Value, SqliteError> {
    match value {
        SqlStorageValue::Integer(integer) => Ok(Value::Integer(integer)),
        SqlStorageValue::Null => Ok(Value::Null),
        SqlStorageValue::String(text) => Ok(Value::Text(text)),
        other => Err(SqliteError(format!("a column holds {other:?}"))),
    }
}
