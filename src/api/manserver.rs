//! `/ocms`: what clients of ManServer need. Its stream, and the calls beside it, as other names for those of `/v1`.

use protocol::json::{Json, Writer, Wrong};
use protocol::{AgentId, Code, ConversationId, object};
use relay::dialect::Words;
use relay::dialect::manserver::{CONVERSATION, remember};
use relay::file::PATH;
use relay::form::{FIELD, Form, PASSED_BYTES_MAX};
use relay::hub::{Pass, Role};
use relay::limit::{ACCESS_TOKEN_MS, PAGE_MESSAGES_MAX};

use super::files::{self, Upload};
use super::websocket::{connect, connect_agent, page};
use super::{agents, auth, new_id, oauth, timeline};
use crate::ask::{self, Ask};
use crate::call::{Awaited, Call};
use crate::error::Error;
use crate::file::{Cover, Fault, Incoming};
use crate::runtime::Response;
use crate::{db, limit, request};

/// `GET /ocms/v1/stream`: a robot by its key, or a person by their access token, in the address because these clients know
/// no other way.
pub async fn stream(call: &Call) -> Result<Response, Error> {
    page(call, true)?;
    if let Some(key) = call.query("apiKey")?.or(call.header("x-api-key")?) {
        let key = call.agent_key_of(&key)?;
        let user = key.user.clone();
        return connect_agent(call, key, Some(Words::Robot { user })).await;
    }
    let access = match call.query("token")? {
        Some(token) => call.access_of(&token)?,
        None => call.access()?,
    };
    let unknown = || Error::new(Code::NotFound, "robotId: no such agent of yours");
    let robot: AgentId = call.query("robotId")?.unwrap_or_default().parse().map_err(|_| unknown())?;
    db::agent(&call.config.db()?, &access.user, &robot).await?.ok_or_else(unknown)?;
    let conversation = conversation(call, "conversationId")?;
    let pass = Pass { by: access.session, to: Some(robot.clone()), ..Pass::default() };
    connect(call, access.user, Role::Device, pass, None, Some(Words::Person { robot, conversation })).await
}

/// `POST /ocms/auth/weapp/token`: a person signs in from a mini program. It does not say from which; a relay has one.
pub async fn token(call: &Call) -> Result<Response, Error> {
    told(oauth::wechat(call).await?).await
}

/// `POST /ocms/auth/refresh`
pub async fn refresh(call: &Call) -> Result<Response, Error> {
    told(auth::refresh(call).await?).await
}

fn told(session: Response) -> Awaited<'static, Response> {
    Box::pin(async move {
        let session = read(session).await?;
        Ok(Response::json(&object! {
            "access_token": session.text("access_token"),
            "refresh_token": session.text("refresh_token"),
            "token_type": "bearer",
            "expires_in": ACCESS_TOKEN_MS / 1000,
            "scope": "profile robots",
        })?)
    })
}

/// `GET /ocms/robots/`: the user's agents.
pub async fn robots(call: &Call) -> Result<Response, Error> {
    let names = &[("robot_id", "id"), ("name", "name"), ("created_at", "created_ms")];
    renamed(agents::list(call).await?, "agents", names).await
}

/// `GET /ocms/conversations/`: those with the newest messages.
pub async fn conversations(call: &Call) -> Result<Response, Error> {
    let names = &[("conversation_id", "id"), ("updated_at", "last_at_ms")];
    renamed(timeline::conversations(call).await?, "conversations", names).await
}

/// `POST /ocms/conversations/`: a name for one. It begins with its first message.
pub fn begin(call: &Call) -> Result<Response, Error> {
    call.access()?;
    Ok(Response::json(&object! { "conversation_id": new_id::<ConversationId>("conv")? })?)
}

/// `GET /ocms/chat/history/{user}`: the newest messages of a conversation, oldest first.
pub async fn history(call: &Call) -> Result<Response, Error> {
    let access = call.access()?;
    limit::credential(call, &access.session).await?;
    if call.param(0) != access.user.as_str() {
        return Err(Error::new(Code::NotFound, "no such user"));
    }
    let (limit, offset) = (number(call, "limit", 100)?, number(call, "offset", 0)?);
    let conversation = conversation(call, "conversation_id")?;
    let asked = Ask::Messages { conversation, before: None, limit: PAGE_MESSAGES_MAX };
    let page = read(ask::ask(&call.config, &access.user, &access.session, &asked).await?).await?;
    let messages = page.get("messages").and_then(Json::as_list).unwrap_or_default();
    let newest = messages.iter().rev().skip(offset).take(limit).map(remember);
    let mut shown: Vec<String> = newest.collect();
    shown.reverse();
    let mut history = Writer::default();
    history.field("\"user_id\":", &access.user);
    history.field("\"total\":", &messages.len());
    history.field("\"limit\":", &limit);
    history.field("\"offset\":", &offset);
    history.raw("\"messages\":", &["[", &shown.join(","), "]"].concat());
    Ok(Response::json(&history.end())?)
}

