//! A connection that carries texts: a WebSocket, or MQTT.

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error as WsError, Message, Utf8Bytes};

use crate::failure::{Result, during, fail};
use crate::mqtt::Mqtt;
use crate::payload::shorten;
use crate::wait::{ANSWER_WAIT, within};

/// A connection.
pub enum Wire {
    /// To an MQTT broker.
    Mqtt(Mqtt),
    /// To a Worker.
    WebSocket(Box<WebSocketStream<TcpStream>>),
}

/// What comes in.
#[derive(Clone, Debug)]
pub enum Received {
    /// A text that was sent is taken charge of (MQTT's PUBACK; on a WebSocket such things are texts too).
    Acknowledged,
    /// A text.
    Text(Utf8Bytes),
}

impl Wire {
    /// Waits, without end. May be dropped: nothing is lost.
    pub async fn next(&mut self) -> Result<Received> {
        let socket = match self {
            Wire::Mqtt(mqtt) => return mqtt.next().await,
            Wire::WebSocket(socket) => socket,
        };
        loop {
            match socket.next().await {
                Some(Ok(Message::Text(text))) => return Ok(Received::Text(text)),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(frame))) => {
                    let why = frame.map_or("without a reason".into(), |frame| frame.to_string());
                    return fail(format!("the server closed the socket: {why}"));
                }
                Some(Ok(other)) => return fail(format!("not a text: {}", shorten(&other.to_string()))),
                Some(Err(error)) => return fail(format!("the socket broke: {error}")),
                None => return fail("the socket ended"),
            }
        }
    }

    /// Sends texts: on a WebSocket each as a message of its own, all in one write.
    pub async fn send(&mut self, texts: impl IntoIterator<Item = String>) -> Result<()> {
        let socket = match self {
            Wire::Mqtt(mqtt) => return mqtt.send(texts),
            Wire::WebSocket(socket) => socket,
        };
        let sending = async {
            for text in texts {
                socket.feed(Message::text(text)).await.map_err(during("sending"))?;
            }
            socket.flush().await.map_err(during("sending"))
        };
        within(ANSWER_WAIT, || "the server to read its socket".into(), sending).await
    }

    /// Says goodbye and waits until the server has closed too.
    pub async fn close(self) -> Result<()> {
        let Wire::WebSocket(mut socket) = self else { return Ok(()) };
        let closing = async {
            match WebSocketStream::close(&mut socket, None).await {
                Ok(()) | Err(WsError::ConnectionClosed) => {}
                Err(error) => return fail(format!("cannot close: {error}")),
            }
            while let Some(Ok(_)) = socket.next().await {}
            Ok(())
        };
        within(ANSWER_WAIT, || "the server to close the socket".into(), closing).await
    }
}
