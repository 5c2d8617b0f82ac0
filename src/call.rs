//! One request to the API: its parts, who makes it, and the shape of its answers.

use std::cell::RefCell;
use std::pin::Pin;
use std::str::FromStr;

use protocol::Code;
use protocol::api::{AgentRow, Role};
use protocol::json::{FromJson, Json, Wrong};
use relay::auth::{Access, AgentKey};
use serde::Serialize;

use crate::clock::now;
use crate::config::Config;
use crate::error::Error;
use crate::runtime::{Context, Request, Response, ResponseBuilder};
use crate::{db, limit, request};

/// What is waited for in many places. Boxed, since each would otherwise hold a copy of how.
pub type Awaited<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + 'a>>;

/// One request to the API.
pub struct Call {
    /// As it came.
    pub request: Request,
    /// What the Worker was deployed with.
    pub config: Config,
    /// What goes on after the answer.
    pub context: Context,
    params: Vec<String>,
    body: RefCell<Option<Vec<u8>>>,
}

/// A person who is signed in, whose session goes on, and who is not disabled.
pub struct Caller {
    /// Who.
    pub known: db::Known,
    /// By which session.
    pub session: String,
}

impl Call {
    /// `params`: the named parts of its path, as they were written.
    pub fn new(request: Request, config: Config, context: Context, params: &[String]) -> Result<Call, Error> {
        let decoded = |part: &String| {
            let decoded = js_sys::decode_uri_component(part).map(String::from);
            decoded.map_err(|_| Error::new(Code::BadRequest, "path: a part is not percent-encoded UTF-8"))
        };
        let params = params.iter().map(decoded).collect::<Result<_, _>>()?;
        Ok(Call { request, config, context, params, body: RefCell::default() })
    }

    /// The same request, for what goes on after its answer. Its body was not read.
    pub fn again(&self) -> Result<Call, Error> {
        let request = Request::from(Clone::clone(self.request.inner()));
        Call::new(request, self.config.clone(), self.context.clone(), &[])
    }

    /// A named part of its path.
    pub fn param(&self, at: usize) -> &str {
        self.params.get(at).map_or("", String::as_str)
    }

    /// A named part of its path as an id: one that cannot be is unknown like one that is another's.
    pub fn id<T: FromStr>(&self, at: usize, unknown: &str) -> Result<T, Error> {
        self.param(at).parse().map_err(|_| Error::new(Code::NotFound, unknown))
    }

