//! D1.

use js_sys::{Array, Promise};
use wasm_bindgen::JsCast;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use super::{Result, settled, stringify};

#[wasm_bindgen]
extern "C" {
    /// D1.
    #[derive(Clone)]
    pub type D1Database;
    /// A statement with its parameters.
    #[derive(Clone)]
    pub type D1PreparedStatement;

    #[wasm_bindgen(method, catch)]
    fn prepare(this: &D1Database, statement: &str) -> std::result::Result<D1PreparedStatement, JsValue>;

    #[wasm_bindgen(method, catch, js_name = batch)]
    fn run_batch(this: &D1Database, statements: &Array) -> std::result::Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch, variadic, js_name = bind)]
    fn bind_values(this: &D1PreparedStatement, values: &[JsValue])
    -> std::result::Result<D1PreparedStatement, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn all(this: &D1PreparedStatement) -> std::result::Result<Promise, JsValue>;

    type D1Rows;

    #[wasm_bindgen(method, getter)]
    fn results(this: &D1Rows) -> JsValue;
}

impl D1Database {
    /// A statement with its parameters.
    pub fn bind(&self, statement: &str, values: &[JsValue]) -> Result<D1PreparedStatement> {
        Ok(self.prepare(statement)?.bind_values(values)?)
    }

    /// Runs statements in one transaction, and answers each one's rows as a JSON array of objects.
    pub async fn batch(&self, statements: &[D1PreparedStatement]) -> Result<Vec<String>> {
        let statements: Array = statements.iter().collect();
        let all: Array = settled(self.run_batch(&statements)?).await?.unchecked_into();
        all.iter().map(|rows| stringify(&rows.unchecked_into::<D1Rows>().results())).collect()
    }
}

impl D1PreparedStatement {
    /// Runs it, and answers its rows as a JSON array of objects.
    pub async fn rows(&self) -> Result<String> {
        let rows: D1Rows = settled(self.all()?).await?.unchecked_into();
        stringify(&rows.results())
    }
}
