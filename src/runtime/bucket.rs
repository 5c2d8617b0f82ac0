//! R2, and bodies that go through without being held whole.

use js_sys::{Array, Object, Promise, Reflect};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};

use super::http::{Body, RequestInit};
use super::{Error, Headers, Result, settled};

#[wasm_bindgen]
extern "C" {
    /// A bucket of R2.
    #[derive(Clone)]
    pub type Bucket;
    /// An object in it, perhaps with its body.
    pub type Stored;
    type Listed;
    type Upload;

    #[wasm_bindgen(method, catch, js_name = put)]
    fn put_value(this: &Bucket, key: &str, value: &JsValue, options: &Object) -> std::result::Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch, js_name = get)]
    fn get_object(this: &Bucket, key: &str, options: &Object) -> std::result::Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch, js_name = list)]
    fn list_objects(this: &Bucket, options: &Object) -> std::result::Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch, js_name = delete)]
    fn delete_objects(this: &Bucket, keys: &Array) -> std::result::Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch, js_name = createMultipartUpload)]
    fn begin(this: &Bucket, key: &str, options: &Object) -> std::result::Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch, js_name = uploadPart)]
    fn upload_part(this: &Upload, number: u32, part: &JsValue) -> std::result::Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn complete(this: &Upload, parts: &Array) -> std::result::Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn abort(this: &Upload) -> std::result::Result<Promise, JsValue>;

    #[wasm_bindgen(method, getter)]
    fn size(this: &Stored) -> f64;

    #[wasm_bindgen(method, getter)]
    fn body(this: &Stored) -> Option<web_sys::ReadableStream>;

    #[wasm_bindgen(method, getter)]
    fn range(this: &Stored) -> JsValue;

    #[wasm_bindgen(method, getter)]
    fn key(this: &Stored) -> String;

    #[wasm_bindgen(method, js_name = writeHttpMetadata)]
    fn write_metadata(this: &Stored, headers: &web_sys::Headers);

    #[wasm_bindgen(method, getter)]
    fn objects(this: &Listed) -> Array;
}

impl Bucket {
    /// Puts a body of a known length.
    pub async fn put(&self, key: &str, body: &web_sys::ReadableStream, media_type: &str) -> Result<()> {
        settled(self.put_value(key, body, &metadata(media_type)?)?).await.map(drop)
    }

    /// Puts what was collected.
    pub async fn put_pieces(&self, key: &str, pieces: &Array, media_type: &str) -> Result<()> {
        settled(self.put_value(key, &joined(pieces)?, &metadata(media_type)?)?).await.map(drop)
    }

    /// Begins to put what comes in parts, all of one length but the last.
    pub async fn put_parts(&self, key: &str, media_type: &str) -> Result<Parts> {
        let upload = settled(self.begin(key, &metadata(media_type)?)?).await?.unchecked_into();
        Ok(Parts { upload, done: Array::new() })
    }

    /// An object, or the range of it that these headers ask for.
    pub async fn get(&self, key: &str, headers: Option<&Headers>) -> Result<Option<Stored>> {
        let options = Object::new();
        if let Some(headers) = headers {
            set(&options, "range", headers.inner())?;
        }
        let found = settled(self.get_object(key, &options)?).await?;
        Ok(found.is_object().then(|| found.unchecked_into()))
    }

    /// Deletes every object whose key begins so. At most a thousand at a time: false when there may be more.
    pub async fn delete_all(&self, prefix: &str) -> Result<bool> {
        let options = Object::new();
        set(&options, "prefix", &JsValue::from(prefix))?;
        let listed: Listed = settled(self.list_objects(&options)?).await?.unchecked_into();
        let keys: Array =
            listed.objects().iter().map(|stored| stored.unchecked_into::<Stored>().key()).map(JsValue::from).collect();
        if keys.length() == 0 {
            return Ok(true);
        }
        settled(self.delete_objects(&keys)?).await?;
        Ok(false)
    }
}

/// What comes in parts.
pub struct Parts {
    upload: Upload,
    done: Array,
}

impl Parts {
    /// The next part.
    pub async fn put(&self, pieces: &Array) -> Result<()> {
        let number = self.done.length() + 1;
        let part = settled(self.upload.upload_part(number, &joined(pieces)?)?).await?;
        self.done.push(&part);
        Ok(())
    }

    /// That was all.
    pub async fn finish(self) -> Result<()> {
        settled(self.upload.complete(&self.done)?).await.map(drop)
    }

    /// None of it shall stay.
    pub async fn abort(self) -> Result<()> {
        settled(self.upload.abort()?).await.map(drop)
    }
}

impl Stored {
    /// Its length.
    pub fn bytes(&self) -> u64 {
        self.size() as u64
    }

    /// The range of it that is here: from where, and how much; none: all of it.
    pub fn part(&self) -> Option<(u64, u64)> {
        let number = |name: &str| Some(Reflect::get(&self.range(), &JsValue::from(name)).ok()?.as_f64()? as u64);
        let (size, suffix) = (self.bytes(), number("suffix"));
        let offset = number("offset").or_else(|| Some(size.saturating_sub(suffix?)))?;
        let length = number("length").or(suffix).unwrap_or(size).min(size.saturating_sub(offset));
        (length < size).then_some((offset, length))
    }

    /// Its media type.
    pub fn media_type(&self) -> Option<String> {
        let headers = Headers::new();
        self.write_metadata(headers.inner());
        headers.get("Content-Type").ok()?
    }

    /// Its bytes, as they come.
    pub fn stream(&self) -> Option<web_sys::ReadableStream> {
        self.body()
    }

    /// Its bytes, piece by piece.
    pub fn pieces(&self) -> Option<Body> {
        self.body().as_ref().map(Body::of)
    }
}

impl RequestInit {
    /// With a body that is made while it is sent.
    pub fn stream(self, body: &web_sys::ReadableStream) -> RequestInit {
        self.0.set_body(body);
        self
    }
}

/// As one, without a copy in our own memory.
fn joined(pieces: &Array) -> Result<JsValue> {
    Ok(web_sys::Blob::new_with_u8_array_sequence(pieces)?.into())
}

fn metadata(media_type: &str) -> Result<Object> {
    let (options, http) = (Object::new(), Object::new());
    set(&http, "contentType", &JsValue::from(media_type))?;
    set(&options, "httpMetadata", &http)?;
    Ok(options)
}

fn set(object: &Object, key: &str, value: &JsValue) -> Result<()> {
    Reflect::set(object, &JsValue::from(key), value).map(drop).map_err(Error::from)
}
