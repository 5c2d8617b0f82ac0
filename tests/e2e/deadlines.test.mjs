// Every platform hears about its callback in time, whatever the agent and the platform's own API do; and the late answer
// arrives. Prints the table of docs/platforms.md.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { openSocket } from './support/dialect.mjs'
import { startDingtalk } from './support/dingtalk.mjs'
import { messageEvent, sign } from './support/feishu.mjs'
import { startQq } from './support/qq.mjs'
import { startTelegram } from './support/telegram.mjs'
import { startWechat } from './support/wechat.mjs'
import { startWecom, startWecomBot } from './support/wecom.mjs'
import { createAgent, startFeishuWorld, until } from './support/world.mjs'

/** How long each platform waits, in ms: shared with docs/platforms.md. Where nothing is documented, the least of the others. */
const DEADLINES = {
  feishu: 3000,
  wecom: 5000,
  'wecom-bot': 5000,
  wechat: 5000,
  qq: 3000,
  telegram: 3000,
  dingtalk: 3000,
}
/** Official accounts ask three times; what is not answered then is what the relay wants to hear again. */
const ATTEMPTS = { wechat: 3 }
const ROUNDS = 2

test('deadlines', async (t) => {
  const world = await startFeishuWorld(t, { vars: { RATE_LIMITS: 'off' } })
  const fakes = { feishu: world.feishu }
  const starts = {
    wecom: startWecom,
    'wecom-bot': startWecomBot,
    wechat: startWechat,
    qq: startQq,
    telegram: startTelegram,
    dingtalk: startDingtalk,
  }
  for (const [platform, start] of Object.entries(starts)) {
    const fake = await start()
    fakes[platform] = fake
    t.after(() => fake.close())
    const held = 'passive' in fake.account && { passive: true }
    const urls = { api_base: fake.url, ...(platform === 'qq' && { token_base: fake.url }) }
    await world.call(world.token, 'POST', '/v1/admin/accounts', { ...fake.account, id: platform, ...urls, ...held })
  }
  const platforms = Object.keys(fakes)

  /** Asks as the platform does, and says how long it took to hear anything. */
  const call = async (platform, id, text) => {
    const fake = fakes[platform]
    for (let attempt = 1; attempt <= (ATTEMPTS[platform] ?? 1); attempt++) {
      const request =
        platform === 'feishu' ? sign(messageEvent(id, text, { chat: `oc_${id}` })) : fake.question(id, text)
      const path = `/webhook/${platform}/${platform === 'feishu' ? 'main' : platform}`
      const { method = 'POST', query = '', headers, body } = request
      const began = performance.now()
      try {
        const signal = AbortSignal.timeout(DEADLINES[platform])
        const response = await fetch(`${world.url}${path}${query && `?${query}`}`, { method, headers, body, signal })
        await response.arrayBuffer()
        assert.equal(response.status, 200, `${platform} ${id}`)
        return performance.now() - began
      } catch (error) {
        if (error.name !== 'TimeoutError' || attempt === (ATTEMPTS[platform] ?? 1))
          throw new Error(`${platform} ${id}: ${error.message}`)
      }
    }
  }
  const said = (platform) => (platform === 'feishu' ? fakes.feishu.replies : fakes[platform].sent)
  const ms = {}
  /** All platforms at once, a few times; the slowest counts. */
  const measure = async (what) => {
    for (const platform of platforms) ms[platform] = { ...ms[platform], [what]: 0 }
    for (let round = 0; round < ROUNDS; round++) {
      await Promise.all(
        platforms.map(async (platform) => {
          // Telegram's ids are numbers.
          const id = `${Date.now()}${round}${platforms.indexOf(platform)}`
          const took = await call(platform, id, `${what} ${platform} ${round}`)
          ms[platform][what] = Math.max(ms[platform][what], Math.round(took))
        }),
      )
    }
  }

  await t.test('with no agent at all', () => measure('gone'))

  const agent = await createAgent(world)
  const answers = { afterMs: null }
  const { socket, say } = await openSocket(`${world.url}/v1/ws`, {
    authorization: `Bearer ${agent.key}`,
    'sec-websocket-protocol': 'claw-relay.v1',
  })
  socket.addEventListener('message', async ({ data }) => {
    for (const frame of [JSON.parse(data)].flat()) {
      if (frame.type !== 'message') continue
      say({ type: 'ack', seq: frame.seq })
      if (answers.afterMs === null) continue
      await sleep(answers.afterMs)
      say({ type: 'reply', reply_to: frame.seq, text: `re ${frame.text}` })
    }
  })
  say({ type: 'hello' })

  await t.test('with an agent that says nothing', () => measure('silent'))

  await t.test('with an agent that takes 30 s, whose answers arrive all the same', async () => {
    answers.afterMs = 30_000
    await measure('slow')
    const late = platforms.filter((platform) => platform !== 'wecom-bot')
    for (const platform of late) {
      const text = `re slow ${platform} ${ROUNDS - 1}`
      await until(() => said(platform).some((message) => message.text.includes(text)), `${platform}: ${text}`, 60_000)
    }
    answers.afterMs = null
  })

  await t.test('with an API of the platform that takes 8 s', async () => {
    for (const fake of Object.values(fakes)) fake.slow(8_000)
    answers.afterMs = 0
    await measure('api')
    for (const fake of Object.values(fakes)) fake.slow(0)
  })

  t.diagnostic(`callback answered within (ms, the slowest of ${ROUNDS})`)
  for (const platform of platforms) {
    const { gone, silent, slow, api } = ms[platform]
    t.diagnostic(`| ${platform} | ${DEADLINES[platform]} | ${gone} | ${silent} | ${slow} | ${api} |`)
  }
})
