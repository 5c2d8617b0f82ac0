//! A client of an MQTT broker: QoS 1, persistent session. It publishes to one topic and is subscribed to another.

use std::time::Duration;

use protocol::limit::FRAME_BYTES_MAX;
use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, NetworkOptions, Packet, QoS, SubscribeReasonCode};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::failure::{Failure, Result, during, fail};
use crate::wait::{ANSWER_WAIT, within};
use crate::wire::Received;

/// A client.
pub struct Mqtt {
    client: AsyncClient,
    publishes_to: String,
    received: mpsc::Receiver<Result<Received>>,
    /// Turns the client's wheel in a task of its own: a write of rumqttc's may not be dropped half-way.
    wheel: AbortHandle,
}

/// Where and as whom.
pub struct Address<'a> {
    /// The broker's.
    pub host: &'a str,
    /// The broker's.
    pub port: u16,
    /// The client's id: its session is kept under it.
    pub id: String,
    /// Topic.
    pub publishes_to: String,
    /// Topic.
    pub subscribes_to: String,
}

impl Mqtt {
    /// Connects and subscribes.
    pub async fn open(address: Address<'_>) -> Result<Mqtt> {
        let Address { host, port, id, publishes_to, subscribes_to } = address;
        let mut options = MqttOptions::new(&id, host, port);
        options
            .set_clean_session(false)
            .set_keep_alive(KEEP_ALIVE)
            .set_inflight(OUTSTANDING_MAX as u16)
            .set_max_packet_size(FRAME_BYTES_MAX, FRAME_BYTES_MAX);
        let (client, mut wheel) = AsyncClient::new(options, OUTSTANDING_MAX);
        let mut network = NetworkOptions::new();
        network.set_tcp_nodelay(true);
        wheel.set_network_options(network);
        client.try_subscribe(&subscribes_to, QoS::AtLeastOnce).map_err(during(&id))?;
        within(ANSWER_WAIT, || format!("{id} to be subscribed"), subscribed(&mut wheel)).await?;
        let (sender, received) = mpsc::channel(OUTSTANDING_MAX);
        let wheel = tokio::spawn(turn(wheel, sender)).abort_handle();
        Ok(Mqtt { client, publishes_to, received, wheel })
    }

    /// Waits, without end. May be dropped: nothing is lost.
    pub async fn next(&mut self) -> Result<Received> {
        self.received.recv().await.unwrap_or_else(|| fail("the connection ended"))
    }

    /// Publishes texts, one by one.
    pub fn send(&mut self, texts: impl IntoIterator<Item = String>) -> Result<()> {
        for text in texts {
            // The caller keeps to `OUTSTANDING_MAX`: there is room.
            let published = self.client.try_publish(&self.publishes_to, QoS::AtLeastOnce, false, text);
            published.map_err(during("publishing"))?;
        }
        Ok(())
    }
}

impl Drop for Mqtt {
    fn drop(&mut self) {
        self.wheel.abort();
    }
}

async fn subscribed(wheel: &mut EventLoop) -> Result<()> {
    loop {
        match wheel.poll().await.map_err(during("connecting to the broker"))? {
            Event::Incoming(Packet::SubAck(ack)) => {
                let granted = SubscribeReasonCode::Success(QoS::AtLeastOnce);
                return if ack.return_codes == [granted] {
                    Ok(())
                } else {
                    fail(format!("QoS 1 was refused: {ack:?}"))
                };
            }
            Event::Incoming(Packet::ConnAck(_)) | Event::Outgoing(_) => {}
            Event::Incoming(other) => return fail(format!("a fresh session was expected, not {other:?}")),
        }
    }
}

async fn turn(mut wheel: EventLoop, sender: mpsc::Sender<Result<Received>>) {
    loop {
        let received = match wheel.poll().await {
            Ok(Event::Incoming(Packet::PubAck(_))) => Ok(Received::Acknowledged),
            Ok(Event::Incoming(Packet::Publish(publish))) if publish.dup => fail("a text came twice"),
            Ok(Event::Incoming(Packet::Publish(publish))) => match Utf8Bytes::try_from(publish.payload) {
                Ok(text) => Ok(Received::Text(text)),
                Err(error) => Err(Failure(format!("not a text: {error}"))),
            },
            Ok(_) => continue,
            Err(error) => Err(Failure(format!("the connection broke: {error}"))),
        };
        let is_over = received.is_err();
        if sender.send(received).await.is_err() || is_over {
            return;
        }
    }
}

/// Texts of a client that the broker has not acknowledged.
pub const OUTSTANDING_MAX: usize = 1_000;
const KEEP_ALIVE: Duration = Duration::from_secs(30);