    /// Its body's bytes, at most [`JSON_BYTES_MAX`].
    pub fn body(&self) -> Awaited<'_, Vec<u8>> {
        Box::pin(async {
            if let Some(body) = self.body.borrow().as_ref() {
                return Ok(body.clone());
            }
            let body = request::body(&self.request, JSON_BYTES_MAX).await?;
            *self.body.borrow_mut() = Some(body.clone());
            Ok(body)
        })
    }

    /// Its body as JSON.
    pub fn json(&self) -> Awaited<'_, Body> {
        Box::pin(async {
            request::require_json(&self.request)?;
            read(&self.body().await?)
        })
    }

    /// The same, where every field may be absent and so may the body.
    pub fn json_or_none(&self) -> Awaited<'_, Body> {
        Box::pin(async {
            let body = self.body().await?;
            if body.is_empty() {
                return read(b"{}");
            }
            request::require_json(&self.request)?;
            read(&body)
        })
    }

    /// A query parameter.
    pub fn query(&self, name: &str) -> Result<Option<String>, Error> {
        request::query(&self.request, name)
    }

    /// How many rows of a list it asks for.
    pub fn limit(&self, max: u64) -> Result<u64, Error> {
        let limit = self.query("limit")?.map_or(Some(PAGE_ROWS_DEFAULT), |text| text.parse().ok());
        let limit = limit.filter(|limit| (1..=max).contains(limit));
        limit.ok_or_else(|| Error::new(Code::BadRequest, format!("limit: a whole number, 1 to {max}")))
    }

    /// The page of a list that it asks for: after what (empty: from the beginning), and how many.
    pub fn page(&self) -> Result<(String, u64), Error> {
        Ok((self.query("cursor")?.unwrap_or_default(), self.limit(db::PAGE_ROWS_MAX)?))
    }

    /// The page of a list in order of time that it asks for.
    pub fn page_by_time(&self) -> Result<(Option<db::Moment>, u64), Error> {
        let (cursor, limit) = self.page()?;
        let wrong = || Error::new(Code::BadRequest, "cursor: the `next` of another page");
        let after = (!cursor.is_empty()).then(|| db::Moment::read(&cursor).ok_or_else(wrong));
        Ok((after.transpose()?, limit))
    }

    /// A header, or nothing.
    pub fn header(&self, name: &str) -> Result<Option<String>, Error> {
        Ok(self.request.headers().get(name)?)
    }

    /// What its access token says. Whether the session was ended meanwhile the Hub knows, or [`Call::caller`] asks.
    pub fn access(&self) -> Result<Access, Error> {
        self.access_of(&request::bearer(&self.request)?)
    }

    /// What an access token says that stands elsewhere.
    pub fn access_of(&self, token: &str) -> Result<Access, Error> {
        let access = self.config.keys()?.verify(token, now());
        access.map_err(|_| Error::unauthorized("Authorization: sign in again"))
    }

    /// What its agent key says.
    pub fn agent_key(&self) -> Result<AgentKey, Error> {
        self.agent_key_of(&request::bearer(&self.request)?)
    }

    /// What an agent key says that stands elsewhere.
    pub fn agent_key_of(&self, token: &str) -> Result<AgentKey, Error> {
        let key = self.config.keys()?.verify(token, now());
        key.map_err(|_| Error::unauthorized("Authorization: not an agent key of this relay"))
    }

    /// Who makes it.
    pub fn caller(&self) -> Awaited<'_, Caller> {
        Box::pin(async { self.caller_by(self.access()?).await })
    }

    /// Whose access token this is.
    pub fn caller_by(&self, access: Access) -> Awaited<'_, Caller> {
        Box::pin(async move {
            limit::credential(self, &access.session).await?;
            let known = db::session_user(&self.config.db()?, &access.session, now()).await?;
            let known = known.filter(|known| known.user.id == access.user);
            let known = known.ok_or_else(|| Error::unauthorized("Authorization: sign in again"))?;
            Ok(Caller { known, session: access.session })
        })
    }

    /// Who makes it, if that is an operator.
    pub fn operator(&self) -> Awaited<'_, Caller> {
        Box::pin(async {
            let caller = self.caller().await?;
            if caller.known.user.role != Role::Operator {
                return Err(Error::new(Code::Forbidden, "only for operators"));
            }
            Ok(caller)
        })
    }

    /// The caller's own agent that the path names first.
    pub fn own_agent<'a>(&'a self, caller: &'a Caller) -> Awaited<'a, AgentRow> {
        Box::pin(async {
            let unknown = "no such agent of yours";
            let agent = db::agent(&self.config.db()?, caller.user(), &self.id(0, unknown)?).await?;
            agent.ok_or_else(|| Error::new(Code::NotFound, unknown))
        })
    }
}

impl Caller {
    /// Their id.
    pub fn user(&self) -> &protocol::UserId {
        &self.known.user.id
    }

    /// What they do, as the audit log will tell it. `action`: `noun.verb`.
    pub fn deed(&self, action: &'static str) -> db::Deed {
        db::Deed::new(&self.known.audit_id, action, now())
    }
}

/// A JSON body.
pub struct Body(pub Json);

impl Body {
    /// As a type. The error names the field.
    pub fn read<T: FromJson>(self) -> Result<T, Error> {
        T::from_json(self.0).map_err(bad_body)
    }
}

fn read(body: &[u8]) -> Result<Body, Error> {
    request::parse(body).map(Body).map_err(bad_body)
}

#[inline(never)]
fn bad_body(error: Wrong) -> Error {
    Error::new(Code::BadRequest, format!("body: {error}"))
}

/// Cuts what was read, one row more than the page holds, to the page: where the next one begins, if there is one.
pub fn cut_page<T, C: ToString>(rows: &mut Vec<T>, limit: u64, cursor: impl Fn(&T) -> C) -> Option<String> {
    let has_more = rows.len() as u64 > limit;
    rows.truncate(limit as usize);
    rows.last().filter(|_| has_more).map(|last| cursor(last).to_string())
}

/// 200, with this; not to be kept by anyone.
pub fn answer(body: &impl Serialize) -> Result<Response, Error> {
    with_status(200, serde_json::to_string(body))
}

/// 201, with this.
pub fn created(body: &impl Serialize) -> Result<Response, Error> {
    with_status(201, serde_json::to_string(body))
}

/// 204.
pub fn done() -> Result<Response, Error> {
    Ok(ResponseBuilder::new().with_status(204).empty()?)
}

#[inline(never)]
fn with_status(status: u16, body: serde_json::Result<String>) -> Result<Response, Error> {
    let body = body.map_err(|error| Error::internal("an answer", error))?;
    Ok(ResponseBuilder::new().with_status(status).with_header("Cache-Control", "no-store")?.json(&body)?)
}

/// A JSON body of our own API.
pub const JSON_BYTES_MAX: usize = 64 * 1024;
const PAGE_ROWS_DEFAULT: u64 = 50;
