//! A body that is made while it is sent.

use js_sys::Promise;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};

use super::{Result, settled};

#[wasm_bindgen]
extern "C" {
    type TransformStream;

    #[wasm_bindgen(constructor, catch, js_class = "TransformStream")]
    fn new() -> std::result::Result<TransformStream, JsValue>;

    #[wasm_bindgen(method, getter)]
    fn readable(this: &TransformStream) -> web_sys::ReadableStream;

    #[wasm_bindgen(method, getter)]
    fn writable(this: &TransformStream) -> WritableStream;

    type WritableStream;
    type Writer;

    #[wasm_bindgen(method, js_name = getWriter)]
    fn writer(this: &WritableStream) -> Writer;

    #[wasm_bindgen(method)]
    fn write(this: &Writer, chunk: &js_sys::Uint8Array) -> Promise;

    #[wasm_bindgen(method)]
    fn close(this: &Writer) -> Promise;

    #[wasm_bindgen(method)]
    fn abort(this: &Writer) -> Promise;
}

/// What is written at one end is read at the other.
pub struct Pipe {
    stream: TransformStream,
    writer: Writer,
}

impl Pipe {
    /// A new one.
    pub fn new() -> Result<Pipe> {
        let stream = TransformStream::new()?;
        let writer = stream.writable().writer();
        Ok(Pipe { stream, writer })
    }

    /// The end to read at.
    pub fn readable(&self) -> web_sys::ReadableStream {
        self.stream.readable()
    }

    /// Writes a text, as soon as the reader has room for it.
    pub async fn write(&self, text: &str) -> Result<()> {
        settled(self.writer.write(&js_sys::Uint8Array::from(text.as_bytes()))).await.map(drop)
    }

    /// Nothing follows.
    pub async fn close(&self) -> Result<()> {
        settled(self.writer.close()).await.map(drop)
    }

    /// It ends here, unfinished.
    pub fn abort(&self) {
        let _ = self.writer.abort().unchecked_into::<JsValue>();
    }
}
