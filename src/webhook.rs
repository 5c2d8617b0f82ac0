//! Webhooks: checked, read, and committed in the Hub before the platform hears 200.

use protocol::Code;
use relay::limit::WEBHOOK_BYTES_MAX;
use relay::platform::{self, Inbound, Malformed, NoEvent, Raw};

use crate::clock::now;
use crate::config::Config;
use crate::error::Error;
use crate::runtime::{Context, Request, Response, ResponseBuilder, console_log};
use crate::{ask, directory, request};

/// `GET, POST /webhook/{platform}/{account}`
///
/// A platform that wants the answer inside its webhook's response (official accounts, WeCom) will wait here, after the
/// commit, for the Hub's answer until the platform's deadline. TODO(#6): Feishu does not need it.
pub async fn receive(
    mut request: Request,
    config: Config,
    context: &Context,
    platform: &str,
    account: &str,
) -> Result<Response, Error> {
    let body = request::body(&mut request, WEBHOOK_BYTES_MAX).await?;
    let account = directory::account(&config, account).await?.filter(|account| account.platform.name() == platform);
    let Some(account) = account else {
        return Err(Error::new(Code::NotFound, "no such bot account on this platform"));
    };
    let method = request.inner().method();
    let methods = platform::methods(&account);
    let Some(&method) = methods.iter().find(|known| known.as_str() == method) else {
        let allow = methods.iter().map(|method| method.as_str()).collect::<Vec<_>>().join(", ");
        let detail = format!("this webhook takes {allow}");
        return Err(Error { header: Some(("Allow", allow)), ..Error::new(Code::MethodNotAllowed, detail) });
    };
    if platform::is_json(&account) {
        request::require_json(&request)?;
    }
    let url = request.inner().url();
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let header = |name: &&str| Some(((*name).to_owned(), request.headers().get(name).ok()??));
    let headers: Vec<(String, String)> = platform::headers(&account).iter().filter_map(header).collect();
    let inbound = match platform::receive(&account, &Raw { method, query, headers: &headers, body: &body }, now()) {
        // Refused, it would come again and again and hold up the platform's queue.
        Err(NoEvent::Malformed(Malformed::BadContent)) => Inbound::Ignored("content"),
        received => received?,
    };
    let reply = platform::ack(&account, &inbound);
    match inbound {
        Inbound::Challenge(_) => {}
        Inbound::Ignored(why) => console_log!("webhook {}: ignored: {why}", account.id),
        Inbound::Message { sender, question } => match directory::user(&config, &account, &sender).await? {
            Some(user) => {
                let conversation = question.conversation.clone();
                ask::post(&config, &user, question).await?;
                if !directory::has_chat(&conversation, &user) {
                    context.wait_until(async move { directory::note_chat(&config, &conversation, &user).await });
                }
            }
            // TODO(#5): a pairing code.
            None => console_log!("webhook {}: ignored: sender {sender} is bound to nobody", account.id),
        },
        // TODO(#6): the answer so far, which needs the webhook to be held. Without it none is asked for.
        Inbound::Refresh { .. } => {}
        Inbound::Recall { conversation, id } => {
            for user in directory::chat_users(&config, &conversation).await? {
                ask::recall(&config, &user, &id).await?;
            }
        }
    }
    let response = ResponseBuilder::new().with_header("Content-Type", reply.content_type)?;
    Ok(response.text(&reply.body)?)
}
