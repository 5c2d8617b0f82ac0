//! What each route means: who may, what it takes, what it answers, and how it fails beside what all routes can.

use claw_relay::route::Op;
use protocol::Code;
use protocol::api::*;
use schemars::generate::SchemaGenerator;
use schemars::{JsonSchema, Schema};

/// What a route means.
pub struct About {
    /// In a few words.
    pub summary: &'static str,
    /// Who may.
    pub auth: Auth,
    /// Its query.
    pub query: Vec<Query>,
    /// What it takes, and whether it must be there.
    pub body: Option<(Make, bool)>,
    /// What it answers: the status, what that means, the body.
    pub answer: (u16, &'static str, Option<Make>),
    /// How it fails.
    pub fails: Vec<Code>,
}

/// Makes a schema.
pub type Make = fn(&mut SchemaGenerator) -> Schema;

/// Who may.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// Whoever is signed in.
    Access,
    /// Whoever is signed in, and their agents.
    AccessOrAgent,
    /// Anyone.
    Open,
    /// An operator who is signed in.
    Operator,
    /// Whoever has the operator token.
    OperatorToken,
}

/// A query parameter.
pub struct Query {
    pub name: &'static str,
    pub meaning: &'static str,
    pub is_required: bool,
    /// A whole number within this.
    pub range: Option<(u64, u64)>,
}

impl About {
    fn takes<T: JsonSchema>(mut self) -> About {
        self.body = Some((|generator| generator.subschema_for::<T>(), true));
        self
    }

    fn may_take<T: JsonSchema>(mut self) -> About {
        self.body = Some((|generator| generator.subschema_for::<T>(), false));
        self
    }

    fn gives<T: JsonSchema>(mut self) -> About {
        self.answer = (200, "Here it is.", Some(|generator| generator.subschema_for::<T>()));
        self
    }

    fn creates<T: JsonSchema>(mut self) -> About {
        self.answer = (201, "It was made.", Some(|generator| generator.subschema_for::<T>()));
        self
    }

    fn fails(mut self, codes: &[Code]) -> About {
        self.fails.extend_from_slice(codes);
        self
    }

    fn pages(mut self) -> About {
        let cursor = "The `next` of the page before.";
        self.query.push(Query { name: "cursor", meaning: cursor, is_required: false, range: None });
        let limit = "How many.";
        self.query.push(Query { name: "limit", meaning: limit, is_required: false, range: Some((1, 100)) });
        self
    }

    fn before(mut self, limit: u64) -> About {
        let before = "The `next` of the page after.";
        self.query.push(Query { name: "before", meaning: before, is_required: false, range: None });
        let meaning = "How many.";
        self.query.push(Query { name: "limit", meaning, is_required: false, range: Some((1, limit)) });
        self
    }

    fn asks(mut self, name: &'static str, meaning: &'static str, is_required: bool) -> About {
        self.query.push(Query { name, meaning, is_required, range: None });
        self
    }
}

fn new(auth: Auth, summary: &'static str) -> About {
    let answer = (204, "Done.", None);
    About { summary, auth, query: Vec::new(), body: None, answer, fails: Vec::new() }
}

fn open(summary: &'static str) -> About {
    new(Auth::Open, summary)
}

fn mine(summary: &'static str) -> About {
    new(Auth::Access, summary)
}

fn operator(summary: &'static str) -> About {
    new(Auth::Operator, summary)
}

