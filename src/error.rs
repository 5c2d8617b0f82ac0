//! The one error of the Worker, answered as RFC 9457 problem details.

use std::fmt;

use protocol::Code;
use protocol::object;
use relay::hub::Refusal;
use relay::platform::{NoEvent, Rejected};
use wasm_bindgen::JsValue;

use crate::runtime::{self, Response, ResponseBuilder, console_error};

/// What went wrong, as the client hears it. In a box: it goes through very many functions, and is rarely there.
#[derive(Debug)]
pub struct Error(Box<Parts>);

#[derive(Debug)]
struct Parts {
    code: Code,
    detail: String,
    /// A header that goes with the status: `Allow`, `Retry-After`.
    header: Option<(&'static str, String)>,
}

impl Error {
    /// Which kind.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// What to do about it, naming the field.
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// With a header that goes with the status.
    #[inline(never)]
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Error {
        self.0.header = Some((name, value.into()));
        self
    }

    /// An error of this kind.
    pub fn new(code: Code, detail: impl Into<String>) -> Error {
        Error::of(code, detail.into())
    }

    // The others are made by functions that are not generic, which the compiler keeps once and not at each `?`.
    #[inline(never)]
    fn of(code: Code, detail: String) -> Error {
        Error(Box::new(Parts { code, detail, header: None }))
    }

    /// A fault of ours. The cause is logged with what was being done, and never sent.
    pub fn internal(doing: &str, cause: impl fmt::Display) -> Error {
        Error::of_fault(doing, &cause)
    }

    #[inline(never)]
    fn of_fault(doing: &str, cause: &dyn fmt::Display) -> Error {
        console_error!("{doing}: {cause}");
        Error::new(Code::Internal, "a fault of the relay; try again")
    }

    /// Something that the relay needs does not answer. The cause is logged, and never sent.
    pub fn unavailable(doing: &str, cause: impl fmt::Display) -> Error {
        Error::of_outage(doing, &cause)
    }

    #[inline(never)]
    fn of_outage(doing: &str, cause: &dyn fmt::Display) -> Error {
        console_error!("{doing}: {cause}");
        let error = Error::new(Code::Unavailable, format!("{doing}: try again"));
        error.with_header("Retry-After", RETRY_AFTER_S.to_string())
    }

    /// No valid proof of who is asking.
    #[inline(never)]
    pub fn unauthorized(detail: &str) -> Error {
        Error::new(Code::Unauthorized, detail).with_header("WWW-Authenticate", "Bearer")
    }
}

impl From<Refusal> for Error {
    fn from(Refusal { code, detail }: Refusal) -> Error {
        // In an HTTP request there are fields, not frames.
        let code = if code == Code::BadFrame { Code::BadRequest } else { code };
        let error = Error::new(code, detail);
        if code.status() == 429 { error.with_header("Retry-After", RETRY_AFTER_S.to_string()) } else { error }
    }
}

impl From<NoEvent> for Error {
    /// All failures to prove who sent it are answered alike: bad padding told apart from bad JSON would be a padding
    /// oracle, since address checks are decrypted without a signature.
    fn from(error: NoEvent) -> Error {
        match error {
            NoEvent::Malformed(malformed) => Error::new(Code::BadRequest, malformed.to_string()),
            NoEvent::Rejected(Rejected::BodyNotJson) => Error::new(Code::BadRequest, "body: not JSON"),
            NoEvent::Rejected(_) => Error::new(Code::Unauthorized, "the request is not signed by the platform"),
        }
    }
}

impl From<runtime::Error> for Error {
    #[inline(never)]
    fn from(error: runtime::Error) -> Error {
        Error::internal("runtime", error)
    }
}

/// The answer to a request that failed.
pub fn respond(error: Error) -> runtime::Result<Response> {
    let Parts { code, detail, header } = *error.0;
    let mut response =
        ResponseBuilder::new().with_status(code.status()).with_header("Content-Type", "application/problem+json")?;
    if let Some((name, value)) = header {
        response = response.with_header(name, &value)?;
    }
    let body = object! {
        "type": format!("/errors/{code}"),
        "title": code.title(),
        "status": code.status(),
        "detail": detail,
    };
    response.text(&body)
}

/// What the runtime gets to send.
pub fn answer(answer: Result<Response, Error>) -> Result<JsValue, JsValue> {
    Ok(answer.or_else(respond)?.into())
}

/// How long a client waits after a refusal that may pass.
const RETRY_AFTER_S: u32 = 5;
