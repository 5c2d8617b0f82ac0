//! The Workers runtime's JavaScript API, bound as far as it is used and no further. Names follow the `worker` crate,
//! which binds all of it, and whose generality made up a third of the bundle when it was measured.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context as Poller, Poll};
use std::time::Duration;

use js_sys::futures::{JsFuture, future_to_promise};
use js_sys::{Array, Function, JSON, JsString, Promise, Reflect, Uint8Array};
use protocol::json::{self, FromJson, Wrong};
use serde::Serialize;
use wasm_bindgen::prelude::{Closure, wasm_bindgen};
use wasm_bindgen::{JsCast, JsValue};

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

    #[wasm_bindgen(catch, js_name = fetch)]
    fn global_fetch(url: &str, init: &web_sys::RequestInit) -> std::result::Result<Promise, JsValue>;

    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(callback: &Closure<dyn FnMut()>, ms: u32) -> JsValue;

    #[wasm_bindgen(js_name = clearTimeout)]
    fn clear_timeout(id: &JsValue);

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
    pub type Context;

    #[wasm_bindgen(method, catch, js_name = waitUntil)]
    fn wait_for(this: &Context, promise: &Promise) -> std::result::Result<(), JsValue>;
}

impl Context {
    /// Runs a future to its end, after the answer is sent.
    pub fn wait_until(&self, future: impl Future<Output = ()> + 'static) {
        let promise = future_to_promise(async {
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

    /// Durable Objects.
    pub fn durable_object(&self, name: &str) -> Result<ObjectNamespace> {
        self.binding(name).map(JsCast::unchecked_into)
    }

    fn binding(&self, name: &str) -> Result<JsValue> {
        let binding = Reflect::get(self, &JsValue::from(name))?;
        if binding.is_object() { Ok(binding) } else { Err(Error(JsValue::from("not bound"))) }
    }
}

/// Headers of a request or a response.
pub struct Headers(web_sys::Headers);

impl Headers {
    /// None.
    pub fn new() -> Headers {
        Headers(web_sys::Headers::new().expect("no argument to refuse"))
    }

    /// A header.
    pub fn get(&self, name: &str) -> Result<Option<String>> {
        Ok(self.0.get(name)?)
    }

    /// Sets a header, in place of any of that name.
    pub fn set(&self, name: &str, value: &str) -> Result<()> {
        Ok(self.0.set(name, value)?)
    }

    /// Every name, in lower case, and its value.
    pub fn entries(&self) -> Vec<(String, String)> {
        let pairs = Array::from(&self.0);
        let text = |pair: &Array, index| pair.get(index).as_string().unwrap_or_default();
        pairs.iter().map(|pair| pair.unchecked_into()).map(|pair| (text(&pair, 0), text(&pair, 1))).collect()
    }
}

/// A request that came in.
pub struct Request(web_sys::Request);

impl From<web_sys::Request> for Request {
    fn from(request: web_sys::Request) -> Request {
        Request(request)
    }
}

impl Request {
    /// JavaScript's own.
    pub fn inner(&self) -> &web_sys::Request {
        &self.0
    }

    /// Its headers.
    pub fn headers(&self) -> Headers {
        Headers(self.0.headers())
    }

    /// Its URL's path. The runtime wrote the URL: there is one, and neither `?` nor `#` is in it.
    pub fn path(&self) -> String {
        let url = self.0.url();
        let after_scheme = url.split_once("://").map_or("", |(_, rest)| rest);
        let path = after_scheme.find('/').and_then(|at| after_scheme.get(at..)).unwrap_or("/");
        path.split(['?', '#']).next().unwrap_or_default().to_owned()
    }

    /// Its body, whole.
    pub async fn bytes(&self) -> Result<Vec<u8>> {
        Ok(Uint8Array::new(&settled(self.0.array_buffer()?).await?).to_vec())
    }

    /// Its body, whole, as text.
    pub async fn text(&self) -> Result<String> {
        Ok(settled(self.0.text()?).await?.as_string().unwrap_or_default())
    }

    /// Its body, piece by piece.
    pub fn body(&self) -> Option<Body> {
        let stream: BodyStream = self.0.body()?.unchecked_into();
        Some(Body(stream.reader()))
    }
}

/// A body, piece by piece.
pub struct Body(BodyReader);

impl Body {
    /// The next piece, if there is one.
    pub async fn next(&self) -> Option<Result<Vec<u8>>> {
        let read = match settled(self.0.read()).await {
            Ok(read) => read.unchecked_into::<BodyRead>(),
            Err(error) => return Some(Err(error)),
        };
        let value = read.value();
        if value.is_undefined() { None } else { Some(Ok(Uint8Array::unchecked_from_js(value).to_vec())) }
    }
}

#[wasm_bindgen]
extern "C" {
    type BodyStream;
    type BodyReader;
    type BodyRead;

    #[wasm_bindgen(method, js_name = getReader)]
    fn reader(this: &BodyStream) -> BodyReader;

    #[wasm_bindgen(method)]
    fn read(this: &BodyReader) -> Promise;

    #[wasm_bindgen(method, getter)]
    fn value(this: &BodyRead) -> JsValue;
}

/// A request to make.
pub struct RequestInit(web_sys::RequestInit);

impl RequestInit {
    /// One by this method.
    pub fn new(method: &str) -> RequestInit {
        let init = web_sys::RequestInit::new();
        init.set_method(method);
        RequestInit(init)
    }

    /// With headers.
    pub fn headers(self, headers: &Headers) -> RequestInit {
        self.0.set_headers(&headers.0);
        self
    }

    /// With a body.
    pub fn body(self, body: &str) -> RequestInit {
        self.0.set_body(&JsValue::from(body));
        self
    }

    /// Given up after so long.
    pub fn timeout(self, ms: u32) -> RequestInit {
        self.0.set_signal(Some(&web_sys::AbortSignal::timeout_with_u32(ms)));
        self
    }
}

/// Asks the internet.
pub async fn fetch(url: &str, init: &RequestInit) -> Result<Response> {
    settled(global_fetch(url, &init.0)?).await.map(|response| Response(response.unchecked_into()))
}

/// A response, made here or elsewhere.
pub struct Response(web_sys::Response);

impl From<Response> for JsValue {
    fn from(Response(response): Response) -> JsValue {
        response.into()
    }
}

impl Response {
    /// 200, with nothing.
    pub fn empty() -> Result<Response> {
        Ok(Response(web_sys::Response::new()?))
    }

    /// 200, with JSON.
    pub fn json(body: &str) -> Result<Response> {
        ResponseBuilder::new().json(body)
    }

    /// 200, with a value as JSON.
    pub fn from_json(body: &impl Serialize) -> Result<Response> {
        Response::json(&text(body))
    }

    /// Its status.
    pub fn status_code(&self) -> u16 {
        self.0.status()
    }

    /// Its headers.
    pub fn headers(&self) -> Headers {
        Headers(self.0.headers())
    }

    /// Its body.
    pub async fn text(&self) -> Result<String> {
        Ok(settled(self.0.text()?).await?.as_string().unwrap_or_default())
    }

    /// Its body, read as JSON.
    pub async fn read<T: FromJson>(&self) -> Result<T> {
        Ok(json::read(&self.text().await?)?)
    }
}

/// A response in the making.
pub struct ResponseBuilder {
    headers: Headers,
    init: web_sys::ResponseInit,
}

#[wasm_bindgen]
extern "C" {
    type SocketInit;

    #[wasm_bindgen(method, setter, js_name = webSocket)]
    fn set_websocket(this: &SocketInit, socket: &WebSocket);
}

impl ResponseBuilder {
    /// Status 200, no headers.
    pub fn new() -> ResponseBuilder {
        let (headers, init) = (Headers::new(), web_sys::ResponseInit::new());
        init.set_headers(&headers.0);
        ResponseBuilder { headers, init }
    }

    /// Another status.
    pub fn with_status(self, status: u16) -> ResponseBuilder {
        self.init.set_status(status);
        self
    }

    /// One more header.
    pub fn with_header(self, name: &str, value: &str) -> Result<ResponseBuilder> {
        self.headers.set(name, value)?;
        Ok(self)
    }

    /// A socket, with status 101.
    pub fn with_websocket(self, socket: &WebSocket) -> ResponseBuilder {
        self.init.unchecked_ref::<SocketInit>().set_websocket(socket);
        self
    }

    /// Without a body.
    pub fn empty(self) -> Result<Response> {
        Ok(Response(web_sys::Response::new_with_opt_str_and_init(None, &self.init)?))
    }

    /// With this body. Its `Content-Type` is to be set.
    pub fn text(self, body: &str) -> Result<Response> {
        Ok(Response(web_sys::Response::new_with_opt_str_and_init(Some(body), &self.init)?))
    }

    /// With JSON.
    pub fn json(self, body: &str) -> Result<Response> {
        self.with_header("Content-Type", "application/json")?.text(body)
    }
}

#[wasm_bindgen]
extern "C" {
    /// D1.
    pub type D1Database;
    /// A statement with its parameters.
    pub type D1PreparedStatement;

    #[wasm_bindgen(method, catch)]
    fn prepare(this: &D1Database, statement: &str) -> std::result::Result<D1PreparedStatement, JsValue>;

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
}

impl D1PreparedStatement {
    /// Runs it, and answers its rows as a JSON array of objects.
    pub async fn rows(&self) -> Result<String> {
        let rows: D1Rows = settled(self.all()?).await?.unchecked_into();
        stringify(&rows.results())
    }
}

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

    /// When its alarm is set for.
    pub async fn get_alarm(&self) -> Result<Option<i64>> {
        Ok(settled(self.alarm()?).await?.as_f64().map(|ms| ms as i64))
    }

    /// Sets its alarm.
    pub async fn set_alarm(&self, at_ms: i64) -> Result<()> {
        settled(self.put_alarm(at_ms as f64)?).await.map(drop)
    }
}

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

/// Waits.
pub struct Delay {
    ms: u32,
    timer: Option<(JsValue, Closure<dyn FnMut()>)>,
    is_over: Rc<Cell<bool>>,
}

impl From<Duration> for Delay {
    fn from(duration: Duration) -> Delay {
        Delay { ms: duration.as_millis() as u32, timer: None, is_over: Rc::default() }
    }
}

impl Future for Delay {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, poller: &mut Poller<'_>) -> Poll<()> {
        if self.is_over.get() {
            return Poll::Ready(());
        }
        if self.timer.is_none() {
            let (waker, is_over) = (poller.waker().clone(), self.is_over.clone());
            let wake = Closure::new(move || {
                is_over.set(true);
                waker.wake_by_ref();
            });
            self.timer = Some((set_timeout(&wake, self.ms), wake));
        }
        Poll::Pending
    }
}

impl Drop for Delay {
    fn drop(&mut self) {
        // JavaScript must not call what is gone.
        if let Some((id, _)) = self.timer.as_ref().filter(|_| !self.is_over.get()) {
            clear_timeout(id);
        }
    }
}