/// `POST /ocms/upload/file`: a form whose field `file` is kept, as by `POST /v1/files`. Its URL goes by both names: some
/// clients give on the one as `filePath` or `mediaUrl`, some the other.
pub async fn upload(call: &Call) -> Result<Response, Error> {
    let user = files::sender(call, &credential(call)?).await?;
    let wrong = |wrong: Wrong| Error::new(Code::BadRequest, wrong.to_string());
    files::declared(call, FIELD, PASSED_BYTES_MAX as u64)?;
    let mut form = Form::of(&call.header("Content-Type")?.unwrap_or_default()).map_err(wrong)?;
    let body = call.request.body().ok_or_else(|| wrong(Form::without_file()))?;
    let head = loop {
        let piece = body.next().await.ok_or_else(|| wrong(Form::without_file()))?;
        if let Some(head) = form.begin(&piece.map_err(|_| Fault::Cut.of(FIELD))?).map_err(wrong)? {
            break head;
        }
    };
    let upload = Upload { user, field: FIELD, length: None, name: head.name, said: head.media_type };
    let file = files::keep(call, upload, &Incoming::new(body, Some(Cover::Form(form)))).await?;
    Ok(Response::json(&object! {
        "success": true,
        "file_name": file.url,
        "file_path": file.url,
        "file_size": file.bytes,
        "content_type": file.media_type,
        "message": "文件上传成功 · uploaded",
    })?)
}

/// `GET /ocms/download/file`: a file of the caller's own, by what leads to it.
pub async fn download(call: &Call) -> Result<Response, Error> {
    let (user, _) = files::owner(call, &credential(call)?).await?;
    let path = call.query("file_name")?.or(call.query("file_path")?).unwrap_or_default();
    let Some((_, token)) = path.rsplit_once(PATH) else {
        let expected = "file_name: what /ocms/upload/file answered, or a message's filePath or mediaUrl";
        return Err(Error::new(Code::BadRequest, expected));
    };
    let link = files::link(call, token)?;
    if link.user != user {
        return Err(Error::new(Code::NotFound, "no such file"));
    }
    files::send(call, &link).await
}

/// An agent key or an access token, where these clients have it: in the address, in a header, or as the password of an
/// address like `https://robot:{key}@…`.
fn credential(call: &Call) -> Result<String, Error> {
    let named = call.query("apiKey")?.or(call.header("x-api-key")?).or(call.query("token")?);
    let basic = call.header("Authorization")?.and_then(|header| relay::auth::basic_password(&header));
    named.or(basic).map_or_else(|| request::bearer(&call.request), Ok)
}

/// A list of ours in their words: of each row these fields, by these names.
fn renamed<'a>(response: Response, list: &'a str, names: &'a [(&'a str, &'a str)]) -> Awaited<'a, Response> {
    Box::pin(async move {
        let answer = read(response).await?;
        let row = |row: &Json| {
            let mut renamed = Writer::default();
            for (theirs, ours) in names {
                renamed.field(&format!("\"{theirs}\":"), &row.get(ours));
            }
            renamed.end()
        };
        let rows: Vec<String> = answer.get(list).and_then(Json::as_list).unwrap_or_default().iter().map(row).collect();
        Ok(Response::json(&["[", &rows.join(","), "]"].concat())?)
    })
}

/// What we answer to the same question in our own words, or our refusal.
fn read(response: Response) -> Awaited<'static, Json> {
    Box::pin(async move {
        match response.status_code() {
            200 => Ok(response.read().await?),
            _ => Err(ask::refused(&response).await),
        }
    })
}

fn conversation(call: &Call, name: &str) -> Result<ConversationId, Error> {
    let id = call.query(name)?.unwrap_or_else(|| CONVERSATION.into());
    id.parse().map_err(|error| Error::new(Code::BadRequest, format!("{name}: {error}")))
}

fn number(call: &Call, name: &str, default: usize) -> Result<usize, Error> {
    let number = call.query(name)?.map_or(Some(default), |text| text.parse().ok());
    number.ok_or_else(|| Error::new(Code::BadRequest, format!("{name}: a whole number")))
}
