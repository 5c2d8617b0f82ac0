//! Ids, sequence numbers and times. Strings and integers in JSON; distinct types in Rust.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::json::{FromJson, Json, Wrong};
use crate::limit::ID_BYTES_MAX;

/// Why a string is not an id or a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidId {
    /// A character outside `A-Z a-z 0-9 . _ : @ -`.
    Character,
    /// Nothing at all.
    Empty,
    /// A cursor that is not `epoch.seq`.
    Form,
    /// More than [`ID_BYTES_MAX`] bytes.
    TooLong,
}

impl fmt::Display for InvalidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InvalidId::Character => write!(f, "only letters, digits and . _ : @ - are allowed"),
            InvalidId::Empty => write!(f, "must not be empty"),
            InvalidId::Form => write!(f, "expected two whole numbers joined by a dot, as in 1732233600000.42"),
            InvalidId::TooLong => write!(f, "longer than {ID_BYTES_MAX} bytes"),
        }
    }
}

impl std::error::Error for InvalidId {}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
        pub struct $name(#[cfg_attr(feature = "openapi", schemars(length(min = 1, max = 200), regex(pattern = r"^[A-Za-z0-9._:@-]+$")))] String);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                check_id(text).map(|()| $name(text.to_owned()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl FromJson for $name {
            fn from_json(json: Json) -> Result<Self, Wrong> {
                let text = String::from_json(json)?;
                check_id(&text).map_err(|invalid| Wrong::from(invalid.to_string()))?;
                Ok($name(text))
            }
        }

        crate::from_json!(type $name);
    };
}

id! {
    /// A bot on a chat platform, as the operator named it: the last part of its webhook's path.
    AccountId
}
id! {
    /// A user's agent: `agt_…`.
    AgentId
}
id! {
    /// One thread of talk: `web`, or `feishu:{account}:{chat}`.
    ConversationId
}
id! {
    /// A file beside a message: `fil_…`.
    FileId
}
id! {
    /// The idempotency key of a message, made by whoever wrote it. The same id is never stored twice.
    /// Ids with a colon are the relay's own (`feishu:{account}:{message}`, `reply:{seq}`); clients make ids without one.
    MessageId
}
id! {
    /// A person with an account on this deployment: `usr_…`.
    UserId
}

/// A message's place in its user's timeline: 1, 2, 3 … without holes, below 2^53.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Seq(pub u64);

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Milliseconds since 1970-01-01 UTC, below 2^53.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// This time and `ms` milliseconds.
    pub fn plus_ms(self, ms: u64) -> Timestamp {
        Timestamp(self.0.saturating_add(ms))
    }
}

/// A place in a timeline: everything up to `seq` of the timeline that began at `epoch` is known.
/// Text form `epoch.seq`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// When the timeline was created, in milliseconds. A timeline that was deleted and begun anew has another.
    pub epoch: u64,
    /// The last message known.
    pub seq: Seq,
}

impl FromStr for Cursor {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let (epoch, seq) = text.split_once('.').ok_or(InvalidId::Form)?;
        Ok(Cursor { epoch: whole_number(epoch)?, seq: Seq(whole_number(seq)?) })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.seq)
    }
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromJson for Cursor {
    fn from_json(json: Json) -> Result<Cursor, Wrong> {
        String::from_json(json)?.parse().map_err(|invalid: InvalidId| Wrong::from(invalid.to_string()))
    }
}

crate::from_json!(type Cursor);

impl FromJson for Seq {
    fn from_json(json: Json) -> Result<Seq, Wrong> {
        safe_integer(json).map(Seq)
    }
}

crate::from_json!(type Seq);

impl FromJson for Timestamp {
    fn from_json(json: Json) -> Result<Timestamp, Wrong> {
        safe_integer(json).map(Timestamp)
    }
}

crate::from_json!(type Timestamp);

fn check_id(text: &str) -> Result<(), InvalidId> {
    if text.is_empty() {
        return Err(InvalidId::Empty);
    }
    if text.len() > ID_BYTES_MAX {
        return Err(InvalidId::TooLong);
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._:@-".contains(&byte);
    if text.bytes().all(allowed) { Ok(()) } else { Err(InvalidId::Character) }
}

/// Decimal digits only (no sign), below 2^53 so that JavaScript holds it exactly.
fn whole_number(text: &str) -> Result<u64, InvalidId> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(InvalidId::Form);
    }
    text.parse().ok().filter(|&number| number < 1 << 53).ok_or(InvalidId::Form)
}

/// A whole number that JavaScript holds exactly, and SQLite as well.
fn safe_integer(json: Json) -> Result<u64, Wrong> {
    match json {
        Json::Integer(number @ 0..=0x1f_ffff_ffff_ffff) => Ok(number as u64),
        _ => Err(Wrong::expected("a whole number below 2^53")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors() {
        let check = |text: &str, expected: Option<(u64, u64)>| {
            let parsed = text.parse::<Cursor>().ok();
            assert_eq!(parsed, expected.map(|(epoch, seq)| Cursor { epoch, seq: Seq(seq) }), "{text}");
            if let Some(cursor) = parsed {
                assert_eq!(cursor.to_string(), text);
            }
        };
        check("0.0", Some((0, 0)));
        check("1732233600000.42", Some((1_732_233_600_000, 42)));
        check("", None);
        check("12", None);
        check("1.-2", None);
        check("+1.2", None);
        check("1.2.3", None);
        check("1.9007199254740992", None);
        check("1.99999999999999999999", None);
        check("１.２", None);
    }

    #[test]
    fn ids() {
        let check = |text: &str, expected: Result<(), InvalidId>| {
            assert_eq!(text.parse::<MessageId>().map(|_| ()), expected, "{text}");
        };
        check("feishu:main:om_5ce6", Ok(()));
        check("", Err(InvalidId::Empty));
        check("a b", Err(InvalidId::Character));
        check("ключ", Err(InvalidId::Character));
        check(&"x".repeat(200), Ok(()));
        check(&"x".repeat(201), Err(InvalidId::TooLong));
    }
}
