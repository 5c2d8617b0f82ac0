//! What is set for conversations, as far as it was asked for.

use protocol::ConversationId;

use super::Hub;
use crate::limit::SETTINGS_HELD_MAX;
use crate::store::{Settings, Sql};

impl<S: Sql> Hub<S> {
    /// What is set for a conversation.
    pub(super) fn settings(&mut self, conversation: &ConversationId) -> Result<Settings, S::Error> {
        if let Some(settings) = self.settings.get(conversation) {
            return Ok(settings.clone());
        }
        let settings = self.store.settings(conversation)?;
        self.hold_settings(conversation, settings.clone());
        Ok(settings)
    }

    pub(super) fn put_settings(&mut self, conversation: &ConversationId, settings: Settings) -> Result<(), S::Error> {
        self.store.put_settings(conversation, &settings)?;
        self.hold_settings(conversation, settings);
        Ok(())
    }

    fn hold_settings(&mut self, conversation: &ConversationId, settings: Settings) {
        if self.settings.len() >= SETTINGS_HELD_MAX {
            self.settings.clear();
        }
        self.settings.insert(conversation.clone(), settings);
    }
}
