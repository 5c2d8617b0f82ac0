//! A question comes in: once, to the right agent, if there is room; or it is a command, and answered at once.

use protocol::{AgentId, Author, Code, ConversationId, Envelope, File, MessageId, Seq, ServerFrame, State, Timestamp};

use super::command::{self, Command, addressed, named};
use super::{EventKind, Hub, PeerId, Posted, Refusal, Said, check_length, first_part, notice, refusal, reply_id};
use crate::limit::TIMELINE_MESSAGES_MAX;
use crate::store::{Opened, Outcome, Question, Settings, Sql};

impl<S: Sql> Hub<S> {
    /// A device's question.
    pub(super) fn send(
        &mut self,
        now: Timestamp,
        peer: PeerId,
        id: MessageId,
        conversation: Option<ConversationId>,
        text: String,
        files: Vec<File>,
    ) -> Result<(), S::Error> {
        if id.as_str().contains(':') {
            self.error(peer, Code::BadFrame, "id: ids with a colon are the relay's own".into(), Some(id));
            return Ok(());
        }
        let conversation = conversation.unwrap_or_else(|| "web".parse().expect("a fixed id"));
        let files = match self.check_files(now, files) {
            Ok(files) => files,
            Err(Refusal { code, detail }) => {
                self.error(peer, code, detail, Some(id));
                return Ok(());
            }
        };
        let (via, sender, name, origin) = ("web".into(), None, None, None);
        let question = Question { id: id.clone(), conversation, via, sender, name, group: false, text, files, origin };
        let to = self.peers.get(&peer).and_then(|peer| peer.pass.to.clone());
        match self.post(now, question, to)? {
            Ok(Posted { seq, .. }) => self.send_to(&[peer], &ServerFrame::Accepted { id, seq }),
            Err(Refusal { code, detail }) => self.error(peer, code, detail, Some(id)),
        }
        Ok(())
    }

    /// Takes in what a person wrote, once. `to`: the agent that it is for, unless it names another.
    pub(super) fn post(
        &mut self,
        now: Timestamp,
        question: Question,
        to: Option<AgentId>,
    ) -> Result<Result<Posted, Refusal>, S::Error> {
        if let Some((seq, _)) = self.find(&question.id)? {
            return Ok(Ok(Posted { seq, new: false }));
        }
        if question.text.is_empty() && question.files.is_empty() {
            return Ok(Err(refusal(Code::BadFrame, "text: must not be empty")));
        }
        if let Err(refusal) = check_length(&question.text) {
            return Ok(Err(refusal));
        }
        if self.is_full() {
            // What was too young when the last message came may be old enough by now.
            self.trim(now)?;
        }
        if self.is_full() {
            let detail = format!("the timeline has {TIMELINE_MESSAGES_MAX} messages");
            self.log(now, EventKind::Refused, None, format!("{}: {detail}", question.id))?;
            return Ok(Err(refusal(Code::QueueFull, &detail)));
        }
        let settings = self.settings(&question.conversation)?;
        let whole = question.text.clone();
        let text = match command::read(&whole) {
            command::Said::Command(command) => return self.command(now, question, command, settings).map(Ok),
            command::Said::Text(text) => text,
        };
        let (agent, text) = match addressed(text, &self.agents) {
            Some((agent, rest)) => (Some(agent.id.clone()), rest),
            None => (to.or(self.asked_back(&question)?).or_else(|| self.agent_of(&settings)), text),
        };
        let question = Question { text: text.to_owned(), ..question };
        let Err(why) = self.queue.check(&question.conversation, agent.as_ref(), question.text.len()) else {
            let seq = self.ask(now, question, settings.session, agent)?;
            return Ok(Ok(Posted { seq, new: true }));
        };
        self.log(now, EventKind::Refused, None, format!("{}: {why}", question.id))?;
        if question.origin.is_none() {
            return Ok(Err(refusal(Code::QueueFull, &why)));
        }
        // The platform's writer sees no error: the question is kept as a dead letter, and they are told.
        let (conversation, reason) = (question.conversation.clone(), notice::Reason::queue_full(&why));
        let ended = Some((Outcome::Failed, reason.both()));
        let seq = self.insert_question(now, question, settings.session, None, ended)?;
        self.store.insert_dead_letter(seq, now)?;
        self.warn(now, &conversation, seq, true, notice::given_up(1, &reason))?;
        self.trim(now)?;
        Ok(Ok(Posted { seq, new: true }))
    }

    /// Asks once more what ended without an answer; or hands its answer over once more, if there is one.
    pub(super) fn replay(&mut self, now: Timestamp, seq: Seq) -> Result<Result<Posted, Refusal>, S::Error> {
        let Some(ended) = self.store.question(seq)? else {
            return Ok(Err(refusal(Code::NotFound, &format!("no question {seq}"))));
        };
        let Some(Outcome::Expired | Outcome::Failed | Outcome::Stopped) = ended.outcome else {
            let detail = format!("question {seq} is being answered or has its answer");
            return Ok(Err(refusal(Code::Conflict, &detail)));
        };
        let Question { conversation, via, sender, name, group, text, files, origin, .. } = ended.question;
        if origin.is_some()
            && ended.outcome == Some(Outcome::Failed)
            && let Some(answer) = self.store.answer(seq)?
        {
            let part = self.store.messages_at(&[answer])?.pop().map_or(0, |said| first_part(&said));
            self.store.insert_delivery(answer, &conversation, part, now)?;
            self.store.delete_dead_letter(seq)?;
            self.store.finish(seq, Outcome::Replied, None)?;
            self.tell_state(seq, Outcome::Replied.state(), None);
            self.log(now, EventKind::Replayed, seq, format!("answer {answer}"))?;
            self.arm()?;
            return Ok(Ok(Posted { seq: answer, new: true }));
        }
        let id: MessageId = format!("again:{seq}").parse().expect("letters, a colon and digits");
        if let Some((seq, _)) = self.find(&id)? {
            return Ok(Ok(Posted { seq, new: false }));
        }
        if text.is_empty() && files.is_empty() {
            return Ok(Err(refusal(Code::Conflict, &format!("question {seq} was taken back by its writer"))));
        }
        let settings = self.settings(&conversation)?;
        let agent = self.agent_of(&settings);
        if let Err(why) = self.queue.check(&conversation, agent.as_ref(), text.len()) {
            return Ok(Err(refusal(Code::QueueFull, &why)));
        }
        let question = Question { id, conversation, via, sender, name, group, text, files, origin };
        let new = self.ask(now, question, settings.session, agent)?;
        self.store.delete_dead_letter(seq)?;
        self.log(now, EventKind::Replayed, seq, format!("question {new}"))?;
        Ok(Ok(Posted { seq: new, new: true }))
    }

