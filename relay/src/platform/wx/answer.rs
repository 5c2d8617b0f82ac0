//! Answers of the API: HTTP 200 with `{"errcode":0,"errmsg":"ok",…}`, where `errcode` decides.

use protocol::json::{FromJson, Object, Wrong, parse};

use crate::platform::{HttpResponse, NoToken, Token};

/// An answer of the API.
pub(in crate::platform) struct Answer {
    /// 0: it worked.
    pub(in crate::platform) code: i64,
    /// For people: the platform's own code and words.
    pub(in crate::platform) why: String,
    /// The others.
    pub(in crate::platform) fields: Object,
}

/// Reads an answer of `platform`, as it is called in what people read.
pub(in crate::platform) fn read(platform: &str, response: &HttpResponse) -> Result<Answer, String> {
    let answer = fields(response).and_then(|mut fields| Some((fields.take("errcode").ok()?, fields)));
    finish(platform, response, answer)
}

/// Reads an answer that holds what was asked for instead of a code, when it worked.
pub(in crate::platform) fn read_found(platform: &str, response: &HttpResponse, what: &str) -> Result<Answer, String> {
    let answer = fields(response).and_then(|mut fields| {
        let is_found = fields.get(what).is_some();
        let code = if is_found { fields.take_or("errcode", || 0) } else { fields.take("errcode") };
        Some((code.ok()?, fields))
    });
    finish(platform, response, answer)
}

fn fields(response: &HttpResponse) -> Option<Object> {
    parse(&response.body).ok().and_then(|json| Object::from_json(json).ok())
}

fn finish(platform: &str, response: &HttpResponse, answer: Option<(i64, Object)>) -> Result<Answer, String> {
    let Some((code, mut fields)) = answer.filter(|(code, _)| response.status < 400 || *code != 0) else {
        return Err(format!("{platform} answered HTTP {} without a code", response.status));
    };
    let words = fields.take_or("errmsg", String::new).unwrap_or_default();
    Ok(Answer { code, why: format!("{platform} {code}: {words}"), fields })
}

/// The token in an answer: `access_token`, for `expires_in` seconds. `is_busy` tells codes that pass.
pub(in crate::platform) fn expiring_token(answer: Answer, is_busy: bool) -> Result<Token, NoToken> {
    let Answer { code, why, mut fields } = answer;
    if code != 0 {
        return Err(if is_busy { NoToken::Later(why) } else { NoToken::Refused(why) });
    }
    let wrong = |wrong: Wrong| NoToken::Later(format!("{why} {wrong}"));
    let value = fields.take("access_token").map_err(wrong)?;
    let life_s: u64 = fields.take("expires_in").map_err(wrong)?;
    Ok(Token { value, life_ms: life_s.saturating_mul(1000) })
}
