//! What a bot says by itself, when somebody begins with it.

/// Alone with somebody whose agents answer.
pub const ALONE: &str = "你好！直接发消息，智能体就会回答；发送 /help 看看还能做什么。\n\
                         Hello! Write to me, and the agent answers; /help says what else there is.";

/// To a group that it was added to.
pub const IN_GROUP: &str =
    "大家好！@我 并提问，智能体就会回答。\nHello! Mention me with a question, and the agent answers.";
