//! Reading JSON into types. Every type is read from one tree, [`Json`], by plain code: what serde derives instead is
//! made anew for each type and each place that it is read from, and was a fifth of the Worker when it was measured.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Serialize, Serializer};

/// Any JSON, as it was written.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Json {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Number(f64),
    /// `"…"`
    Text(String),
    /// `[…]`
    List(Vec<Json>),
    /// `{…}`
    Object(Object),
}

/// A JSON object, in the order in which it was written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Object(Vec<(String, Json)>);

/// What is wrong with it, for whoever wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong(String);

/// A type that can be read from JSON.
pub trait FromJson: Sized {
    /// Reads it.
    fn from_json(json: Json) -> Result<Self, Wrong>;

    /// What it is when its field is absent; nothing: that is an error.
    fn absent() -> Option<Self> {
        None
    }
}

/// Reads a type.
pub fn read<T: FromJson>(text: &str) -> Result<T, Wrong> {
    T::from_json(parse(text)?)
}

/// Reads any JSON.
pub fn parse(text: &str) -> Result<Json, Wrong> {
    serde_json::from_str(text).map_err(|error| Wrong(error.to_string()))
}

/// Writes an object: `object! { "key": value, … }` is its text. Keys stand as they are written.
#[macro_export]
macro_rules! object {
    ($($key:literal: $value:expr),* $(,)?) => {{
        #[allow(unused_mut)]
        let mut object = $crate::json::Writer::default();
        $(object.field(concat!("\"", $key, "\":"), &$value);)*
        object.end()
    }};
}

/// Writes an object, field by field.
#[derive(Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// Adds a field. `key` is in quotes, and has its colon.
    pub fn field<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) {
        self.key(key);
        serde_json::to_writer(&mut self.0, value).expect("our own types are JSON");
    }

    /// Adds a field that is JSON already.
    pub fn raw(&mut self, key: &str, json: &str) {
        self.key(key);
        self.0.extend_from_slice(json.as_bytes());
    }

    /// The whole object.
    pub fn end(mut self) -> String {
        if self.0.is_empty() {
            self.0.push(b'{');
        }
        self.0.push(b'}');
        String::from_utf8(self.0).expect("JSON is UTF-8")
    }

    fn key(&mut self, key: &str) {
        self.0.push(if self.0.is_empty() { b'{' } else { b',' });
        self.0.extend_from_slice(key.as_bytes());
    }
}

impl Wrong {
    /// Says what is expected instead.
    pub fn expected(what: &str) -> Wrong {
        Wrong(["expected ", what].concat())
    }

    /// Says that a word is not one of those that are known.
    pub fn unknown(word: &str) -> Wrong {
        Wrong(["unknown `", word, "`"].concat())
    }

    /// Says in which field.
    pub fn of(self, field: &str) -> Wrong {
        Wrong([field, ": ", &self.0].concat())
    }

    fn field(what: &str, field: &str) -> Wrong {
        Wrong([what, " field `", field, "`"].concat())
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Wrong {}

impl From<String> for Wrong {
    fn from(what: String) -> Wrong {
        Wrong(what)
    }
}

impl Json {
    /// An object's field.
    pub fn get(&self, key: &str) -> Option<&Json> {
        if let Json::Object(object) = self { object.get(key) } else { None }
    }

    /// A text.
    pub fn as_str(&self) -> Option<&str> {
        if let Json::Text(text) = self { Some(text) } else { None }
    }

    /// A list.
    pub fn as_list(&self) -> Option<&[Json]> {
        if let Json::List(list) = self { Some(list) } else { None }
    }

    /// An object's field that is a text.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.get(key)?.as_str()
    }
}

impl Object {
    /// A field. Of several with one key it is the last, as for `JSON.parse`; [`Object::take`] turns them down.
    pub fn get(&self, key: &str) -> Option<&Json> {
        self.0.iter().rev().find(|(known, _)| known == key).map(|(_, value)| value)
    }

    /// The value of its first field.
    pub fn into_first(self) -> Option<Json> {
        self.0.into_iter().next().map(|(_, value)| value)
    }

    /// The fields, in the order in which they were written.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Json)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// Takes a field out.
    pub fn take<T: FromJson>(&mut self, key: &str) -> Result<T, Wrong> {
        match self.remove(key)? {
            Some(value) => T::from_json(value).map_err(|wrong| wrong.of(key)),
            None => T::absent().ok_or_else(|| Wrong::field("missing", key)),
        }
    }

    /// Takes a field out that need not be there.
    pub fn take_or<T: FromJson>(&mut self, key: &str, default: impl FnOnce() -> T) -> Result<T, Wrong> {
        match self.remove(key)? {
            Some(value) => T::from_json(value).map_err(|wrong| wrong.of(key)),
            None => Ok(default()),
        }
    }