/// What a route means.
pub fn about(op: Op) -> About {
    use Code::*;
    match op {
        Op::Health => open("Whether it was deployed whole").gives::<Health>(),
        Op::AuthMethods => open("How people can sign in").gives::<Methods>(),
        Op::AuthOperator => new(Auth::OperatorToken, "Spend the operator token").gives::<Session>(),
        Op::AuthRegister => {
            open("Sign up with a password").takes::<Register>().creates::<Session>().fails(&[Forbidden, Conflict])
        }
        Op::AuthLogin => open("Sign in with a password").takes::<Login>().gives::<Session>().fails(&[Unauthorized]),
        Op::AuthRefresh => {
            open("Get the next access token").takes::<RefreshBody>().gives::<Session>().fails(&[Unauthorized])
        }
        Op::AuthVerify => new(Auth::AccessOrAgent, "What a token is good for").gives::<Verified>(),
        Op::AuthLink => open("Sign in by a link").takes::<CodeBody>().gives::<Session>().fails(&[Unauthorized]),
        Op::AuthLogout => mine("End this session"),
        Op::AuthWechat => open("Sign in from a mini program").takes::<WechatLogin>().gives::<Session>().fails(&[
            Forbidden,
            NotFound,
            Conflict,
            PlatformRefused,
            Unauthorized,
        ]),
        Op::AuthOauthStart => {
            open("Begin to sign in at a provider").takes::<OauthStart>().gives::<OauthUrl>().fails(&[NotFound])
        }
        Op::AuthOauthFinish => open("Sign in by what a provider said")
            .takes::<OauthFinish>()
            .gives::<Session>()
            .fails(&[Forbidden, NotFound, Conflict, PlatformRefused, Unauthorized]),
        Op::Me => mine("Who I am, and what I sign in with").gives::<protocol::api::Me>(),
        Op::MeRename => mine("Change my name").takes::<NameBody>().gives::<UserAnswer>(),
        Op::MeDelete => mine("Delete me and everything of mine")
            .asks("confirm", "My own id, so that it does not happen by accident.", true)
            .fails(&[Conflict]),
        Op::MePassword => mine("Choose a password").takes::<PasswordBody>().fails(&[Forbidden, Conflict]),
        Op::MeSessions => mine("Where I am signed in").pages().gives::<Sessions>(),
        Op::MeSessionsEnd => mine("End all my other sessions"),
        Op::MeSessionEnd => mine("End one of my sessions").fails(&[NotFound]),
        Op::MeLink => mine("A link that signs me in elsewhere").may_take::<LinkBody>().creates::<LinkAnswer>(),
        Op::MeExport => mine("Everything of mine, as one document").gives::<Anything>(),
        Op::Agents => mine("My agents").gives::<protocol::api::Agents>(),
        Op::AgentCreate => mine("Add an agent").takes::<NameBody>().creates::<AgentAnswer>().fails(&[Conflict]),
        Op::AgentRename => mine("Rename an agent").takes::<NameBody>().gives::<AgentAnswer>().fails(&[NotFound]),
        Op::AgentDelete => mine("Remove an agent with its keys").fails(&[NotFound]),
        Op::AgentKeys => mine("The keys of an agent").gives::<protocol::api::AgentKeys>().fails(&[NotFound]),
        Op::AgentKeyCreate => mine("Make a key for an agent")
            .may_take::<NewAgentKey>()
            .creates::<AgentKeyAnswer>()
            .fails(&[NotFound, Conflict]),
        Op::AgentKeyRotate => mine("Replace a key").creates::<AgentKeyAnswer>().fails(&[NotFound]),
        Op::AgentKeyRevoke => mine("Revoke a key").fails(&[NotFound]),
        Op::Identities => mine("Which senders in chat apps are me").gives::<protocol::api::Identities>(),
        Op::IdentityChange => {
            mine("Change an identity").takes::<IdentityChanges>().gives::<IdentityAnswer>().fails(&[NotFound])
        }
        Op::IdentityDelete => mine("Unbind an identity").fails(&[NotFound]),
        Op::PairingUse => mine("Bind myself with the code that a bot told me")
            .takes::<CodeBody>()
            .creates::<IdentityAnswer>()
            .fails(&[NotFound, Conflict]),
        Op::Conversations => mine("My conversations").before(200).gives::<relay::hub::ConversationPage>(),
        Op::Messages => mine("The messages of a conversation").before(200).gives::<relay::hub::Page>(),
        Op::FileUpload => new(Auth::AccessOrAgent, "Upload a file, to be named in a message")
            .asks("name", "What it is called.", false)
            .creates::<protocol::File>()
            .fails(&[BadRequest, BodyTooLarge, Forbidden]),
        Op::FilePut => {
            open("Put a file that a platform has, by an agent that was asked to").fails(&[NotFound, BodyTooLarge])
        }
        Op::FileRead => open("Read a file, whole or a `Range` of it").fails(&[NotFound]),
        Op::MessagePush => new(Auth::AccessOrAgent, "Say something unasked")
            .takes::<protocol::api::Push>()
            .creates::<Pushed>()
            .fails(&[Conflict, Forbidden, TextTooLong, QueueFull]),
        Op::DeadLetters => {
            mine("Questions that ended without an answer").before(200).gives::<relay::hub::DeadLetterPage>()
        }
        Op::DeadLetterReplay => {
            mine("Ask one of them once more").gives::<Replayed>().fails(&[NotFound, Conflict, QueueFull])
        }
        Op::Events => mine("What became of my messages").before(200).gives::<relay::hub::EventPage>(),
        Op::Config => {
            new(Auth::AccessOrAgent, "What my agents are told to be").gives::<ConfigBody>().fails(&[Forbidden])
        }
        Op::ConfigPut => mine("Tell my agents what to be").takes::<ConfigBody>().gives::<ConfigBody>(),
        Op::Ticket => mine("The right to open one WebSocket").gives::<TicketAnswer>().fails(&[Forbidden]),
        Op::WebSocket => {
            let mut about = new(Auth::AccessOrAgent, "Open the WebSocket: docs/protocol.md")
                .asks("ticket", "From POST /v1/tickets, for browsers.", false)
                .fails(&[Forbidden, UpgradeRequired, TooManySockets]);
            about.answer = (101, "It is open.", None);
            about
        }
        Op::ManServerStream => {
            let mut about = new(Auth::AccessOrAgent, "Open ManServer's stream: docs/protocol.md §10")
                .asks("apiKey", "A robot's: an agent key.", false)
                .asks("token", "A person's: an access token.", false)
                .asks("robotId", "A person's: the agent that they talk to.", false)
                .asks("conversationId", "A person's: where; `default` without it.", false)
                .fails(&[Forbidden, NotFound, UpgradeRequired, TooManySockets]);
            about.answer = (101, "It is open.", None);
            about
        }
        Op::ManServerToken => open("Sign in from a mini program")
            .takes::<WeappToken>()
            .gives::<protocol::api::ManServerToken>()
            .fails(&[Forbidden, NotFound, Conflict, PlatformRefused, Unauthorized]),
        Op::ManServerRefresh => open("Get the next access token")
            .takes::<RefreshBody>()
            .gives::<protocol::api::ManServerToken>()
            .fails(&[Unauthorized]),
        Op::ManServerRobots => mine("My agents").gives::<Vec<ManServerRobot>>(),
        Op::ManServerConversations => {
            mine("My conversations, newest first").before(200).gives::<Vec<ManServerConversation>>()
        }
        Op::ManServerConversationCreate => {
            mine("A name for a conversation, which begins with its first message").gives::<ManServerConversation>()
        }
        Op::ManServerHistory => mine("The newest messages of a conversation")
            .asks("conversation_id", "Which one; `default` without it.", false)
            .asks("limit", "How many; 100 without it.", false)
            .asks("offset", "How many of the newest are passed over.", false)
            .gives::<protocol::api::ManServerHistory>()
            .fails(&[NotFound]),
        Op::ManServerUpload => new(Auth::AccessOrAgent, "Upload a file, to be named as `filePath` or `mediaUrl`")
            .gives::<protocol::api::ManServerFile>()
            .fails(&[BadRequest, BodyTooLarge, Forbidden]),
        Op::ManServerDownload => new(Auth::AccessOrAgent, "Read a file of mine, whole or a `Range` of it")
            .asks("file_name", "A message's `filePath` or `mediaUrl`.", false)
            .asks("file_path", "The same.", false)
            .fails(&[NotFound]),
        Op::Plugin => {
            let mut about =
                open("Open the older relay plugin's socket: docs/protocol.md §10").fails(&[Forbidden, UpgradeRequired]);
            about.answer = (101, "It is open.", None);
            about
        }
        Op::Accounts => operator("The bot accounts").pages().gives::<protocol::api::Accounts>(),
        Op::AccountCreate => operator("Add a bot account, with its platform's settings beside these")
            .takes::<NewAccount>()
            .creates::<AccountAnswer>()
            .fails(&[Conflict, PlatformRefused]),
        Op::AccountCheck => {
            operator("Try whether a bot's calls leave, and are taken").gives::<AccountChecks>().fails(&[NotFound])
        }
        Op::AccountCredentials => {
            operator("Give a bot account other credentials: its platform's settings beside these")
                .takes::<NewAccount>()
                .gives::<AccountAnswer>()
                .fails(&[NotFound, PlatformRefused])
        }
        Op::AccountChange => operator("Change who may talk to a bot")
            .takes::<AccountChanges>()
            .gives::<AccountAnswer>()
            .fails(&[NotFound]),
        Op::AccountDelete => operator("Remove a bot account").fails(&[NotFound]),
        Op::AccountQuota => operator("What its platform allows a bot, and what is left of it")
            .gives::<protocol::api::AccountQuota>()
            .fails(&[NotFound]),
        Op::Senders => operator("Who may talk to a bot").pages().gives::<protocol::api::Senders>().fails(&[NotFound]),
        Op::SenderPut => operator("Let someone talk to a bot").fails(&[NotFound]),
        Op::SenderDelete => operator("Take someone off the list").fails(&[NotFound]),
        Op::Groups => operator("Where a bot answers").pages().gives::<GroupList>().fails(&[NotFound]),
        Op::GroupPut => operator("Let a bot answer in a group").may_take::<GroupBody>().fails(&[NotFound]),
        Op::GroupDelete => operator("Take a group off the list").fails(&[NotFound]),
        Op::Bind => operator("Bind a sender to a user").takes::<Binding>().gives::<Binding>(),
        Op::Users => operator("The users").pages().gives::<protocol::api::Users>(),
        Op::UserCreate => operator("Add a user").takes::<NewUser>().creates::<UserAnswer>().fails(&[Conflict]),
        Op::User => operator("A user").gives::<UserRow>().fails(&[NotFound]),
        Op::UserChange => {
            operator("Change a user").takes::<UserChanges>().gives::<UserAnswer>().fails(&[NotFound, Conflict])
        }
        Op::UserDelete => operator("Delete a user and everything of theirs").fails(&[NotFound, Conflict]),
        Op::UserDeadLetters => {
            operator("A user's dead letters").before(200).gives::<relay::hub::DeadLetterPage>().fails(&[NotFound])
        }
        Op::UserDeadLetterReplay => {
            operator("Ask one of them once more").gives::<Replayed>().fails(&[NotFound, Conflict, QueueFull])
        }
        Op::UserEvents => {
            operator("A user's event log").before(200).gives::<relay::hub::EventPage>().fails(&[NotFound])
        }
        Op::Invitations => operator("The invitations").pages().gives::<protocol::api::Invitations>(),
        Op::InvitationCreate => operator("Invite").may_take::<NewInvitation>().creates::<InvitationAnswer>(),
        Op::InvitationDelete => operator("Withdraw an invitation").fails(&[NotFound]),
        Op::Providers => operator("Where people may sign in").gives::<protocol::api::Providers>(),
        Op::ProviderCreate => {
            operator("Add a provider").takes::<Provider>().creates::<ProviderName>().fails(&[Conflict])
        }
        Op::ProviderDelete => operator("Remove a provider").fails(&[NotFound]),
        Op::Audit => operator("What was done")
            .pages()
            .asks("order", "`oldest` first, as it is without this, or `newest`.", false)
            .gives::<protocol::api::Audit>(),
        Op::SecretsRotate => operator("Seal everything under the newest key").gives::<Rotated>(),
    }
}

/// An object.
#[derive(JsonSchema)]
struct Anything {}
