//! Finds a model server on this machine.

use std::time::Duration;

use reqwest::Client;

use crate::backend::openai;
use crate::error::Stop;

/// `claw-agent detect`: prints `URL MODEL`.
pub async fn command() -> Result<(), Stop> {
    match find(&openai::client(LM_STUDIO)?, CANDIDATES).await {
        Some((url, model)) => {
            println!("{url} {model}");
            Ok(())
        }
        None => Err(Stop::Failed(NOT_FOUND.to_owned())),
    }
}

/// The first of `candidates` (base URLs) that lists a model within a second, and that model.
pub async fn find(client: &Client, candidates: &[&str]) -> Option<(String, String)> {
    for base in candidates {
        if let Ok(Ok(model)) = tokio::time::timeout(PROBE_TIMEOUT, openai::first_model(client, base, None)).await {
            return Some(((*base).to_owned(), model));
        }
    }
    None
}

/// LM Studio and Ollama, at their usual places.
pub const CANDIDATES: &[&str] = &[LM_STUDIO, "http://127.0.0.1:11434/v1"];
/// Where LM Studio is.
pub const LM_STUDIO: &str = "http://127.0.0.1:1234/v1";
/// What to do when nothing is found.
pub const NOT_FOUND: &str = "no model server with a model found on this machine: start LM Studio (its local server, \
     port 1234) or Ollama (port 11434), or pass --openai-url URL, or try the connection with --backend echo";
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    fn serve_once(body: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}/v1", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = [0; 1024];
            let read = stream.read(&mut head).unwrap();
            assert!(head[..read].starts_with(b"GET /v1/models "));
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        });
        base
    }

    #[tokio::test]
    async fn takes_the_first_that_lists_a_model() {
        let client = openai::client(LM_STUDIO).unwrap();
        let empty = serve_once(r#"{"data":[]}"#);
        let full = serve_once(r#"{"data":[{"id":"text-embedding-x"},{"id":"qwen3"},{"id":"other"}]}"#);
        let found = find(&client, &["http://127.0.0.1:9/v1", &empty, &full]).await;
        assert_eq!(found, Some((full, "qwen3".into())));
        assert_eq!(find(&client, &["http://127.0.0.1:9/v1"]).await, None);
    }
}
