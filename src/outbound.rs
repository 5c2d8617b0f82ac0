//! Calls of platforms' APIs.

use relay::platform::{HttpRequest, HttpResponse};
use worker::wasm_bindgen::JsValue;
use worker::{AbortSignal, Fetch, Headers, Method, Request, RequestInit};

/// Performs a call, with the access token if there is one. An answer of any status is an answer; `Err` means that none
/// came whole within [`CALL_MS_MAX`].
pub async fn perform(call: &HttpRequest, token: Option<&str>) -> Result<HttpResponse, String> {
    attempt(call, token).await.map_err(|error| format!("no answer: {error}"))
}

async fn attempt(call: &HttpRequest, token: Option<&str>) -> worker::Result<HttpResponse> {
    let headers = Headers::new();
    headers.set("Content-Type", "application/json; charset=utf-8")?;
    if let Some(token) = token {
        headers.set("Authorization", &format!("Bearer {token}"))?;
    }
    let mut init = RequestInit::new();
    init.with_method(Method::from(call.method.clone())).with_headers(headers);
    init.with_body(call.body.as_deref().map(JsValue::from));
    let request = Request::new_with_init(&call.url, &init)?;
    let signal = AbortSignal::from(web_sys::AbortSignal::timeout_with_u32(CALL_MS_MAX));
    let mut response = Fetch::Request(request).send_with_signal(&signal).await?;
    let wait = |name: &str| response.headers().get(name).ok().flatten().and_then(|text| text.parse().ok());
    let retry_after_s = wait("x-ogw-ratelimit-reset").or_else(|| wait("Retry-After"));
    Ok(HttpResponse { status: response.status_code(), retry_after_s, body: response.text().await? })
}

/// A whole call, from connecting to the last byte of its answer.
const CALL_MS_MAX: u32 = 10_000;