    fn remove(&mut self, key: &str) -> Result<Option<Json>, Wrong> {
        let Some(at) = self.0.iter().position(|(known, _)| known == key) else { return Ok(None) };
        let (_, value) = self.0.swap_remove(at);
        if self.0.iter().any(|(known, _)| known == key) { Err(Wrong::field("duplicate", key)) } else { Ok(Some(value)) }
    }
}

impl FromJson for Json {
    fn from_json(json: Json) -> Result<Json, Wrong> {
        Ok(json)
    }
}

impl FromJson for Object {
    fn from_json(json: Json) -> Result<Object, Wrong> {
        if let Json::Object(object) = json { Ok(object) } else { Err(Wrong::expected("an object")) }
    }
}

impl FromJson for String {
    fn from_json(json: Json) -> Result<String, Wrong> {
        if let Json::Text(text) = json { Ok(text) } else { Err(Wrong::expected("a string")) }
    }
}

impl FromJson for bool {
    fn from_json(json: Json) -> Result<bool, Wrong> {
        if let Json::Bool(is) = json { Ok(is) } else { Err(Wrong::expected("true or false")) }
    }
}

impl FromJson for i64 {
    fn from_json(json: Json) -> Result<i64, Wrong> {
        if let Json::Integer(number) = json { Ok(number) } else { Err(Wrong::expected("a whole number")) }
    }
}

macro_rules! unsigned {
    ($($type:ty)*) => {
        $(impl FromJson for $type {
            fn from_json(json: Json) -> Result<$type, Wrong> {
                let number = i64::from_json(json)?;
                number.try_into().map_err(|_| Wrong::expected("a whole number, not negative, of fewer digits"))
            }
        })*
    };
}

unsigned!(u16 u32 u64);

impl<T: FromJson> FromJson for Option<T> {
    fn from_json(json: Json) -> Result<Option<T>, Wrong> {
        if json == Json::Null { Ok(None) } else { T::from_json(json).map(Some) }
    }

