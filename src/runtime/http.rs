//! Requests and responses.

use js_sys::{Array, Promise, Uint8Array};
use protocol::json::{self, FromJson};
use serde::Serialize;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};

use super::{Result, WebSocket, settled, text};

/// Headers of a request or a response.
pub struct Headers(web_sys::Headers);

impl Headers {
    /// None.
    pub fn new() -> Headers {
        Headers(web_sys::Headers::new().expect("no argument to refuse"))
    }

    /// JavaScript's own.
    pub fn inner(&self) -> &web_sys::Headers {
        &self.0
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
        self.0.body().as_ref().map(Body::of)
    }
}

/// A body, piece by piece.
pub struct Body(BodyReader);

impl Body {
    /// Of a stream.
    pub(super) fn of(stream: &web_sys::ReadableStream) -> Body {
        Body(stream.unchecked_ref::<BodyStream>().reader())
    }

    /// The next piece, if there is one, in our own memory.
    pub async fn next(&self) -> Option<Result<Vec<u8>>> {
        Some(self.next_piece().await?.map(|piece| piece.to_vec()))
    }

    /// The next piece, if there is one, where it is.
    pub async fn next_piece(&self) -> Option<Result<Uint8Array>> {
        let read = match settled(self.0.read()).await {
            Ok(read) => read.unchecked_into::<BodyRead>(),
            Err(error) => return Some(Err(error)),
        };
        let value = read.value();
        if value.is_undefined() { None } else { Some(Ok(Uint8Array::unchecked_from_js(value))) }
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
pub struct RequestInit(pub(super) web_sys::RequestInit);

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

    /// A redirect is an answer like any other.
    pub fn without_redirects(self) -> RequestInit {
        self.0.set_redirect(web_sys::RequestRedirect::Manual);
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
pub struct Response(pub(super) web_sys::Response);

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

    /// Our end of the socket that it opened.
    pub fn websocket(&self) -> Option<WebSocket> {
        self.0.unchecked_ref::<SocketInit>().websocket()
    }

    /// Its body, piece by piece.
    pub fn body(&self) -> Option<Body> {
        self.0.body().as_ref().map(Body::of)
    }

    /// Its body.
    pub async fn text(&self) -> Result<String> {
        Ok(settled(self.0.text()?).await?.as_string().unwrap_or_default())
    }

    /// The same with more headers, whoever made it.
    pub fn with_headers(self, more: &[(&str, String)]) -> Result<Response> {
        let (headers, init) = (Headers::new(), web_sys::ResponseInit::new());
        for (name, value) in self.headers().entries() {
            headers.set(&name, &value)?;
        }
        for (name, value) in more {
            headers.set(name, value)?;
        }
        init.set_headers(&headers.0);
        init.set_status(self.0.status());
        Ok(Response(web_sys::Response::new_with_opt_readable_stream_and_init(self.0.body().as_ref(), &init)?))
    }

    /// Its body, read as JSON.
    pub async fn read<T: FromJson>(&self) -> Result<T> {
        Ok(json::read(&self.text().await?)?)
    }
}

/// A response in the making.
pub struct ResponseBuilder {
    /// Made with the first one: most answers within the relay have none.
    headers: Option<Headers>,
    init: web_sys::ResponseInit,
}

#[wasm_bindgen]
extern "C" {
    type SocketInit;

    #[wasm_bindgen(method, setter, js_name = webSocket)]
    fn set_websocket(this: &SocketInit, socket: &WebSocket);

    #[wasm_bindgen(method, getter, js_name = webSocket)]
    fn websocket(this: &SocketInit) -> Option<WebSocket>;
}

impl ResponseBuilder {
    /// Status 200, no headers.
    pub fn new() -> ResponseBuilder {
        ResponseBuilder { headers: None, init: web_sys::ResponseInit::new() }
    }

    /// Another status.
    pub fn with_status(self, status: u16) -> ResponseBuilder {
        self.init.set_status(status);
        self
    }

    /// One more header.
    pub fn with_header(mut self, name: &str, value: &str) -> Result<ResponseBuilder> {
        let headers = self.headers.get_or_insert_with(|| {
            let headers = Headers::new();
            self.init.set_headers(&headers.0);
            headers
        });
        headers.set(name, value)?;
        Ok(self)
    }

    /// A socket, with status 101.
    pub fn with_websocket(self, socket: &WebSocket) -> ResponseBuilder {
        self.init.unchecked_ref::<SocketInit>().set_websocket(socket);
        self
    }

    /// With a body that is made while it is sent.
    pub fn stream(self, body: &web_sys::ReadableStream) -> Result<Response> {
        Ok(Response(web_sys::Response::new_with_opt_readable_stream_and_init(Some(body), &self.init)?))
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
    #[wasm_bindgen(catch, js_name = fetch)]
    fn global_fetch(url: &str, init: &web_sys::RequestInit) -> std::result::Result<Promise, JsValue>;
}
