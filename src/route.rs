//! Every HTTP route: its method, its path, and the name by which [`crate::router`] and the description at
//! `/openapi.json` know it. Neither can leave one out.

macro_rules! routes {
    ($($name:ident => $method:literal $path:literal,)+) => {
        /// What a route does.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs)]
        pub enum Op { $($name,)+ }

        /// Every route: what it does, its method, its path. `{name}` stands for one part of a path.
        pub const ROUTES: &[(Op, &str, &str)] = &[$((Op::$name, $method, $path),)+];
    };
}

routes! {
    Health => "GET" "/healthz",
    AuthMethods => "GET" "/v1/auth/methods",
    AuthOperator => "POST" "/v1/auth/operator",
    AuthRegister => "POST" "/v1/auth/register",
    AuthLogin => "POST" "/v1/auth/login",
    AuthRefresh => "POST" "/v1/auth/refresh",
    AuthVerify => "POST" "/v1/auth/verify",
    AuthLink => "POST" "/v1/auth/link",
    AuthLogout => "POST" "/v1/auth/logout",
    AuthWechat => "POST" "/v1/auth/wechat",
    AuthOauthStart => "POST" "/v1/auth/oauth/{provider}/start",
    AuthOauthFinish => "POST" "/v1/auth/oauth/{provider}/finish",
    Me => "GET" "/v1/me",
    MeRename => "PATCH" "/v1/me",
    MeDelete => "DELETE" "/v1/me",
    MePassword => "PUT" "/v1/me/password",
    MeSessions => "GET" "/v1/me/sessions",
    MeSessionsEnd => "DELETE" "/v1/me/sessions",
    MeSessionEnd => "DELETE" "/v1/me/sessions/{session}",
    MeLink => "POST" "/v1/me/links",
    MeExport => "GET" "/v1/me/export",
    Agents => "GET" "/v1/agents",
    AgentCreate => "POST" "/v1/agents",
    AgentRename => "PATCH" "/v1/agents/{agent}",
    AgentDelete => "DELETE" "/v1/agents/{agent}",
    AgentKeys => "GET" "/v1/agents/{agent}/keys",
    AgentKeyCreate => "POST" "/v1/agents/{agent}/keys",
    AgentKeyRotate => "POST" "/v1/agents/{agent}/keys/{key}/rotate",
    AgentKeyRevoke => "DELETE" "/v1/agents/{agent}/keys/{key}",
    Identities => "GET" "/v1/identities",
    IdentityChange => "PATCH" "/v1/identities/{identity}",
    IdentityDelete => "DELETE" "/v1/identities/{identity}",
    PairingUse => "POST" "/v1/pairings",
    Conversations => "GET" "/v1/conversations",
    Messages => "GET" "/v1/conversations/{conversation}/messages",
    MessagePush => "POST" "/v1/messages",
    DeadLetters => "GET" "/v1/dead-letters",
    DeadLetterReplay => "POST" "/v1/dead-letters/{seq}/replay",
    Events => "GET" "/v1/events",
    Config => "GET" "/v1/config",
    ConfigPut => "PUT" "/v1/config",
    FileUpload => "POST" "/v1/files",
    FileRead => "GET" "/v1/files/{file}",
    FilePut => "PUT" "/v1/files/{file}",
    Ticket => "POST" "/v1/tickets",
    WebSocket => "GET" "/v1/ws",
    ManServerStream => "GET" "/ocms/v1/stream",
    ManServerToken => "POST" "/ocms/auth/weapp/token",
    ManServerRefresh => "POST" "/ocms/auth/refresh",
    ManServerRobots => "GET" "/ocms/robots/",
    ManServerConversations => "GET" "/ocms/conversations/",
    ManServerConversationCreate => "POST" "/ocms/conversations/",
    ManServerHistory => "GET" "/ocms/chat/history/{user}",
    ManServerUpload => "POST" "/ocms/upload/file",
    ManServerDownload => "GET" "/ocms/download/file",
    Plugin => "GET" "/openclaw",
    Accounts => "GET" "/v1/admin/accounts",
    AccountCreate => "POST" "/v1/admin/accounts",
    AccountChange => "PATCH" "/v1/admin/accounts/{account}",
    AccountCheck => "POST" "/v1/admin/accounts/{account}/check",
    AccountCredentials => "PUT" "/v1/admin/accounts/{account}/credentials",
    AccountDelete => "DELETE" "/v1/admin/accounts/{account}",
    AccountQuota => "GET" "/v1/admin/accounts/{account}/quota",
    Senders => "GET" "/v1/admin/accounts/{account}/senders",
    SenderPut => "PUT" "/v1/admin/accounts/{account}/senders/{sender}",
    SenderDelete => "DELETE" "/v1/admin/accounts/{account}/senders/{sender}",
    Groups => "GET" "/v1/admin/accounts/{account}/groups",
    GroupPut => "PUT" "/v1/admin/accounts/{account}/groups/{chat}",
    GroupDelete => "DELETE" "/v1/admin/accounts/{account}/groups/{chat}",
    Bind => "POST" "/v1/admin/identities",
    Users => "GET" "/v1/admin/users",
    UserCreate => "POST" "/v1/admin/users",
    User => "GET" "/v1/admin/users/{user}",
    UserChange => "PATCH" "/v1/admin/users/{user}",
    UserDelete => "DELETE" "/v1/admin/users/{user}",
    UserDeadLetters => "GET" "/v1/admin/users/{user}/dead-letters",
    UserDeadLetterReplay => "POST" "/v1/admin/users/{user}/dead-letters/{seq}/replay",
    UserEvents => "GET" "/v1/admin/users/{user}/events",
    Invitations => "GET" "/v1/admin/invitations",
    InvitationCreate => "POST" "/v1/admin/invitations",
    InvitationDelete => "DELETE" "/v1/admin/invitations/{invitation}",
    Providers => "GET" "/v1/admin/providers",
    ProviderCreate => "POST" "/v1/admin/providers",
    ProviderDelete => "DELETE" "/v1/admin/providers/{provider}",
    Audit => "GET" "/v1/admin/audit",
    SecretsRotate => "POST" "/v1/admin/secrets/rotate",
}

