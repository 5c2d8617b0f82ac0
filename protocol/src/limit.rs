//! Limits that both ends of a socket must know. Bytes are UTF-8 bytes.

/// Frames in one batch (a JSON array in one WebSocket message).
pub const BATCH_FRAMES_MAX: usize = 64;
/// One WebSocket message. A longer one is answered with `frame_too_large` and close code 1009.
pub const FRAME_BYTES_MAX: usize = 1024 * 1024;
/// An id made by a client or by a platform.
pub const ID_BYTES_MAX: usize = 200;
/// What stands on a button.
pub const BUTTON_LABEL_BYTES_MAX: usize = 60;
/// What pressing a button says.
pub const BUTTON_TEXT_BYTES_MAX: usize = 500;
/// Buttons under one message.
pub const BUTTONS_MAX: usize = 8;
/// A file beside a message: 30 MB, the most that Feishu takes.
pub const FILE_BYTES_MAX: u64 = 30_000_000;
/// How long a file is kept: 7 days.
pub const FILE_MS: u64 = 7 * 24 * 60 * 60 * 1000;
/// What a file is called.
pub const FILE_NAME_BYTES_MAX: usize = 200;
/// Files beside one message.
pub const FILES_MAX: usize = 10;
/// Questions of one user without an answer, waiting or being answered.
pub const OPEN_QUESTIONS_MAX: usize = 1_000;
/// The name of whoever wrote a message; a longer one is cut.
pub const SENDER_NAME_BYTES_MAX: usize = 64;
/// The text of one message, and of one answer. Even when JSON escapes every byte (six for one) it fits into a frame.
pub const TEXT_BYTES_MAX: usize = 128 * 1024;
/// Messages that the relay sends ahead of a peer's `ack`. Beyond it the peer hears nothing until it acknowledges.
pub const WINDOW_MESSAGES: u64 = 256;
/// How often a client sends the text `ping`. The relay answers `pong` without waking.
pub const PING_INTERVAL_MS: u64 = 30_000;
/// The literal text of a client's heartbeat: not JSON, so that it is answered without waking the Hub.
pub const PING: &str = "ping";
/// The literal text of the answer to [`PING`].
pub const PONG: &str = "pong";
