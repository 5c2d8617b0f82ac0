//! What people can say to the relay itself, in any chat: commands, and the name of an agent.

use crate::store::Agent;

/// What a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said<'a> {
    /// For the relay.
    Command(Command<'a>),
    /// For an agent.
    Text(&'a str),
}

/// What the relay does itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// Lists the agents.
    Agents,
    /// Lists the commands.
    Help,
    /// Begins the conversation anew.
    New,
    /// Says how things stand.
    Status,
    /// Ends what is open in the conversation.
    Stop,
    /// Lets the agent of this name answer the conversation.
    Use(&'a str),
}

/// Tells commands from texts. `//x` is the text `/x`; a word that is no command of ours is a text, since agents have
/// commands too.
pub fn read(text: &str) -> Said<'_> {
    let trimmed = text.trim();
    let Some(rest) = trimmed.strip_prefix(['/', '／']) else { return Said::Text(text) };
    if rest.starts_with(['/', '／']) {
        return Said::Text(rest);
    }
    let (word, argument) = rest.split_once(char::is_whitespace).map_or((rest, ""), |(word, rest)| (word, rest.trim()));
    let command = match word.to_ascii_lowercase().as_str() {
        "agents" | "智能体" => Command::Agents,
        "help" | "帮助" => Command::Help,
        "new" | "新对话" => Command::New,
        "status" | "状态" => Command::Status,
        "stop" | "停止" => Command::Stop,
        "use" | "使用" => return Said::Command(Command::Use(argument)),
        _ => return Said::Text(text),
    };
    // `/stop the music` is a sentence for the agent.
    if argument.is_empty() { Said::Command(command) } else { Said::Text(text) }
}

/// Whether a text is for the relay itself.
pub fn is_command(text: &str) -> bool {
    matches!(read(text), Said::Command(_))
}

/// The agent that a text begins with, as `@name`, and the rest of it. The longest name counts.
pub fn addressed<'a, 'b>(text: &'a str, agents: &'b [Agent]) -> Option<(&'b Agent, &'a str)> {
    let rest = text.trim_start().strip_prefix(['@', '＠'])?;
    let candidates = agents.iter().flat_map(|agent| [(agent, agent.name.as_str()), (agent, agent.id.as_str())]);
    let matches = candidates.filter_map(|(agent, name)| {
        let rest = strip_name(rest, name)?;
        let ends = rest.is_empty() || rest.starts_with(|next: char| next.is_whitespace() || ",:，：".contains(next));
        ends.then(|| (name.len(), agent, rest.trim_start_matches(|c: char| c.is_whitespace() || ",:，：".contains(c))))
    });
    let (_, agent, rest) = matches.max_by_key(|&(length, ..)| length)?;
    // A name alone is said to that agent as it is.
    Some((agent, if rest.is_empty() { text } else { rest }))
}

/// The agent of this name or id; or the only one whose name begins so.
pub fn named<'a>(name: &str, agents: &'a [Agent]) -> Option<&'a Agent> {
    let name = name.trim().trim_start_matches(['@', '＠']);
    if name.is_empty() {
        return None;
    }
    let is_whole = |known: &str| strip_name(known, name) == Some("");
    if let Some(agent) = agents.iter().find(|agent| is_whole(&agent.name) || is_whole(agent.id.as_str())) {
        return Some(agent);
    }
    let mut begins = agents.iter().filter(|agent| strip_name(&agent.name, name).is_some());
    begins.next().filter(|_| begins.next().is_none())
}

/// What follows `name` in `text`, in whatever case it is written.
fn strip_name<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = text.chars();
    for expected in name.chars() {
        let found = rest.next()?;
        if found != expected && !found.to_lowercase().eq(expected.to_lowercase()) {
            return None;
        }
    }
    Some(rest.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_in_both_languages() {
        let check = |text: &str, expected: Said<'_>| assert_eq!(read(text), expected, "{text}");
        check("/help", Said::Command(Command::Help));
        check(" ／帮助 ", Said::Command(Command::Help));
        check("/Agents", Said::Command(Command::Agents));
        check("/智能体", Said::Command(Command::Agents));
        check("/new", Said::Command(Command::New));
        check("/新对话", Said::Command(Command::New));
        check("/status", Said::Command(Command::Status));
        check("/状态", Said::Command(Command::Status));
        check("/stop", Said::Command(Command::Stop));
        check("/停止", Said::Command(Command::Stop));
        check("/use  home server ", Said::Command(Command::Use("home server")));
        check("/使用 家里", Said::Command(Command::Use("家里")));
        check("/use", Said::Command(Command::Use("")));
        check("/stop the music", Said::Text("/stop the music"));
        check("//status", Said::Text("/status"));
        check("//", Said::Text("/"));
        check("/model gpt", Said::Text("/model gpt"));
        check("/", Said::Text("/"));
        check(" hi ", Said::Text(" hi "));
        check("1/2", Said::Text("1/2"));
    }

    fn agents() -> Vec<Agent> {
        let agent =
            |id: &str, name: &str| Agent { id: id.parse().unwrap(), name: name.into(), acked: protocol::Seq(0) };
        vec![agent("agt_1", "Home"), agent("agt_2", "home server"), agent("agt_3", "办公室")]
    }

    #[test]
    fn a_text_can_begin_with_a_name() {
        let agents = agents();
        let check = |text: &str, expected: Option<(&str, &str)>| {
            let found = addressed(text, &agents).map(|(agent, rest)| (agent.id.as_str(), rest));
            assert_eq!(found, expected, "{text}");
        };
        check("@home hi", Some(("agt_1", "hi")));
        check("@HOME Server, hi", Some(("agt_2", "hi")));
        check("＠办公室：你好", Some(("agt_3", "你好")));
        check("@agt_2 hi", Some(("agt_2", "hi")));
        check("@home", Some(("agt_1", "@home")));
        check("@homer hi", None);
        check("@nobody hi", None);
        check("mail a@home hi", None);
    }

    #[test]
    fn agents_by_name() {
        let agents = agents();
        let check = |name: &str, expected: Option<&str>| {
            assert_eq!(named(name, &agents).map(|agent| agent.id.as_str()), expected, "{name}");
        };
        check("home", Some("agt_1"));
        check("@Home Server", Some("agt_2"));
        check("home s", Some("agt_2"));
        check("办", Some("agt_3"));
        check("agt_3", Some("agt_3"));
        check("ho", None);
        check("", None);
        check("x", None);
    }
}
