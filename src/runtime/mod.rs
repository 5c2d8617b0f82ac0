//! The Workers runtime's JavaScript API, bound as far as it is used and no further. Names follow the `worker` crate,
//! which binds all of it, and whose generality made up a third of the bundle when it was measured.

mod bucket;
mod d1;
mod delay;
mod http;
mod limit;
mod lobby;
mod object;
mod pipe;
mod websocket;

use std::fmt;
use std::pin::Pin;

use js_sys::futures::{JsFuture, future_to_promise};
use js_sys::{JSON, Promise, Reflect};
use protocol::json::{self, FromJson, Wrong};
use serde::Serialize;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};

pub use bucket::{Bucket, Parts, Stored};
pub use d1::{D1Database, D1PreparedStatement};
pub use delay::{Delay, within};
pub use http::{Body, Headers, Request, RequestInit, Response, ResponseBuilder, fetch};
pub use limit::Limiter;
pub use lobby::{first_words, pass_on};
pub use object::{ObjectNamespace, State, Storage};
pub use pipe::Pipe;
pub use websocket::{WebSocket, WebSocketPair};

/// What JavaScript threw.
#[derive(Debug)]
pub struct Error(JsValue);

/// What the runtime answers.
pub type Result<T> = std::result::Result<T, Error>;

impl fmt::Display for Error {
    /// `Name: message` of an `Error`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text_of(&self.0))
    }
}

impl From<JsValue> for Error {
    fn from(thrown: JsValue) -> Error {
        Error(thrown)
    }
}

impl From<Wrong> for Error {
    fn from(wrong: Wrong) -> Error {
        Error(JsValue::from(wrong.to_string()))
    }
}

impl From<Error> for JsValue {
    fn from(Error(thrown): Error) -> JsValue {
        thrown
    }
}

/// A value of Rust's from one of JavaScript's, by way of JSON.
fn from_js<T: FromJson>(value: &JsValue) -> Result<T> {
    Ok(json::read(&stringify(value)?)?)
}

fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("our own types are JSON")
}

fn stringify(value: &JsValue) -> Result<String> {
    Ok(String::from(JSON::stringify(value)?))
}

/// A promise of what a future comes to.
pub fn promise(future: impl Future<Output = std::result::Result<JsValue, JsValue>> + 'static) -> Promise {
    // Boxed: there would be a copy of what drives it for each.
    let future: Pin<Box<dyn Future<Output = std::result::Result<JsValue, JsValue>>>> = Box::pin(future);
    future_to_promise(future)
}

/// Waits for a promise.
async fn settled(promise: Promise) -> Result<JsValue> {
    Ok(JsFuture::from(promise).await?)
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = String)]
    fn text_of(value: &JsValue) -> String;

    #[wasm_bindgen(js_namespace = console, js_name = log)]
    pub fn log(text: &str);

    #[wasm_bindgen(js_namespace = console, js_name = error)]
    pub fn log_error(text: &str);

    #[wasm_bindgen(js_namespace = console, js_name = error)]
    fn log_panic(text: &str, error: &js_sys::Error);
}

/// Logs a line.
macro_rules! console_log {
    ($($part:tt)*) => { $crate::runtime::log(&format!($($part)*)) };
}

/// Logs an error.
macro_rules! console_error {
    ($($part:tt)*) => { $crate::runtime::log_error(&format!($($part)*)) };
}

pub(crate) use {console_error, console_log};

// Each step of a future is a microtask. The runtime's own `queueMicrotask` wraps every one anew, which costs several times
// what a reaction to a promise does that is fulfilled already, and belongs to no request.
#[wasm_bindgen(inline_js = "
export const state = globalThis.__worker_init_state = { criticalError: false, instanceId: 0 };
const fulfilled = Promise.resolve();
globalThis.queueMicrotask = (task) => { fulfilled.then(task); };
")]
extern "C" {
    type InitState;

    #[wasm_bindgen(thread_local_v2, js_name = state)]
    static INIT_STATE: InitState;

    #[wasm_bindgen(method, setter, js_name = criticalError)]
    fn set_critical_error(this: &InitState, is_critical: bool);

    #[wasm_bindgen(method, getter, js_name = instanceId)]
    fn instance_id(this: &InitState) -> u32;

    #[wasm_bindgen(method, setter, js_name = instanceId)]
    fn set_instance_id(this: &InitState, id: u32);
}

/// Runs when an instance begins: a panic is logged, and the next event gets a new instance.
#[wasm_bindgen(start, private)]
fn init() {
    std::panic::set_hook(Box::new(|info| {
        log_panic("Critical", &js_sys::Error::new(&format!("Rust panic: {info}")));
        INIT_STATE.with(|state| state.set_critical_error(true));
    }));
    INIT_STATE.with(|state| state.set_instance_id(state.instance_id() + 1));
    wasm_bindgen::handler::set_on_abort(wasm_bindgen::handler::schedule_reinit);
}

/// Which instance of this Worker this is: another one follows when one ends by a fault.
pub fn instance() -> u32 {
    INIT_STATE.with(|state| state.instance_id())
}

/// What the entry point that `worker-build` makes knows an instance by.
#[wasm_bindgen(js_name = "__worker_init_state")]
pub fn init_state() -> JsValue {
    INIT_STATE.with(|state| state.into())
}

#[wasm_bindgen]
extern "C" {
    /// Bindings and secrets.
    #[derive(Clone)]
    pub type Env;

    /// What a fetch event brings.
    #[derive(Clone)]
    pub type Context;

    #[wasm_bindgen(method, catch, js_name = waitUntil)]
    fn wait_for(this: &Context, promise: &Promise) -> std::result::Result<(), JsValue>;
}

impl Context {
    /// Runs a future to its end, after the answer is sent.
    pub fn wait_until(&self, future: impl Future<Output = ()> + 'static) {
        let promise = promise(async {
            future.await;
            Ok(JsValue::UNDEFINED)
        });
        // Refused, it runs all the same, as long as the event lasts.
        let _ = self.wait_for(&promise);
    }
}

impl Env {
    /// A secret or a variable.
    pub fn text(&self, name: &str) -> Option<String> {
        Reflect::get(self, &JsValue::from(name)).ok()?.as_string()
    }

    /// D1.
    pub fn d1(&self, name: &str) -> Result<D1Database> {
        self.binding(name).map(JsCast::unchecked_into)
    }

    /// R2.
    pub fn bucket(&self, name: &str) -> Result<Bucket> {
        self.binding(name).map(JsCast::unchecked_into)
    }

    /// Durable Objects.
    pub fn durable_object(&self, name: &str) -> Result<ObjectNamespace> {
        self.binding(name).map(JsCast::unchecked_into)
    }

    /// Rate limits.
    pub fn limiter(&self, name: &str) -> Result<Limiter> {
        self.binding(name).map(JsCast::unchecked_into)
    }

    fn binding(&self, name: &str) -> Result<JsValue> {
        let binding = Reflect::get(self, &JsValue::from(name))?;
        if binding.is_object() { Ok(binding) } else { Err(Error(JsValue::from("not bound"))) }
    }
}