    fn absent() -> Option<Option<T>> {
        Some(None)
    }
}

impl<T: FromJson> FromJson for Vec<T> {
    fn from_json(json: Json) -> Result<Vec<T>, Wrong> {
        let Json::List(list) = json else { return Err(Wrong::expected("a list")) };
        list.into_iter().map(T::from_json).collect()
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(Tree)
    }
}

struct Tree;

impl<'de> Visitor<'de> for Tree {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, is: bool) -> Result<Json, E> {
        Ok(Json::Bool(is))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Json, E> {
        Ok(Json::Integer(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Json, E> {
        Ok(i64::try_from(number).map_or(Json::Number(number as f64), Json::Integer))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Json, E> {
        Ok(Json::Number(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Json, E> {
        Ok(Json::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(element) = from.next_element()? {
            list.push(element);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Json, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = from.next_entry()? {
            fields.push(field);
        }
        Ok(Json::Object(Object(fields)))
    }
}

/// Makes types readable, for [`FromJson`] and for serde alike.
///
/// * `struct Name { field, field as "key", field or default }`: a field that is an `Option` may be absent.
/// * `enum Name by "tag" { "word" => Variant { field, … }, "word" => Variant, "word" => Variant(..), … }`, where `(..)` is
///   a type that has the object's fields; with `else Variant` for words that are not known.
/// * `words Name { "word" => Variant, … }`: a string.
/// * `type Name`: it has a [`FromJson`] of its own.
#[macro_export]
macro_rules! from_json {
    (struct $name:ident { $($field:ident $(as $key:literal)? $(or $default:expr)?),* $(,)? }) => {
        impl $crate::json::FromJson for $name {
            fn from_json(json: $crate::json::Json) -> Result<$name, $crate::json::Wrong> {
                let mut object = <$crate::json::Object as $crate::json::FromJson>::from_json(json)?;
                Ok($name { $($field: $crate::from_json!(@field object, $field $(as $key)? $(or $default)?)),* })
            }
        }
        $crate::from_json!(type $name);
    };
    (enum $name:ident by $tag:literal {
        $($word:literal => $variant:ident $({ $($field:ident $(or $default:expr)?),* $(,)? })? $(($($all:tt)*))?),* $(,)?
    } $(else $other:ident)?) => {
        impl $crate::json::FromJson for $name {
            #[allow(unused_mut)]
            fn from_json(json: $crate::json::Json) -> Result<$name, $crate::json::Wrong> {
                let mut object = <$crate::json::Object as $crate::json::FromJson>::from_json(json)?;
                let word: String = object.take($tag)?;
                match word.as_str() {
                    $($word => Ok($name::$variant $({
                        $($field: $crate::from_json!(@field object, $field $(or $default)?)),*
                    })? $(($crate::from_json!(@all object $($all)*)))?),)*
                    unknown => $crate::from_json!(@else $name unknown $tag $($other)?),
                }
            }
        }
        $crate::from_json!(type $name);
    };
    (words $name:ident { $($word:literal => $variant:ident),* $(,)? } $(else $other:ident)?) => {
        impl $crate::json::FromJson for $name {
            fn from_json(json: $crate::json::Json) -> Result<$name, $crate::json::Wrong> {
                match <String as $crate::json::FromJson>::from_json(json)?.as_str() {
                    $($word => Ok($name::$variant),)*
                    unknown => $crate::from_json!(@else $name unknown $($other)?),
                }
            }
        }
        $crate::from_json!(type $name);
    };
    (type $name:ident) => {
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<$name, D::Error> {
                let json = <$crate::json::Json as serde::Deserialize>::deserialize(deserializer)?;
                $crate::json::FromJson::from_json(json).map_err(serde::de::Error::custom::<$crate::json::Wrong>)
            }
        }
    };
    (@all $object:ident ..) => { $crate::json::FromJson::from_json($crate::json::Json::Object($object))? };
    (@field $object:ident, $field:ident) => { $object.take(stringify!($field))? };
    (@field $object:ident, $field:ident as $key:literal) => { $object.take($key)? };
    (@field $object:ident, $field:ident or $default:expr) => { $object.take_or(stringify!($field), || $default)? };
    (@else $name:ident $word:ident $($tag:literal)? $other:ident) => {{
        let _ = $word;
        Ok($name::$other)
    }};
    (@else $name:ident $word:ident $tag:literal) => { Err($crate::json::Wrong::unknown($word).of($tag)) };
    (@else $name:ident $word:ident) => { Err($crate::json::Wrong::unknown($word)) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    struct Thing {
        id: u64,
        name: Option<String>,
        list: Vec<u64>,
        kind: Kind,
    }

    #[derive(Debug, PartialEq)]
    enum Kind {
        Big { size: u64 },
        Small,
    }

    from_json! { struct Thing { id as "ID", name, list or vec![1], kind } }

    from_json! { enum Kind by "kind" { "big" => Big { size }, "small" => Small } }

    fn thing(text: &str) -> Result<Thing, String> {
        serde_json::from_str::<Thing>(text)
            .map_err(|error| error.to_string().split(" at line").next().unwrap().to_owned())
    }

    #[test]
    fn fields_are_read_as_serde_would() {
        let big = Kind::Big { size: 7 };
        let read = thing(r#"{"kind":{"size":7,"kind":"big","more":[{}]},"ID":2,"more":null,"more":1}"#);
        assert_eq!(read, Ok(Thing { id: 2, name: None, list: vec![1], kind: big }));
        let read = thing(r#"{"ID":9007199254740993,"name":"\ud83d\ude80\n","list":[],"kind":{"kind":"small"}}"#);
        let name = Some("🚀\n".to_owned());
        assert_eq!(read, Ok(Thing { id: 9_007_199_254_740_993, name, list: vec![], kind: Kind::Small }));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let small = r#""kind":{"kind":"small"}"#;
        for (text, wrong) in [
            ("[]", "expected an object"),
            ("{}", "missing field `ID`"),
            (&format!(r#"{{"ID":1,"ID":1,{small}}}"#), "duplicate field `ID`"),
            (&format!(r#"{{"ID":-1,{small}}}"#), "ID: expected a whole number, not negative, of fewer digits"),
            (&format!(r#"{{"ID":1.0,{small}}}"#), "ID: expected a whole number"),
            (&format!(r#"{{"ID":1,"name":1,{small}}}"#), "name: expected a string"),
            (&format!(r#"{{"ID":1,"list":null,{small}}}"#), "list: expected a list"),
            (r#"{"ID":1,"kind":{}}"#, "kind: missing field `kind`"),
            (r#"{"ID":1,"kind":{"kind":"huge"}}"#, "kind: kind: unknown `huge`"),
            (r#"{"ID":1,"kind":{"kind":"big"}}"#, "kind: missing field `size`"),
        ] {
            assert_eq!(thing(text), Err(wrong.to_owned()), "{text}");
        }
        assert!(parse(&"[".repeat(1000)).is_err(), "deep JSON must not end the stack");
    }

    #[test]
    fn the_last_of_several_fields_counts() {
        assert_eq!(parse(r#"{"token":"a","token":"b"}"#).unwrap().text("token"), Some("b"));
    }

    #[test]
    fn objects_are_written() {
        assert_eq!(object! {}, "{}");
        assert_eq!(object! { "a": 1, "b": "\"\n", "c": Option::<u64>::None }, r#"{"a":1,"b":"\"\n","c":null}"#);
    }
}
