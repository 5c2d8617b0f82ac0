//! Cloudflare's rate-limit binding.

use js_sys::{Object, Promise, Reflect};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use super::{Result, settled};

#[wasm_bindgen]
extern "C" {
    /// Counts by key.
    pub type Limiter;

    #[wasm_bindgen(method, catch)]
    fn limit(this: &Limiter, options: &Object) -> std::result::Result<Promise, JsValue>;
}

impl Limiter {
    /// Counts one more for a key: false when that is too many.
    pub async fn allows(&self, key: &str) -> Result<bool> {
        let options = Object::new();
        Reflect::set(&options, &JsValue::from("key"), &JsValue::from(key))?;
        let outcome = settled(self.limit(&options)?).await?;
        Ok(Reflect::get(&outcome, &JsValue::from("success"))?.as_bool().unwrap_or(false))
    }
}
