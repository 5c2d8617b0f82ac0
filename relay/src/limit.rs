//! Every limit of the relay that clients need not know while they run. `docs/protocol.md` §7 says what happens at each.

/// Messages kept for history. Beyond it the oldest finished ones go, if they are older than [`DEDUPE_MS_MIN`].
pub const HISTORY_MESSAGES_MAX: u64 = 20_000;
/// A message is kept at least this long (72 h), so that a webhook repeated within it has no second effect.
pub const DEDUPE_MS_MIN: u64 = 72 * 60 * 60 * 1000;
/// Messages in a timeline whatever their age: beyond it new ones are refused with `queue_full`.
pub const TIMELINE_MESSAGES_MAX: u64 = 100_000;
/// Rows deleted by one trimming, so that no single event pays for a long backlog.
pub const TRIM_ROWS_MAX: u64 = 256;
/// Bytes of the messages that one statement inserts: 256 KiB, well below what a parameter may have (2 MB).
pub const INSERT_BYTES_MAX: usize = 256 * 1024;
/// Old messages that are looked at for one that nothing needs any more, whose row a new message may take.
pub const SPARE_TRIES: usize = 8;
/// Messages whose ids share one row of hashes: few enough that a wake reads little beside them, many enough that the row
/// adds next to nothing to what a message costs.
pub const KNOWN_PAGE: u64 = 256;
/// So many ids are looked through one by one, in microseconds; more have a table, which takes three times the memory.
pub const KNOWN_LINEAR: usize = 8_192;
/// What is set for so many conversations is kept in memory.
pub const SETTINGS_HELD_MAX: usize = 64;
/// A question that its agent has stored within this time is not in the event log as delivered: 10 s.
pub const DELIVERED_PROMPTLY_MS: u64 = 10_000;
/// Open questions of one conversation, so that a busy one leaves room for others. Beyond this and the next limits new
/// questions are refused with `queue_full`; those of a platform become dead letters, and their writer is told once.
pub const CONVERSATION_QUESTIONS_MAX: usize = 400;
/// Open questions of one agent.
pub const AGENT_QUESTIONS_MAX: usize = 800;
/// Bytes of open questions of one conversation: 8 MiB.
pub const CONVERSATION_QUEUE_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Bytes of open questions of one agent: 16 MiB.
pub const AGENT_QUEUE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Bytes of open questions of one user: 32 MiB.
pub const QUEUE_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// How long a question waits for its answer, unless the operator says otherwise (`QUESTION_TTL_S`): 24 h.
pub const QUESTION_TTL_MS: u64 = 24 * 60 * 60 * 1000;
/// Questions that expire in one step; the next step follows at once.
pub const EXPIRE_QUESTIONS: usize = 256;
/// Dead letters kept: beyond it the oldest one is history like any other message.
pub const DEAD_LETTERS_MAX: u64 = 1_000;
/// Events in the log: beyond it the newest one takes the place of the oldest.
pub const EVENTS_MAX: u64 = 1_000;
/// Events in one page of the log.
pub const PAGE_EVENTS_MAX: u64 = 200;
/// Bytes of a text in the log, when the operator turns them on.
pub const EVENT_BODY_BYTES_MAX: usize = 2_000;
/// Questions that may end before the place from which a wake looks for open ones is written down.
pub const SETTLE_STEP: u64 = 64;
/// Pieces of an answer are shown at once, and then at most this often, together: 30 ms.
pub const DELTA_INTERVAL_MS: u64 = 30;
/// Bytes that the runtime may hold for a peer that does not read. Beyond it the peer is dropped with `stalled`, so that
/// it cannot fill the memory that all objects of an isolate share: 4 MiB.
pub const BUFFERED_BYTES_MAX: u32 = 4 * 1024 * 1024;
/// How many bytes are sent to a peer before it is asked again how much it holds: 64 KiB.
pub const BUFFER_CHECK_BYTES: u32 = 64 * 1024;
/// An alarm that is this late was lost, and is set again: 30 s.
pub const ALARM_LATE_MS_MAX: u64 = 30_000;
/// Frames a second that one connection may send for long, unless the operator says otherwise (`FRAMES_PER_S`).
pub const FRAMES_PER_S: u64 = 500;
/// The most that the operator may allow.
pub const FRAMES_PER_S_CEILING: u64 = 1_000_000;
/// For how many seconds' worth of frames a connection may save up: 30,000 frames.
pub const FLOOD_BURST_S: u64 = 60;
/// Bytes that a connection may send for each frame that it may: 1 MiB a second, and 60 MiB at once.
pub const FLOOD_BYTES_PER_FRAME: u64 = 2 * 1024;
/// Webhooks of one user that wait for their answer at once.
pub const HOLDS_MAX: usize = 64;
/// How long after its wait a webhook that comes again hears what was said in the response to it before: 60 s.
pub const HELD_MS_REMEMBERED: u64 = 60_000;
/// Sockets of one user, unless the operator says otherwise (`SOCKETS_MAX`).
pub const SOCKETS_MAX: usize = 64;
/// The most that the operator may allow: what waits for readers is memory that all objects of an isolate share.
pub const SOCKETS_CEILING: usize = 1_024;
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
/// Conversations in one page of the list.
pub const PAGE_CONVERSATIONS_MAX: u64 = 200;
/// Dead letters in one page of the list.
pub const PAGE_DEAD_LETTERS_MAX: u64 = 200;
/// Agents of one user.
pub const AGENTS_MAX: usize = 32;
/// Answers handed to platforms at once by one user's Hub, each of another conversation.
pub const DELIVERIES_MAX: usize = 6;
/// An answer that was handed over and of which nothing was heard for this long is handed over again: 60 s, more than
/// any call lasts.
pub const FLIGHT_MS_MAX: u64 = 60_000;
/// This long after its first try an answer that a platform did not take is given up: 50 min, since Feishu forgets an idempotency
/// key after 1 h and a later retry could double the answer.
pub const DELIVERY_MS_MAX: u64 = 50 * 60 * 1000;
/// An answer that can go only in the response to the next message from its chat waits for that for 48 h from when it was due.
pub const KEPT_MS_MAX: u64 = 48 * 60 * 60 * 1000;
/// The longest wait between two tries of a delivery.
pub const DELIVERY_DELAY_MS_MAX: u64 = 5 * 60 * 1000;
/// A webhook's body.
pub const WEBHOOK_BYTES_MAX: usize = 1024 * 1024;
/// A reason or detail that is shown to people.
pub const REASON_BYTES_MAX: usize = 500;
/// The life of an access token: 15 min.
pub const ACCESS_TOKEN_MS: u64 = 15 * 60 * 1000;
/// A session ends when it was not refreshed for this long: 30 days.
pub const SESSION_MS: u64 = 30 * 24 * 60 * 60 * 1000;
/// A refresh token that was used already is forgiven once within this time, since its answer may have been lost: 30 s.
pub const REFRESH_FORGIVEN_MS: u64 = 30_000;
/// How long a stranger's code can be entered: 15 min.
pub const PAIRING_MS: u64 = 15 * 60 * 1000;
/// Ended sessions and revoked keys that a Hub remembers, the newest ones. D1 knows them all.
pub const REVOKED_MAX: u64 = 1_000;
/// The life of a WebSocket ticket: 30 s.
pub const TICKET_MS: u64 = 30_000;
