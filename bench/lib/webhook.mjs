// Feishu's webhooks for user i, encrypted and signed as Feishu does, and Feishu's API.

import { messageEvent, sign, startFeishu } from '../../tests/e2e/support/feishu.mjs'

export { startFeishu }

/** Posts a message of user i to the bot; anything but a 200 is an error. */
export async function postWebhook(url, i, { id, chat, text }) {
  const event = messageEvent(id, text, { chat })
  event.event.sender.sender_id.open_id = `ou_bench_${i}`
  const signal = AbortSignal.timeout(10_000)
  const response = await fetch(`${url}/webhook/feishu/bench`, { method: 'POST', ...sign(event), signal })
  const body = await response.text()
  if (response.status !== 200) throw new Error(`webhook ${id}: ${response.status} ${body}`)
}
