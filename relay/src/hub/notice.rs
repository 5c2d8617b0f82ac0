//! What the relay itself says to people, in Chinese and English.

use protocol::AgentId;

use crate::store::Agent;

/// The commands that a chat understands.
pub(super) const HELP: &str = "\
/help · /帮助　这些命令 · these commands
/agents · /智能体　有哪些智能体 · which agents there are
/use 名字 · /使用 名字　以后由它回答这里 · it answers here from now on
/stop · /停止　停止这里的回答和排队的问题 · ends what is being answered or waits here
/new · /新对话　不再记得之前的对话 · begins anew, without what was said before
/status · /状态　现在的情况 · how things stand
@名字 问题　只问它一次 · asks that agent once
//… 　把 /… 原样发给智能体 · sends /… to the agent";

pub(super) const NEW: &str = "已开始新的对话。\nA new conversation has begun.";

pub(super) const STOPPED: &str = "已停止 · stopped";

pub(super) const AGENT_REMOVED: &str = "这个智能体已被移除 · this agent was removed";

pub(super) const RECALLED: &str = "已撤回 · recalled by its writer";

/// Under the part of an answer that was there when it was stopped.
pub(super) const CUT_SHORT: &str = "\n\n⏹ 已停止 · stopped";

pub(super) const NO_AGENT: &str = "还没有智能体连接过。\nNo agent has connected yet.";

pub(super) fn agents(agents: &[Agent], chosen: Option<&AgentId>, is_online: impl Fn(&AgentId) -> bool) -> String {
    if agents.is_empty() {
        return NO_AGENT.into();
    }
    let line = |agent: &Agent| {
        let mark = if chosen == Some(&agent.id) { "▶" } else { "・" };
        format!("{mark} {} ({})", agent.name, online(is_online(&agent.id)))
    };
    let lines: Vec<String> = agents.iter().map(line).collect();
    format!("{}\n换一个：/use 名字 · change: /use name", lines.join("\n"))
}

pub(super) fn used(name: &str) -> String {
    format!("以后这里由「{name}」回答。\n“{name}” answers here from now on.")
}

pub(super) fn no_such_agent(name: &str) -> String {
    format!("没有叫「{name}」的智能体，/agents 列出所有。\nThere is no agent “{name}”; /agents lists them.")
}

pub(super) fn stopped(count: usize) -> String {
    match count {
        0 => "这里没有正在回答或排队的问题。\nNothing is being answered or waits here.".into(),
        _ => format!("已停止 {count} 个问题。\nStopped: {count}."),
    }
}

pub(super) fn status(agent: Option<(&str, bool)>, here: usize, all: usize, dead: u64) -> String {
    let agent = match agent {
        None => NO_AGENT.to_owned(),
        Some((name, is_online)) => format!("智能体 · agent: {name} ({})", online(is_online)),
    };
    format!("{agent}\n未回答 · open: {here} 这里 · here, {all} 全部 · in all\n未送达 · dead letters: {dead}")
}

pub(super) fn not_answered(reason: &str) -> String {
    format!("⚠️ 智能体未能回答：{reason}\nThe agent could not answer: {reason}")
}

/// Why a question ended, in both languages.
pub(super) struct Reason {
    zh: String,
    en: String,
}

impl Reason {
    pub(super) fn expired(ttl_ms: u64) -> Reason {
        let (zh, en, number) =
            if ttl_ms >= HOUR_MS { ("小时", "h", ttl_ms / HOUR_MS) } else { ("秒", "s", ttl_ms / 1000) };
        Reason { zh: format!("{number} {zh}内没有回答"), en: format!("no answer within {number} {en}") }
    }

    pub(super) fn queue_full(why: &str) -> Reason {
        Reason { zh: "排队已满".into(), en: format!("the queue is full, {why}") }
    }

    /// As it stands beside a question.
    pub(super) fn both(&self) -> String {
        format!("{} · {}", self.zh, self.en)
    }
}

/// Once per conversation, until it has an answer again.
pub(super) fn given_up(count: usize, reason: &Reason) -> String {
    let Reason { zh, en } = reason;
    format!(
        "⚠️ {count} 条消息没有得到回答：{zh}。消息已保留，可以重发；有新的回答之前，不再逐条提醒。\n\
         Messages without an answer: {count} ({en}). They are kept and can be sent again; until there is an answer, \
         you will not be told of each."
    )
}

pub(super) fn not_handed_over(reason: &str) -> String {
    format!("⚠️ 回答未能送达：{reason}\nThe answer could not be delivered here: {reason}")
}

fn online(is_online: bool) -> &'static str {
    if is_online { "在线 · online" } else { "离线 · offline" }
}

const HOUR_MS: u64 = 60 * 60 * 1000;