/// Where a request leads.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// To this, with the parts of its path that have a name, in order, as they were written.
    Here(Op, Vec<String>),
    /// Nowhere by this method; by these.
    Otherwise(Vec<&'static str>),
    /// Nowhere.
    Nowhere,
}

/// Looks a request up.
pub fn find(method: &str, path: &str) -> Found {
    let mut allowed = Vec::new();
    for &(op, its_method, its_path) in ROUTES {
        let Some(params) = params(its_path, path) else { continue };
        if its_method == method {
            return Found::Here(op, params);
        }
        allowed.push(its_method);
    }
    if allowed.is_empty() { Found::Nowhere } else { Found::Otherwise(allowed) }
}

fn params(template: &str, path: &str) -> Option<Vec<String>> {
    let (mut parts, mut params) = (path.split('/'), Vec::new());
    for wanted in template.split('/') {
        let part = parts.next()?;
        if wanted.starts_with('{') && !part.is_empty() {
            params.push(part.to_owned());
        } else if wanted != part {
            return None;
        }
    }
    parts.next().is_none().then_some(params)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_leads_where_it_says() {
        for &(op, method, path) in ROUTES {
            let count = path.matches('{').count();
            let filled = path.replace('{', "x").replace('}', "y");
            match find(method, &filled) {
                Found::Here(found, params) => assert_eq!((found, params.len()), (op, count), "{method} {path}"),
                other => panic!("{method} {path}: {other:?}"),
            }
        }
    }

    #[test]
    fn others_lead_nowhere() {
        assert_eq!(find("GET", "/v1/agents/"), Found::Nowhere);
        assert_eq!(find("GET", "/v1/agents//keys"), Found::Nowhere);
        assert_eq!(find("GET", "/v1/agents/a/keys/b/c"), Found::Nowhere);
        assert_eq!(find("GET", ""), Found::Nowhere);
        assert_eq!(find("PUT", "/v1/agents"), Found::Otherwise(vec!["GET", "POST"]));
    }
}
