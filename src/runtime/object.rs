//! Durable Objects, from without and from within.

use std::cell::Cell;
use std::rc::Rc;

use js_sys::futures::future_to_promise;
use js_sys::{Array, Function, JSON, Promise};
use protocol::json::FromJson;
use serde::Serialize;
use wasm_bindgen::prelude::{Closure, wasm_bindgen};
use wasm_bindgen::{JsCast, JsValue};

use super::{Error, RequestInit, Response, Result, WebSocket, from_js, settled, text};

#[wasm_bindgen]
extern "C" {
    /// The Durable Objects of a class.
    pub type ObjectNamespace;
    /// One of them, from without.
    pub type Stub;

    #[wasm_bindgen(method, catch, js_name = getByName)]
    fn by_name(this: &ObjectNamespace, name: &str) -> std::result::Result<Stub, JsValue>;

    #[wasm_bindgen(method, catch, js_name = fetch)]
    fn fetch_promise(this: &Stub, url: &str, init: &web_sys::RequestInit) -> std::result::Result<Promise, JsValue>;
}

impl ObjectNamespace {
    /// The object of this name.
    pub fn get_by_name(&self, name: &str) -> Result<Stub> {
        Ok(self.by_name(name)?)
    }
}

impl Stub {
    /// Asks the object.
    pub async fn fetch(&self, url: &str, init: &RequestInit) -> Result<Response> {
        settled(self.fetch_promise(url, &init.0)?).await.map(|response| Response(response.unchecked_into()))
    }
}

#[wasm_bindgen]
extern "C" {
    /// A Durable Object, from within.
    pub type State;
    /// What it keeps.
    #[derive(Clone)]
    pub type Storage;

    /// What it keeps.
    #[wasm_bindgen(method, getter)]
    pub fn storage(this: &State) -> Storage;

    #[wasm_bindgen(method, catch, js_name = blockConcurrencyWhile)]
    fn block(this: &State, callback: &Function) -> std::result::Result<Promise, JsValue>;

    #[wasm_bindgen(method, js_name = acceptWebSocket)]
    fn accept(this: &State, socket: &WebSocket, tags: &Array);

    #[wasm_bindgen(method, js_name = getWebSockets)]
    fn sockets(this: &State) -> Array;

    #[wasm_bindgen(method, js_name = getWebSocketAutoResponseTimestamp)]
    fn auto_response_timestamp(this: &State, socket: &WebSocket) -> JsValue;

    /// The tags of one of its sockets.
    #[wasm_bindgen(method, js_name = getTags)]
    fn tags(this: &State, socket: &WebSocket) -> Array;

    #[wasm_bindgen(method, js_name = setWebSocketAutoResponse)]
    fn set_auto_response(this: &State, pair: &WebSocketRequestResponsePair);

    type WebSocketRequestResponsePair;

    #[wasm_bindgen(constructor)]
    fn new(request: &str, response: &str) -> WebSocketRequestResponsePair;

    #[wasm_bindgen(method, catch)]
    fn get(this: &Storage, key: &str) -> std::result::Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn put(this: &Storage, key: &str, value: &JsValue) -> std::result::Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch, js_name = delete)]
    fn remove(this: &Storage, key: &str) -> std::result::Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch, js_name = deleteAll)]
    fn clear(this: &Storage) -> std::result::Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch, js_name = getAlarm)]
    fn alarm(this: &Storage) -> std::result::Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch, js_name = setAlarm)]
    fn put_alarm(this: &Storage, at_ms: f64) -> std::result::Result<Promise, JsValue>;
}

impl State {
    /// Runs a future while every other event waits.
    pub async fn block_concurrency_while<T: 'static>(
        &self,
        future: impl Future<Output = Result<T>> + 'static,
    ) -> Result<T> {
        let output = Rc::new(Cell::new(None));
        let slot = output.clone();
        let callback = Closure::once_into_js(move || {
            future_to_promise(async move {
                slot.set(Some(future.await?));
                Ok(JsValue::NULL)
            })
        });
        settled(self.block(callback.unchecked_ref())?).await?;
        output.take().ok_or_else(|| Error(JsValue::from("the callback did not run")))
    }

    /// Takes a socket in, to sleep while it stays open.
    pub fn accept_websocket_with_tag(&self, socket: &WebSocket, tag: &str) {
        self.accept(socket, &Array::of1(&JsValue::from(tag)));
    }

    /// Its sockets.
    pub fn get_websockets(&self) -> Vec<WebSocket> {
        self.sockets().iter().map(JsCast::unchecked_into).collect()
    }

    /// When it last answered a message of a socket by itself, in milliseconds since 1970.
    pub fn last_auto_response(&self, socket: &WebSocket) -> Option<f64> {
        Some(self.auto_response_timestamp(socket).dyn_into::<js_sys::Date>().ok()?.get_time())
    }

    /// The tag that a socket was taken in with.
    pub fn get_tag(&self, socket: &WebSocket) -> Option<String> {
        self.tags(socket).get(0).as_string()
    }

    /// Lets the runtime answer a message of all sockets.
    pub fn set_websocket_auto_response(&self, request: &str, response: &str) {
        self.set_auto_response(&WebSocketRequestResponsePair::new(request, response));
    }
}

impl Storage {
    /// What is kept under a key.
    pub async fn get_json<T: FromJson>(&self, key: &str) -> Result<Option<T>> {
        let value = settled(self.get(key)?).await?;
        if value.is_undefined() { Ok(None) } else { from_js(&value).map(Some) }
    }

    /// Keeps something, as the object that its JSON describes.
    pub async fn put_json(&self, key: &str, value: &impl Serialize) -> Result<()> {
        let value = JSON::parse(&text(value))?;
        settled(self.put(key, &value)?).await.map(drop)
    }

    /// Forgets something.
    pub async fn delete(&self, key: &str) -> Result<()> {
        settled(self.remove(key)?).await.map(drop)
    }

    /// Deletes everything, the database and the alarm too.
    pub async fn delete_all(&self) -> Result<()> {
        settled(self.clear()?).await.map(drop)
    }

    /// When its alarm is set for.
    pub async fn get_alarm(&self) -> Result<Option<i64>> {
        Ok(settled(self.alarm()?).await?.as_f64().map(|ms| ms as i64))
    }

    /// Sets its alarm.
    pub async fn set_alarm(&self, at_ms: i64) -> Result<()> {
        settled(self.put_alarm(at_ms as f64)?).await.map(drop)
    }
}
