//! HTTP in: keep-alive connections, one request at a time on each.

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::failure::{Result, during, fail};
use crate::payload::shorten;
use crate::wait::{ANSWER_WAIT, within};

/// A request made before the clock starts.
pub type Post = Request<Full<Bytes>>;

/// A connection.
pub struct Connection(SendRequest<Full<Bytes>>);

impl Connection {
    /// Opens one to `host:port`.
    pub async fn open(authority: &str) -> Result<Connection> {
        let stream = connect(authority).await?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(during(authority))?;
        // Whoever waits for an answer hears when it ends.
        drop(tokio::spawn(connection));
        Ok(Connection(sender))
    }

    /// Sends a request; answers once a whole 200 is there. Anything else is a failure.
    pub async fn post(&mut self, post: Post) -> Result<()> {
        let path = post.uri().path().to_owned();
        let exchange = async {
            self.0.ready().await.map_err(during(&path))?;
            let response = self.0.send_request(post).await.map_err(during(&path))?;
            let status = response.status();
            let body = response.into_body().collect().await.map_err(during(&path))?.to_bytes();
            if status != StatusCode::OK {
                let body = String::from_utf8_lossy(&body);
                return fail(format!("POST {path} was refused: HTTP {status} {}", shorten(&body)));
            }
            Ok(())
        };
        within(ANSWER_WAIT, || format!("an answer to POST {path}"), exchange).await
    }
}

/// Opens a TCP connection that sends at once what is written.
pub async fn connect(authority: &str) -> Result<TcpStream> {
    let connecting = async {
        let stream = TcpStream::connect(authority).await.map_err(during(format!("connecting to {authority}")))?;
        stream.set_nodelay(true).map_err(during(authority))?;
        Ok(stream)
    };
    within(ANSWER_WAIT, || format!("a connection to {authority}"), connecting).await
}
