//! A client that says who it is in its first message, which nobody can pass on before that is read: it waits here.

use js_sys::Promise;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use super::{WebSocket, settled};

// In JavaScript, since what passes goes on for as long as the connection does, and asks nothing of the Worker's instance.
#[wasm_bindgen(inline_js = "
const send = (socket, data) => { try { socket.send(data) } catch {} };
const end = (socket, code, reason) => { try { socket.close(code, reason) } catch { socket.close() } };
export function first(client, ms, max) {
  client.accept();
  return new Promise((resolve) => {
    const said = client.clawSaid = [];
    let length = 0;
    client.clawTo = {
      send: (data) => {
        length += typeof data === 'string' ? data.length : max + 1;
        if (length > max) return client.close(1009, 'frame_too_large'), resolve();
        said.push(data);
        resolve(said[0]);
      },
      close: () => resolve(),
    };
    client.addEventListener('message', ({ data }) => client.clawTo.send(data));
    client.addEventListener('close', ({ code, reason }) => client.clawTo.close(code, reason));
    setTimeout(resolve, ms);
  });
}
export function join(client, hub) {
  hub.accept();
  if (client.readyState !== 1) return end(hub, 1001);
  hub.addEventListener('message', ({ data }) => send(client, data));
  hub.addEventListener('close', ({ code, reason }) => end(client, code, reason));
  client.clawSaid.slice(1).forEach((data) => send(hub, data));
  client.clawTo = { send: (data) => send(hub, data), close: (code, reason) => end(hub, code, reason) };
}
")]
extern "C" {
    fn first(client: &WebSocket, ms: u32, max: u32) -> Promise;
    fn join(client: &WebSocket, hub: &WebSocket);
}

/// Takes a client in, and waits for the first text that it says: at most so many milliseconds, and characters of all that
/// it says before it is passed on.
pub async fn first_words(client: WebSocket, ms: u32, max: u32) -> Option<String> {
    settled(first(&client, ms, max)).await.ok().as_ref().and_then(JsValue::as_string)
}

/// From now on what either says goes to the other, and they end together.
pub fn pass_on(client: &WebSocket, hub: &WebSocket) {
    join(client, hub);
}
