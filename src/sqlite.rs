//! The Hub's SQLite in a Durable Object.

use std::cell::RefCell;
use std::fmt;

use js_sys::{Array, ArrayBuffer, JsString, Uint8Array};
use relay::map::Map;
use relay::store::{Corrupt, Row, Sql, Value};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};

use crate::runtime::{self, Storage};

/// A Durable Object's database.
#[derive(Clone)]
pub struct Sqlite(SqlStorage);

/// Why a statement or a transaction failed.
#[derive(Debug)]
pub struct SqliteError(String);

impl Sqlite {
    /// The database of this storage.
    pub fn new(storage: &Storage) -> Sqlite {
        Sqlite(storage.unchecked_ref::<SyncStorage>().sql())
    }

    /// Whether there is a table of this name.
    pub fn has_table(&self, name: &str) -> Result<bool, SqliteError> {
        let statement = "select 1 from sqlite_master where type = 'table' and name = ?";
        Ok(!self.run(statement, vec![Value::Text(name.to_owned())])?.is_empty())
    }

    fn exec(&self, statement: &'static str, parameters: Vec<Value>) -> Result<SqlCursor, SqliteError> {
        let bindings: Array = parameters.into_iter().map(store).collect();
        self.0.exec(&text_of(statement), &bindings).map_err(failed)
    }
}

impl Sql for Sqlite {
    type Error = SqliteError;

    fn run(&self, statement: &'static str, parameters: Vec<Value>) -> Result<Vec<Row>, SqliteError> {
        let rows = self.exec(statement, parameters)?.raw().to_array().map_err(failed)?;
        rows.iter().map(|row| row.unchecked_into::<Array>().iter().map(load).collect()).collect()
    }

    fn write(&self, statement: &'static str, parameters: Vec<Value>) -> Result<(), SqliteError> {
        self.exec(statement, parameters).map(drop)
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
    let thrown = storage.unchecked_ref::<SyncStorage>().transaction_sync(&mut once).err();
    match (result, thrown) {
        (Some(Err(error)), _) => Err(error),
        (Some(Ok(value)), None) => Ok(value),
        (_, thrown) => Err(thrown.map_or_else(|| SqliteError("transaction: nothing was done".to_owned()), failed)),
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
    /// What an object keeps, as far as it is kept at once.
    type SyncStorage;

    #[wasm_bindgen(method, getter)]
    fn sql(this: &SyncStorage) -> SqlStorage;

    #[wasm_bindgen(method, catch, js_name = transactionSync)]
    fn transaction_sync(this: &SyncStorage, work: &mut dyn FnMut() -> Result<(), JsValue>) -> Result<JsValue, JsValue>;

    /// A Durable Object's database.
    #[derive(Clone)]
    type SqlStorage;

    #[wasm_bindgen(method, catch, variadic)]
    fn exec(this: &SqlStorage, statement: &JsString, bindings: &Array) -> Result<SqlCursor, JsValue>;

    /// What a statement answers. It is run when this is made.
    type SqlCursor;

    #[wasm_bindgen(method)]
    fn raw(this: &SqlCursor) -> RawIterator;

    /// Rows as arrays of columns.
    type RawIterator;

    #[wasm_bindgen(method, catch, js_name = toArray)]
    fn to_array(this: &RawIterator) -> Result<Array, JsValue>;
}

thread_local! {
    /// The statements as JavaScript has them, by their place in memory: each crosses once.
    static STATEMENTS: RefCell<Map<(usize, usize), JsString>> = RefCell::new(Map::new());
}

fn text_of(statement: &'static str) -> JsString {
    let place = (statement.as_ptr() as usize, statement.len());
    STATEMENTS.with_borrow_mut(|known| {
        if let Some(text) = known.get(&place) {
            return text.clone();
        }
        let text = JsString::from(statement);
        known.insert(place, text.clone());
        text
    })
}

fn failed(thrown: JsValue) -> SqliteError {
    SqliteError(runtime::Error::from(thrown).to_string())
}

fn store(value: Value) -> JsValue {
    match value {
        Value::Blob(bytes) => Uint8Array::from(bytes.as_slice()).into(),
        Value::Integer(integer) => JsValue::from_f64(integer as f64),
        Value::Null => JsValue::NULL,
        Value::Text(text) => JsValue::from_str(&text),
    }
}

fn load(value: JsValue) -> Result<Value, SqliteError> {
    if let Some(text) = value.as_string() {
        Ok(Value::Text(text))
    } else if let Some(number) = value.as_f64() {
        Ok(Value::Integer(number as i64))
    } else if value.is_null() {
        Ok(Value::Null)
    } else if let Some(bytes) = value.dyn_ref::<ArrayBuffer>() {
        Ok(Value::Blob(Uint8Array::new(bytes).to_vec()))
    } else {
        Err(SqliteError("a column holds another type".to_owned()))
    }
}
