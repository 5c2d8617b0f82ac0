//! Error codes: the same in HTTP problem details (`type: /errors/{code}`) and in WebSocket `error` frames.

use std::fmt;

use serde::Serialize;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident, $code:literal, $status:literal, $title:literal;)*) => {
        /// What went wrong, stable across versions. Each says what the client should do.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
        pub enum Code {
            $($(#[$doc])* #[serde(rename = $code)] $variant,)*
            /// A code from a newer relay: treat it by its HTTP status, or as final in a frame.
            #[serde(rename = "unknown")]
            Unknown,
        }

        crate::from_json! { words Code { $($code => $variant),* } else Unknown }

        impl Code {
            /// Every code that this version can answer with, in the order of `docs/protocol.md`.
            pub const ALL: &[Code] = &[$(Code::$variant),*];

            /// The code as it is written in JSON.
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$variant => $code,)* Code::Unknown => "unknown" }
            }

            /// The HTTP status that goes with it.
            pub fn status(self) -> u16 {
                match self { $(Code::$variant => $status,)* Code::Unknown => 500 }
            }

            /// The same for every occurrence, in English.
            pub fn title(self) -> &'static str {
                match self { $(Code::$variant => $title,)* Code::Unknown => "Unknown error" }
            }
        }
    };
}

codes! {
    /// The question has its one final answer already, or was stopped or expired: drop yours.
    AlreadyReplied, "already_replied", 409, "Already replied";
    /// An `ack` names a message that was never sent to you: fix the client.
    BadAck, "bad_ack", 400, "Bad acknowledgement";
    /// The cursor is not one that this relay made: drop it and start without.
    BadCursor, "bad_cursor", 400, "Bad cursor";
    /// The frame is not what `docs/protocol.md` describes: fix the client.
    BadFrame, "bad_frame", 400, "Bad frame";
    /// A field is missing or wrong: `detail` names it.
    BadRequest, "bad_request", 400, "Bad request";
    /// Frames are text: do not send binary.
    BinaryFrame, "binary_frame", 400, "Binary frame";
    /// The body is over the limit that `detail` names: send less.
    BodyTooLarge, "body_too_large", 413, "Body too large";
    /// Another row has this name or id: choose another.
    Conflict, "conflict", 409, "Conflict";
    /// You are signed in, but this is not yours to do.
    Forbidden, "forbidden", 403, "Forbidden";
    /// The frame is over the limit: send less.
    FrameTooLarge, "frame_too_large", 413, "Frame too large";
    /// A fault of the relay: try again; `detail` says no more.
    Internal, "internal", 500, "Internal error";
    /// The route exists, with other methods: see the `Allow` header.
    MethodNotAllowed, "method_not_allowed", 405, "Method not allowed";
    /// There is nothing here, or nothing of yours.
    NotFound, "not_found", 404, "Not found";
    /// The platform refused the bot's credentials: `detail` has its code.
    PlatformRefused, "platform_refused", 422, "Platform refused";
    /// Too many questions wait for an answer: try again when the agent has caught up.
    QueueFull, "queue_full", 429, "Queue full";
    /// Too many requests from your address or with your credential: try again after `Retry-After` seconds.
    RateLimited, "rate_limited", 429, "Too many requests";
    /// Another connection of the same agent took over: do not reconnect.
    Replaced, "replaced", 409, "Replaced by a newer connection";
    /// Nothing was heard from you for too long: connect again, and send `ping` every `ping_ms`.
    Silent, "silent", 408, "No heartbeat";
    /// You read too slowly: connect again, and read what is sent before anything else.
    Stalled, "stalled", 408, "Reads too slowly";
    /// The text is over the limit: send less, or in parts.
    TextTooLong, "text_too_long", 413, "Text too long";
    /// Close a connection of this user first.
    TooManySockets, "too_many_sockets", 429, "Too many connections";
    /// No valid token, key, ticket or signature: sign in again.
    Unauthorized, "unauthorized", 401, "Unauthorized";
    /// A dependency of the relay does not answer: try again after `Retry-After` seconds.
    Unavailable, "unavailable", 503, "Unavailable";
    /// The route takes another content type: `detail` names it.
    UnsupportedMediaType, "unsupported_media_type", 415, "Unsupported media type";
    /// The route opens a WebSocket: send an upgrade with the subprotocol `claw-relay.v1`.
    UpgradeRequired, "upgrade_required", 426, "Upgrade required";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
