//! A body that is made while it is sent.

use js_sys::{Promise, Uint8Array};
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

    #[wasm_bindgen(extends = TransformStream)]
    type FixedLengthStream;

    #[wasm_bindgen(constructor, catch)]
    fn new(bytes: f64) -> std::result::Result<FixedLengthStream, JsValue>;

    type WritableStream;
    type Writer;

    #[wasm_bindgen(method, js_name = getWriter)]
    fn writer(this: &WritableStream) -> Writer;

    #[wasm_bindgen(method)]
    fn write(this: &Writer, chunk: &Uint8Array) -> Promise;

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
    /// Of any length.
    pub fn new() -> Result<Pipe> {
        Ok(Pipe::of(TransformStream::new()?))
    }

    /// Of so many bytes: the reader knows beforehand.
    pub fn of_length(bytes: u64) -> Result<Pipe> {
        Ok(Pipe::of(FixedLengthStream::new(bytes as f64)?.into()))
    }

    fn of(stream: TransformStream) -> Pipe {
        let writer = stream.writable().writer();
        Pipe { stream, writer }
    }

    /// The end to read at.
    pub fn readable(&self) -> web_sys::ReadableStream {
        self.stream.readable()
    }

    /// Writes a piece, as soon as the reader has room for it.
    pub async fn write(&self, piece: &Uint8Array) -> Result<()> {
        settled(self.writer.write(piece)).await.map(drop)
    }

    /// The same with a text.
    pub async fn write_text(&self, text: &str) -> Result<()> {
        self.write(&Uint8Array::from(text.as_bytes())).await
    }

    /// Nothing follows. An error, unless that was all of a known length.
    pub async fn close(&self) -> Result<()> {
        settled(self.writer.close()).await.map(drop)
    }

    /// It ends here, unfinished.
    pub fn abort(&self) {
        let _ = self.writer.abort().unchecked_into::<JsValue>();
    }
}
