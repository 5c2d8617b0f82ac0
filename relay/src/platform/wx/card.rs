//! Cards with buttons ("按钮交互型"), as WeCom's apps and AI bots have them. Source: developer.work.weixin.qq.com,
//! "模板卡片消息", "模板卡片类型": a key takes 1,024 bytes, a `task_id` 128 of letters, digits and `_-@`.

use protocol::json::Writer;
use protocol::limit::ID_BYTES_MAX;
use protocol::{AccountId, Button, object};

use crate::platform::encoding::conversation_id;
use crate::platform::webhook::ADDRESS_BYTES_MAX;
use crate::platform::{Choice, Inbound, Outbound, Press, Pressed};
use crate::store::Origin;

/// Whether so many buttons can stand on one card.
pub(in crate::platform) fn has_room(buttons: &[Button]) -> bool {
    buttons.len() <= BUTTONS_MAX
}

/// A card with the buttons of an answer, below a text unless that is empty. A tap on the card itself does nothing.
pub(in crate::platform) fn card(outbound: &Outbound, text: &str) -> String {
    let choice = |index: usize, button| Choice::of(outbound, index, button);
    let keys = outbound.buttons.iter().enumerate().map(|(index, button)| {
        // What takes the card's place is a whole card, and only the button that was pressed tells what stood on it.
        let key = [&choice(index, button).word(), " ", text];
        object! { "text": button.label, "key": key.concat().trim_end() }
    });
    // No other card of the app or bot may have the same, whosever it is.
    let task = outbound.buttons.first().map(|button| choice(0, button)).map(|of| format!("{}-{}", of.seq, of.mark));
    with(text, &task.unwrap_or_default(), &keys.collect::<Vec<_>>().join(","))
}

/// What takes the place of a card, `key` of which was pressed: one button, which says what became of that. It is still
/// one, and pressed again it does nothing more.
pub(in crate::platform) fn settled(task: &str, key: &str, pressed: &Pressed) -> String {
    let (_, text) = parts(key);
    with(text, task, &object! { "text": outcome(pressed), "style": STYLE_PLAIN, "key": key })
}

fn with(text: &str, task: &str, keys: &str) -> String {
    let mut card = Writer::default();
    card.field("\"card_type\":", "button_interaction");
    card.raw("\"main_title\":", &object! { "title": TITLE });
    if !text.is_empty() {
        card.field("\"sub_title_text\":", text);
    }
    card.field("\"task_id\":", task);
    card.raw("\"button_list\":", &["[", keys, "]"].concat());
    card.end()
}

/// What stands on a button from now on that was pressed.
pub(in crate::platform) fn outcome(pressed: &Pressed) -> String {
    match pressed {
        Pressed::Gone => GONE.to_owned(),
        Pressed::Late => LATE.to_owned(),
        Pressed::Taken { label, .. } => ["✓ ", label].concat(),
    }
}

/// Which button it is, and the text above it.
fn parts(key: &str) -> (&str, &str) {
    key.split_once(' ').unwrap_or((key, ""))
}

/// A button of a card that was pressed, with the platform's own ids.
pub(in crate::platform) struct Tap {
    /// What came back with it.
    pub(in crate::platform) key: String,
    /// Where the card is.
    pub(in crate::platform) chat: String,
    /// The chat's id, if others are in it too.
    pub(in crate::platform) group: Option<String>,
    /// Who pressed it.
    pub(in crate::platform) sender: String,
    /// Where the answer to it goes: what `send` reads from [`Origin::message`].
    pub(in crate::platform) address: String,
    /// What `pressed` reads.
    pub(in crate::platform) receipt: String,
}

impl Tap {
    /// The press in it.
    pub(in crate::platform) fn choose(self, platform: &str, account: &AccountId) -> Inbound {
        let Tap { key, chat, group, sender, address, receipt } = self;
        let Some(choice) = Choice::read(parts(&key).0) else {
            return Inbound::Ignored("a button of another program's");
        };
        // Both are stored with what it says.
        let is_short = sender.len() <= ID_BYTES_MAX && address.len() <= ADDRESS_BYTES_MAX;
        let Some(conversation) = conversation_id(platform, account, &chat).filter(|_| is_short) else {
            return Inbound::Ignored("ids of another form");
        };
        let origin = Origin { account: account.clone(), message: address };
        let (via, is_group) = (platform.to_owned(), group.is_some());
        let press = Press { choice, conversation, via, sender, name: None, group: Some(is_group), origin };
        Inbound::Chosen { group, press, receipt }
    }
}

/// Buttons of a card.
const BUTTONS_MAX: usize = 6;
/// Advised: at most 26 characters.
const TITLE: &str = "请选择 · Choose one";
/// Of the four, the one without a colour.
const STYLE_PLAIN: u8 = 4;
/// In place of what stood on a button.
const GONE: &str = "无效 · not for you, or too old";
const LATE: &str = "已选过别的 · already answered";
