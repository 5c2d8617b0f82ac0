//! What a stranger is told by a bot, so that they can say who they are.

/// Words by which someone who is bound already asks for a code, to be bound to another user.
const BIND: [&str; 2] = ["/bind", "/绑定"];

/// Whether someone asks for a code.
pub fn is_asked_for(text: &str) -> bool {
    BIND.contains(&text.trim().to_lowercase().as_str())
}

/// With a code, where nobody else reads it.
pub fn told(code: &str, origin: &str) -> String {
    format!(
        "你好！我还不认识你。请在 15 分钟内打开下面的链接并登录，或在网页「设置 → 聊天身份」里输入绑定码 {code}，然后把刚才的消息再发一次。\n\
         Hello! We have not met. Open this link within 15 minutes and sign in, or enter the code {code} on the page under \
         Settings → Chat identities; then send your message again.\n\
         {origin}/?pair={code}"
    )
}

/// Where others read too, and might use a code.
pub const TOLD_IN_GROUP: &str =
    "我还不认识你：请先私聊我一次，完成绑定。\nWe have not met: write to me alone first, to be bound.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_has_the_code() {
        let told = told("K7PM-3XQD", "https://relay.example");
        assert!(told.ends_with("\nhttps://relay.example/?pair=K7PM-3XQD"), "{told}");
        assert_eq!(told.matches("K7PM-3XQD").count(), 3);
    }

    #[test]
    fn how_a_code_is_asked_for() {
        assert!(is_asked_for(" /Bind\n") && is_asked_for("/绑定"));
        assert!(!is_asked_for("/bind me") && !is_asked_for("bind"));
    }
}
