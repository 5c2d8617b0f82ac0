//! Gives the question back, word by word, and its files: to try the connection without a model. Pure and deterministic.

use std::time::Duration;

use crate::backend::{Event, Failure, Pieces, Question};
use crate::files::facts;

/// The echo.
pub struct Echo {
    /// Pause after each word.
    pub delay: Duration,
}

impl Echo {
    /// Answers exactly `echo: ` and the question; and names its files, a line for each, and sends them back.
    pub async fn answer(&self, question: Question, pieces: &Pieces) -> Result<(), Failure> {
        let files = question.files.iter().map(|file| format!("\n📎 {}", facts(file))).collect::<String>();
        for word in words(&format!("echo: {}{files}", question.text)) {
            pieces.put(Event::Piece(word.to_owned())).await;
            tokio::time::sleep(self.delay).await;
        }
        if !question.files.is_empty() {
            pieces.put(Event::Files(question.files)).await;
        }
        Ok(())
    }
}

/// Words with the blank that ends each: joined they are the text again.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_join_to_the_text() {
        let text = "echo: 你好  world\n\n😀 ";
        assert_eq!(words(text).collect::<String>(), text);
        assert_eq!(words("echo: a b").collect::<Vec<_>>(), ["echo: ", "a ", "b"]);
    }
}
