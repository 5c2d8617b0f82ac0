//! WebSockets.

use js_sys::JsString;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use super::{Result, instance};

#[wasm_bindgen]
extern "C" {
    /// A socket.
    #[wasm_bindgen(extends = web_sys::WebSocket)]
    #[derive(Clone)]
    pub type WebSocket;

    #[wasm_bindgen(method, catch, js_name = send)]
    fn send_text(this: &WebSocket, text: &JsString) -> std::result::Result<(), JsValue>;

    /// A property of our own: which peer's it is, as long as its Hub is awake.
    #[wasm_bindgen(method, getter, js_name = clawPeer)]
    pub fn peer(this: &WebSocket) -> Option<f64>;

    #[wasm_bindgen(method, setter, js_name = clawPeer)]
    pub fn set_peer(this: &WebSocket, peer: f64);

    /// And one more: which instance of this Worker took it in. Sleep forgets both.
    #[wasm_bindgen(method, getter, js_name = clawInstance)]
    fn instance(this: &WebSocket) -> Option<u32>;

    #[wasm_bindgen(method, setter, js_name = clawInstance)]
    pub fn set_instance(this: &WebSocket, instance: u32);

    #[wasm_bindgen(method, catch, js_name = close)]
    fn end(this: &WebSocket, code: Option<u16>, reason: Option<&str>) -> std::result::Result<(), JsValue>;

    #[wasm_bindgen(method, catch, js_name = serializeAttachment)]
    fn attach(this: &WebSocket, value: &JsValue) -> std::result::Result<(), JsValue>;

    #[wasm_bindgen(method, catch, js_name = deserializeAttachment)]
    fn attached(this: &WebSocket) -> std::result::Result<JsValue, JsValue>;

    type Pair;

    #[wasm_bindgen(constructor, js_class = WebSocketPair)]
    fn new() -> Pair;

    #[wasm_bindgen(method, indexing_getter)]
    fn socket(this: &Pair, index: u32) -> WebSocket;
}

impl WebSocket {
    /// Whether an instance that ended held it awake.
    pub fn is_of_another_instance(&self) -> bool {
        self.instance().is_some_and(|id| id != instance())
    }

    /// Sends a text, which is JavaScript's already: it may go to many.
    pub fn send(&self, text: &JsString) -> Result<()> {
        Ok(self.send_text(text)?)
    }

    /// Closes it. Without a code, with the other side's.
    pub fn close(&self, code: Option<u16>, reason: Option<&str>) -> Result<()> {
        Ok(self.end(code, reason)?)
    }

    /// What sleep must not take from it.
    pub fn set_attachment(&self, text: Option<&str>) -> Result<()> {
        Ok(self.attach(&text.map_or(JsValue::NULL, JsValue::from))?)
    }

    /// What was kept with it.
    pub fn attachment(&self) -> Option<String> {
        self.attached().ok()?.as_string()
    }
}

/// Two ends of one connection.
pub struct WebSocketPair {
    /// For whoever asked.
    pub client: WebSocket,
    /// Ours.
    pub server: WebSocket,
}

impl WebSocketPair {
    /// A new connection.
    pub fn new() -> WebSocketPair {
        let pair = Pair::new();
        WebSocketPair { client: pair.socket(0), server: pair.socket(1) }
    }
}
