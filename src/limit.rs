//! How often one may ask: counted by Cloudflare per address and per credential, before any object is touched. The
//! counters are kept per place of Cloudflare's network and are approximate; what must be exact the Hub counts.

use protocol::Code;

use crate::call::Call;
use crate::error::Error;
use crate::origin::Headers;
use crate::route::Op;

/// Counts a request by its address, and one that signs in more strictly.
pub async fn address(call: &Call, op: Op) -> Result<(), Error> {
    // Cloudflare's own header, which nobody else can set.
    let address = call.header("CF-Connecting-IP")?.unwrap_or_default();
    match op {
        Op::AuthOperator
        | Op::AuthRegister
        | Op::AuthLogin
        | Op::AuthLink
        | Op::AuthWechat
        | Op::AuthOauthFinish
        | Op::ManServerToken => count(call, "LIMIT_SIGN_IN", &address).await,
        _ => count(call, "LIMIT_REQUESTS", &address).await,
    }
}

/// Counts a try at something that can be guessed, by whom or what it is tried.
pub async fn guess(call: &Call, who: &str) -> Result<(), Error> {
    count(call, "LIMIT_GUESSES", &relay::auth::hash(who)).await
}

/// Counts a request by its credential.
pub async fn credential(call: &Call, id: &str) -> Result<(), Error> {
    count(call, "LIMIT_REQUESTS", id).await
}

/// What is said of it with every answer (draft-ietf-httpapi-ratelimit-headers). What is left is not told: Cloudflare
/// does not say.
pub fn policy(path: &str) -> Headers {
    if !path.starts_with("/v1/") {
        return Vec::new();
    }
    let signs_in = ["operator", "register", "login", "link", "wechat", "finish"];
    let last = path.rsplit('/').next().unwrap_or_default();
    let is_sign_in = path.starts_with("/v1/auth/") && signs_in.contains(&last);
    let (name, quota) = if is_sign_in { ("sign-in", SIGN_IN_MAX) } else { ("requests", REQUESTS_MAX) };
    vec![("RateLimit-Policy", format!("\"{name}\";q={quota};w={PERIOD_S}"))]
}

async fn count(call: &Call, binding: &str, key: &str) -> Result<(), Error> {
    let Some(limiter) = call.config.limiter(binding)? else { return Ok(()) };
    if limiter.allows(key).await? {
        return Ok(());
    }
    let error = Error::new(Code::RateLimited, format!("too often: try again in {PERIOD_S} s"));
    Err(error.with_header("Retry-After", PERIOD_S.to_string()))
}

/// As in `wrangler.toml`, `[[ratelimits]]`.
const PERIOD_S: u32 = 60;
const REQUESTS_MAX: u32 = 300;
const SIGN_IN_MAX: u32 = 20;
