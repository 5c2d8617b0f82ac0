//! Every query of D1: one function per question, named for what it answers, in a file per noun. `tests/sql.rs` prepares
//! each of [`statements`] against `migrations/`.

/// Names SQL texts, and lists them in `STATEMENTS`.
macro_rules! statements {
    ($($name:ident = $text:expr;)+) => {
        $(const $name: &str = $text;)+
        pub(super) const STATEMENTS: &[&str] = &[$($name),+];
    };
}

mod account;
mod agent;
mod audit;
mod config;
mod idempotency;
mod identity;
mod invitation;
mod login;
mod provider;
mod sealed;
mod session;
mod user;

use std::fmt;
use std::pin::Pin;

use protocol::Timestamp;
use protocol::json::{self, FromJson, Json};
use wasm_bindgen::JsValue;

use crate::error::Error;
use crate::runtime::{self, D1Database, D1PreparedStatement};

pub use account::*;
pub use agent::*;
pub use audit::*;
pub use config::*;
pub use idempotency::*;
pub use identity::*;
pub use invitation::*;
pub use login::*;
pub use provider::*;
pub use sealed::*;
pub use session::*;
pub use user::*;

/// Every statement.
pub fn statements() -> Vec<&'static str> {
    let all = [
        account::STATEMENTS,
        agent::STATEMENTS,
        audit::STATEMENTS,
        config::STATEMENTS,
        idempotency::STATEMENTS,
        identity::STATEMENTS,
        invitation::STATEMENTS,
        login::STATEMENTS,
        provider::STATEMENTS,
        sealed::STATEMENTS,
        session::STATEMENTS,
        user::STATEMENTS,
    ];
    all.concat()
}

/// Rows in one page of a list.
pub const PAGE_ROWS_MAX: u64 = 100;

/// A place in a list that is in order of time.
#[derive(Clone, Debug)]
pub struct Moment {
    ms: u64,
    id: String,
}

impl Moment {
    /// Before everything.
    const FIRST: Moment = Moment { ms: 0, id: String::new() };
    /// After everything.
    const LAST: Moment = Moment { ms: 1 << 53, id: String::new() };

    /// The place of a row: its time, and, of several at one time, its id.
    pub fn new(ms: u64, id: &str) -> Moment {
        Moment { ms, id: id.to_owned() }
    }

    /// As [`fmt::Display`] writes it.
    pub fn read(cursor: &str) -> Option<Moment> {
        let (ms, id) = cursor.split_once('.')?;
        Some(Moment { ms: ms.parse().ok().filter(|&ms| ms < Moment::LAST.ms)?, id: id.to_owned() })
    }

    fn values(self) -> [JsValue; 2] {
        [number(self.ms), text(self.id)]
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.ms, self.id)
    }
}

fn bind(db: &D1Database, statement: &str, values: &[JsValue]) -> Result<D1PreparedStatement, Error> {
    db.bind(statement, values).map_err(|error| Error::internal("D1", error))
}

/// What D1 will answer. Boxed, since it is awaited in very many places, and each would otherwise hold a copy of how.
pub type Asked<T> = Pin<Box<dyn Future<Output = Result<T, Error>>>>;

fn first<T: FromJson + 'static>(db: &D1Database, statement: &str, values: &[JsValue]) -> Asked<Option<T>> {
    let rows = rows(db, statement, values);
    Box::pin(async move { Ok(read::<T>(&rows.await?)?.into_iter().next()) })
}

fn all<T: FromJson + 'static>(db: &D1Database, statement: &str, values: &[JsValue]) -> Asked<Vec<T>> {
    let rows = rows(db, statement, values);
    Box::pin(async move { read(&rows.await?) })
}

/// The first column of the first row.
fn value<T: FromJson + 'static>(db: &D1Database, statement: &str, values: &[JsValue]) -> Asked<Option<T>> {
    let rows = rows(db, statement, values);
    Box::pin(async move { Ok(read::<Column<T>>(&rows.await?)?.into_iter().next().map(|Column(value)| value)) })
}

/// The first column of each row.
fn column<T: FromJson + 'static>(db: &D1Database, statement: &str, values: &[JsValue]) -> Asked<Vec<T>> {
    let rows = rows(db, statement, values);
    Box::pin(async move { Ok(read::<Column<T>>(&rows.await?)?.into_iter().map(|Column(value)| value).collect()) })
}

/// The first row, by way of a type that is read as D1 writes it.
fn first_by<Row: FromJson + 'static, T: From<Row> + 'static>(
    db: &D1Database,
    statement: &str,
    values: &[JsValue],
) -> Asked<Option<T>> {
    let row = first::<Row>(db, statement, values);
    Box::pin(async move { Ok(row.await?.map(T::from)) })
}

/// Every row, by way of a type that is read as D1 writes it.
fn all_by<Row: FromJson + 'static, T: From<Row> + 'static>(
    db: &D1Database,
    statement: &str,
    values: &[JsValue],
) -> Asked<Vec<T>> {
    let rows = all::<Row>(db, statement, values);
    Box::pin(async move { Ok(rows.await?.into_iter().map(T::from).collect()) })
}

fn run(db: &D1Database, statement: &str, values: &[JsValue]) -> Asked<()> {
    let rows = rows(db, statement, values);
    Box::pin(async move { rows.await.map(drop) })
}

/// Runs a statement that ends with `returning`: whether it changed anything.
fn changed(db: &D1Database, statement: &str, values: &[JsValue]) -> Asked<bool> {
    let rows = rows(db, statement, values);
    Box::pin(async move { Ok(!read::<Json>(&rows.await?)?.is_empty()) })
}

fn rows(db: &D1Database, statement: &str, values: &[JsValue]) -> Asked<String> {
    let bound = bind(db, statement, values);
    Box::pin(async move { bound?.rows().await.map_err(unavailable) })
}

fn read<T: FromJson>(rows: &str) -> Result<Vec<T>, Error> {
    json::read(rows).map_err(|error| Error::unavailable("the database does not answer", error))
}

fn unavailable(error: runtime::Error) -> Error {
    Error::unavailable("the database does not answer", error)
}

fn text(value: impl ToString) -> JsValue {
    JsValue::from(value.to_string())
}

fn optional(value: Option<impl ToString>) -> JsValue {
    value.map_or(JsValue::NULL, text)
}

fn number(value: u64) -> JsValue {
    JsValue::from(value as f64)
}

/// As JavaScript's only kind of number.
fn time(Timestamp(ms): Timestamp) -> JsValue {
    JsValue::from(ms as f64)
}

fn flag(is: bool) -> JsValue {
    JsValue::from(f64::from(u8::from(is)))
}

/// The only column of a row.
struct Column<T>(T);

impl<T: FromJson> FromJson for Column<T> {
    fn from_json(json: Json) -> Result<Column<T>, json::Wrong> {
        let column = json::Object::from_json(json)?.into_first().ok_or_else(|| json::Wrong::expected("a column"))?;
        T::from_json(column).map(Column)
    }
}

/// A column that is 0 or 1.
struct Flag(bool);

impl FromJson for Flag {
    fn from_json(json: Json) -> Result<Flag, json::Wrong> {
        i64::from_json(json).map(|number| Flag(number != 0))
    }
}
