//! What a peer says: each frame to where it is handled.

use protocol::{ClientFrame, Code, DecodeError, Timestamp};

use super::{Hub, Output, PeerId, Role, answer};
use crate::store::Sql;

impl<S: Sql> Hub<S> {
    /// Handles the frames of one WebSocket message, in order.
    pub(super) fn received(
        &mut self,
        now: Timestamp,
        id: PeerId,
        bytes: usize,
        frames: Result<Vec<ClientFrame>, DecodeError>,
    ) -> Result<(), S::Error> {
        if !self.may_say(now, id, frames.as_ref().map_or(1, Vec::len).max(1), bytes)? {
            return Ok(());
        }
        let frames = match frames {
            Ok(frames) => frames,
            Err(error) => {
                let (code, detail) = (error.code(), error.to_string());
                match self.peers.get(&id) {
                    Some(_) if code == Code::FrameTooLarge => self.refuse(now, id, 1009, code, &detail)?,
                    Some(peer) if !peer.greeted => self.refuse(now, id, 4400, code, &detail)?,
                    Some(_) => self.error(id, code, detail, None),
                    None => {}
                }
                return Ok(());
            }
        };
        for frame in frames {
            // A peer that was refused in the middle of a batch is gone.
            let Some(peer) = self.peers.get(&id) else { break };
            let (agent, may_send) = (peer.agent().cloned(), peer.pass.may_send);
            match (frame, agent) {
                (ClientFrame::Unknown, _) => {}
                (ClientFrame::Hello { cursor, last, capabilities, open, client: _ }, _) => {
                    self.hello(now, id, cursor, last, capabilities.iter().any(|c| c == "deltas"), &open)?;
                }
                _ if !peer.greeted => {
                    self.refuse(now, id, 4400, Code::BadFrame, "the first frame must be hello")?;
                }
                (ClientFrame::Fetched(fetched), _) if peer.pass.may_egress => {
                    self.outputs.push(Output::Fetched(fetched));
                }
                (ClientFrame::Fetched(_), _) => {
                    self.error(id, Code::Forbidden, "this agent key lacks the scope egress".into(), None);
                }
                (ClientFrame::Ack { .. }, None) if matches!(peer.role, Role::Egress { .. }) => {}
                (_, None) if matches!(peer.role, Role::Egress { .. }) => {
                    self.error(id, Code::Forbidden, "this agent key lacks the scope receive".into(), None);
                }
                (ClientFrame::Ack { seq }, _) => self.ack(now, id, seq)?,
                (
                    ClientFrame::Delta { .. }
                    | ClientFrame::Done { .. }
                    | ClientFrame::Fail { .. }
                    | ClientFrame::Reply { .. },
                    Some(_),
                ) if !may_send => {
                    self.error(id, Code::Forbidden, "this agent key lacks the scope send".into(), None);
                }
                (ClientFrame::Delta { reply_to, offset, text }, Some(agent)) => {
                    self.delta(now, id, &agent, reply_to, offset, &text);
                }
                (ClientFrame::Done { reply_to }, Some(agent)) => {
                    self.answer(now, id, agent, reply_to, answer::Answer::Silence)?;
                }
                (ClientFrame::Fail { reply_to, reason }, Some(agent)) => {
                    self.answer(now, id, agent, reply_to, answer::Answer::Failure(reason))?;
                }
                (ClientFrame::Reply { reply_to, text, files, buttons }, Some(agent)) => {
                    self.answer(now, id, agent, reply_to, answer::Answer::Text(text, files, buttons))?;
                }
                (ClientFrame::Send { id: message, conversation, text, files }, None) => {
                    self.send(now, id, message, conversation, text, files)?;
                }
                (ClientFrame::Stop { reply_to }, None) => self.stop(now, id, reply_to)?,
                (
                    ClientFrame::Delta { .. }
                    | ClientFrame::Done { .. }
                    | ClientFrame::Fail { .. }
                    | ClientFrame::Reply { .. },
                    None,
                ) => {
                    self.error(id, Code::BadFrame, "type: this frame is for agents, with an agent key".into(), None);
                }
                (ClientFrame::Send { id: message, .. }, Some(_)) => {
                    self.error(id, Code::BadFrame, "type: send is for devices".into(), Some(message));
                }
                (ClientFrame::Stop { .. }, Some(_)) => {
                    self.error(id, Code::BadFrame, "type: stop is for devices".into(), None);
                }
            }
        }
        Ok(())
    }
}
