//! Calls of platforms' APIs.

use relay::platform::{HttpRequest, HttpResponse};

use crate::runtime::{Headers, RequestInit, Result, fetch};

/// Performs a call, with the access token if there is one. An answer of any status is an answer; `Err` means that none
/// came whole within [`CALL_MS_MAX`].
pub async fn perform(call: &HttpRequest, token: Option<&str>) -> std::result::Result<HttpResponse, String> {
    attempt(call, token).await.map_err(|error| match error.to_string() {
        // An address may hold a secret.
        error if error.contains("://") => "no answer".to_owned(),
        error => format!("no answer: {error}"),
    })
}

async fn attempt(call: &HttpRequest, token: Option<&str>) -> Result<HttpResponse> {
    let headers = Headers::new();
    headers.set("Accept", "application/json")?;
    headers.set("Content-Type", "application/json; charset=utf-8")?;
    if let Some((name, value)) = call.token_header(token) {
        headers.set(name, &value)?;
    }
    let mut init = RequestInit::new(&call.method).headers(&headers).without_redirects().timeout(CALL_MS_MAX);
    if let Some(body) = &call.body {
        init = init.body(body);
    }
    let response = fetch(&call.url(token), &init).await?;
    let headers = response.headers();
    let wait = |name: &str| headers.get(name).ok().flatten().and_then(|text| text.parse().ok());
    let retry_after_s = wait("x-ogw-ratelimit-reset").or_else(|| wait("Retry-After"));
    Ok(HttpResponse { status: response.status_code(), retry_after_s, body: response.text().await? })
}

/// A whole call, from connecting to the last byte of its answer.
const CALL_MS_MAX: u32 = 10_000;