    /// Stores a question for an agent, and sends it to everyone who follows the timeline.
    fn ask(
        &mut self,
        now: Timestamp,
        question: Question,
        session: u64,
        agent: Option<AgentId>,
    ) -> Result<Seq, S::Error> {
        let opened = Opened {
            conversation: question.conversation.clone(),
            session,
            agent: agent.clone(),
            at: now,
            bytes: question.text.len() as u64,
            has_origin: question.origin.is_some(),
        };
        let seq = self.insert_question(now, question, session, agent, None)?;
        self.queue.insert(seq, opened);
        self.wake_by(now.plus_ms(self.options.ttl_ms));
        self.trim(now)?;
        Ok(seq)
    }

    /// What a person says to the relay itself: in the timeline like a question, and answered at once.
    fn command(
        &mut self,
        now: Timestamp,
        question: Question,
        command: Command<'_>,
        mut settings: Settings,
    ) -> Result<Posted, S::Error> {
        let (conversation, has_origin) = (question.conversation.clone(), question.origin.is_some());
        let seq =
            self.insert_question(now, question, settings.session, None, Some((Outcome::Replied, String::new())))?;
        let chosen = self.agent_of(&settings);
        let text = match command {
            Command::Agents => notice::agents(&self.agents, chosen.as_ref(), |agent| self.is_online(agent)),
            Command::Help => notice::HELP.into(),
            Command::New => {
                settings.session += 1;
                self.put_settings(&conversation, settings.clone())?;
                notice::NEW.into()
            }
            Command::Status => {
                let agent = self.agents.iter().find(|agent| Some(&agent.id) == chosen.as_ref());
                let agent = agent.map(|agent| (agent.name.as_str(), self.is_online(&agent.id)));
                let here = self.queue.of(&conversation).len();
                notice::status(agent, here, self.queue.len(), self.store.dead_letters_count()?)
            }
            Command::Stop => {
                let open = self.queue.of(&conversation);
                for &seq in &open {
                    self.end(now, seq, Outcome::Stopped, notice::STOPPED)?;
                }
                notice::stopped(open.len())
            }
            Command::Use(name) => match named(name, &self.agents) {
                None => notice::no_such_agent(name),
                Some(agent) => {
                    let text = notice::used(&agent.name);
                    settings.agent = Some(agent.id.clone());
                    self.put_settings(&conversation, settings.clone())?;
                    text
                }
            },
        };
        self.say(now, Said::by_relay(reply_id(seq), conversation, settings.session, seq, text, has_origin))?;
        self.trim(now)?;
        Ok(Posted { seq, new: true })
    }

    /// The agent that answers a conversation, unless a question names another.
    fn agent_of(&self, settings: &Settings) -> Option<AgentId> {
        settings.agent.clone().or_else(|| self.default_agent.clone())
    }

    /// Stores what a person wrote. Only an open question has an agent.
    fn insert_question(
        &mut self,
        now: Timestamp,
        question: Question,
        session: u64,
        agent: Option<AgentId>,
        ended: Option<(Outcome, String)>,
    ) -> Result<Seq, S::Error> {
        let Question { id, conversation, via, sender, name, group, text, files, origin } = question;
        let seq = self.next_seq();
        self.begin_hold(seq, &id, &conversation, now)?;
        let (outcome, reason) = ended.unzip();
        let envelope = Envelope {
            seq,
            id,
            conversation,
            session,
            from: Author::User { via, sender, name, group },
            agent,
            reply_to: None,
            at_ms: now,
            text,
            files,
            buttons: Vec::new(),
            state: Some(outcome.map_or(State::Queued, Outcome::state)),
            reason: reason.filter(|reason| !reason.is_empty()),
        };
        self.insert(now, &envelope, origin.as_ref(), outcome)?;
        self.publish(envelope);
        Ok(seq)
    }

    /// Tells the writer of a question that something failed: once, until they have an answer again.
    pub(super) fn warn(
        &mut self,
        now: Timestamp,
        conversation: &ConversationId,
        reply_to: Seq,
        has_origin: bool,
        text: String,
    ) -> Result<(), S::Error> {
        let settings = self.settings(conversation)?;
        if settings.is_warned {
            return Ok(());
        }
        let session = settings.session;
        self.put_settings(conversation, Settings { is_warned: true, ..settings })?;
        let id = format!("notice:{}", self.head.0 + 1).parse().expect("letters, a colon and digits");
        self.say(now, Said::by_relay(id, conversation.clone(), session, reply_to, text, has_origin)).map(drop)
    }
}
