//! Every limit of the relay that clients need not know while they run. `docs/protocol.md` §7 says what happens at each.

/// Messages kept for history. Beyond it the oldest finished ones go, if they are older than [`DEDUPE_MS_MIN`].
pub const HISTORY_MESSAGES_MAX: u64 = 20_000;
/// A message is kept at least this long (72 h), so that a webhook repeated within it has no second effect.
pub const DEDUPE_MS_MIN: u64 = 72 * 60 * 60 * 1000;
/// Messages in a timeline whatever their age: beyond it new ones are refused with `queue_full`.
pub const TIMELINE_MESSAGES_MAX: u64 = 100_000;
/// Rows deleted by one trimming, so that no single event pays for a long backlog.
pub const TRIM_ROWS_MAX: u64 = 256;
/// Questions of one user without an answer, waiting or being answered: beyond it new ones are refused with `queue_full`.
pub const QUEUE_MESSAGES_MAX: u64 = 1_000;
/// Sockets of one user.
pub const SOCKETS_MAX: usize = 64;
/// A socket without a heartbeat for this long (three intervals) is taken for dead: 90 s.
pub const SILENCE_MS_MAX: u64 = 3 * protocol::limit::PING_INTERVAL_MS;
/// Answers that are being made at once for one user. Further ones show no deltas; their final answer comes all the same.
pub const STREAMS_MAX: usize = 32;
/// Messages sent to a device without a cursor, when it does not say how many.
pub const LAST_MESSAGES_DEFAULT: u64 = 100;
/// The most that a device without a cursor may ask for.
pub const LAST_MESSAGES_MAX: u64 = 500;
/// Messages read and sent in one batch to a peer that is behind.
pub const REPLAY_MESSAGES: u64 = 32;
/// A resuming device hears the present state of the questions among this many messages before its cursor.
pub const RESUME_STATES: u64 = 500;
/// Bytes of text sent to one peer that is behind, for one input. The rest follows its next `ack`, so that one
/// reconnect cannot fill the isolate's memory.
pub const REPLAY_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of text in one page of history; one message may be longer.
pub const PAGE_BYTES_MAX: usize = 1024 * 1024;
/// Messages in one page of history.
pub const PAGE_MESSAGES_MAX: u64 = 200;
/// Conversations in the list.
pub const CONVERSATIONS_MAX: u64 = 500;
/// Agents of one user.
pub const AGENTS_MAX: usize = 32;
/// Answers handed to platforms at once by one user's Hub, each of another conversation.
pub const DELIVERIES_MAX: usize = 6;
/// This long after its first try an answer that a platform did not take is given up: 50 min, since Feishu forgets an idempotency
/// key after 1 h and a later retry could double the answer.
pub const DELIVERY_MS_MAX: u64 = 50 * 60 * 1000;
/// The longest wait between two tries of a delivery.
pub const DELIVERY_DELAY_MS_MAX: u64 = 5 * 60 * 1000;
/// A webhook's body.
pub const WEBHOOK_BYTES_MAX: usize = 1024 * 1024;
/// A reason or detail that is shown to people.
pub const REASON_BYTES_MAX: usize = 500;
/// The life of an access token: 7 days.
pub const ACCESS_TOKEN_MS: u64 = 7 * 24 * 60 * 60 * 1000;
/// The life of a WebSocket ticket: 30 s.
pub const TICKET_MS: u64 = 30_000;
