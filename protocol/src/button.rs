//! Buttons under a message: what one may answer to it without typing.

use serde::Serialize;

/// A button. Whoever presses it says its text, as if they had written it; a message is answered so once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Button {
    /// What stands on it, at most [`crate::limit::BUTTON_LABEL_BYTES_MAX`] bytes.
    pub label: String,
    /// What pressing it says, at most [`crate::limit::BUTTON_TEXT_BYTES_MAX`] bytes.
    pub text: String,
    /// How it looks.
    #[serde(skip_serializing_if = "is_plain")]
    pub style: ButtonStyle,
}

/// How a button looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ButtonStyle {
    /// What cannot be undone, or refuses.
    Danger,
    /// Like any other.
    #[default]
    Default,
    /// What is most likely meant.
    Primary,
}

fn is_plain(style: &ButtonStyle) -> bool {
    *style == ButtonStyle::Default
}

crate::from_json! { struct Button { label, text, style or ButtonStyle::Default } }

crate::from_json! { words ButtonStyle { "danger" => Danger, "primary" => Primary } else Default }
