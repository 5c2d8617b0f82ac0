// Buttons of a real OpenClaw gateway: what needs an approval asks in the chat, and a press decides, once. Runs when
// CLAW_RELAY_OPENCLAW is set: a gateway takes 1.2 GB of memory, its installation 850 MB of disk.

import assert from 'node:assert/strict'
import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { openClaw } from '../../scripts/lib/tools.mjs'
import { connectDevice } from './support/device.mjs'
import { pressEvent } from './support/feishu.mjs'
import {
  answerTo,
  createOpenClaw,
  PATIENCE_MS,
  packPlugin,
  personIn,
  skip,
  startClawModel,
} from './support/openclaw.mjs'
import { createAgent, startFeishuWorld, until } from './support/world.mjs'

const ONCE = '允许一次 · Allow once'
const DENY = '拒绝 · Deny'

test('openclaw approvals', { skip }, async (t) => {
  const openclaw = await openClaw()
  const world = await startFeishuWorld(t)
  const { feishu } = world
  const model = await startClawModel()
  t.after(() => model.close())
  const home = await createAgent(world, 'home')
  const folder = join(world.folder, 'openclaw')
  mkdirSync(folder)
  const claw = await createOpenClaw(t, openclaw, folder, model)
  const install = ['plugins', 'install', `npm-pack:${await packPlugin(folder)}`, '--force', '--accept-capabilities']
  const installed = await claw.cli(...install)
  assert.equal(installed.code, 0, installed.output)
  claw.configure((config) => {
    const access = { dmPolicy: 'open', allowFrom: ['*'] }
    // The model calls tools by their names.
    config.tools.toolSearch = false
    config.channels = { 'claw-relay': { enabled: true, relayUrl: world.url, token: home.key, ...access } }
  })
  await claw.start()
  await until(() => claw.gateway.output.includes('default is connected to'), 'the channel', PATIENCE_MS)

  const { writes } = personIn(world)
  const waited = (holds, what) =>
    until(holds, what, PATIENCE_MS).catch(({ message }) => {
      const said = feishu.replies.map(({ messageId, text }) => `${messageId}: ${text}`).join('\n')
      throw new Error(`${message}:\n${claw.gateway.output}\n${said}`)
    })
  /** What was said in answer to this, once it says that. */
  const told = (id, pattern) =>
    waited(() => feishu.repliesTo(id).find(({ text }) => pattern.test(text))?.text, `${pattern} in answer to ${id}`)
  /** The card whose text has this: { id, text, card }, and the buttons that it had. */
  const shown = async (words) => {
    const isIt = ({ card, text }) => card && text.includes(words)
    const reply = await waited(() => feishu.replies.find(isIt), `a card with ${words}`)
    return { id: reply.id, text: reply.text, card: reply.card, buttons: reply.card.buttons }
  }
  const labels = ({ buttons }) => buttons.map(({ label }) => label)
  /** Presses the button of a card on which this stands, also when the card shows it no more. */
  const press = async ({ id, buttons }, label) => {
    const button = buttons.find((button) => button.label === label)
    assert.ok(button, `no ${label} in ${JSON.stringify(buttons)}`)
    const answer = await (await world.webhook(pressEvent(button.value, { message: id }))).json()
    feishu.pressed(id, answer)
    return answer.toast.content
  }
  /** A command that leaves a file each time it runs, and how often it did. */
  const counted = (name) => {
    const place = join(folder, name)
    mkdirSync(place)
    return { command: `mktemp -p ${place}`, runs: () => readdirSync(place).length }
  }

  await t.test('a command that needs an approval asks with buttons; one press, and it runs once', async () => {
    const { command, runs } = counted('once')
    const id = await writes(`run: ${command}`)
    const asked = await shown(command)
    assert.deepEqual(labels(asked), [ONCE, DENY])
    // It waits for its turn; the press does not.
    const behind = await writes('behind it')
    await sleep(500)
    assert.equal(runs(), 0)
    assert.match(await press(asked, ONCE), /got it/)
    assert.deepEqual([asked.card.buttons, asked.card.chosen], [[], [`✓ ${ONCE}`]])
    await told(asked.id, /^✅ Approval allow-once submitted/)
    await told(id, /^it printed: /)
    await told(behind, /^answer to: behind it/)
    // Again, and the other one.
    const said = feishu.replies.length
    assert.match(await press(asked, ONCE), /got it/)
    assert.match(await press(asked, DENY), /already answered/)
    await sleep(3000)
    assert.deepEqual([runs(), feishu.replies.length], [1, said])
  })

  await t.test('a command that is denied does not run, and the answer follows', async () => {
    const { command, runs } = counted('never')
    const id = await writes(`run: ${command}`)
    const asked = await shown(command)
    await press(asked, DENY)
    await told(asked.id, /^✅ Approval deny submitted/)
    assert.match(await told(id, /^it printed: /), /denied/i)
    assert.match(await press(asked, ONCE), /already answered/)
    await sleep(3000)
    assert.equal(runs(), 0)
  })

  await t.test('on the page too, as a message with buttons', async () => {
    const page = await connectDevice(world, world.token)
    const { command, runs } = counted('page')
    page.ask('m-1', `run: ${command}`)
    const asked = await waited(
      () => [...page.messages.values()].find(({ buttons, text }) => buttons && text.includes(command)),
      'the message with buttons',
    )
    const styles = asked.buttons.map(({ label, style }) => [label, style])
    assert.deepEqual(styles, [
      [ONCE, 'primary'],
      [DENY, 'danger'],
    ])
    for (let n = 0; n < 2; n++) page.ask(`press-${asked.seq}`, asked.buttons[0].text, asked.conversation)
    const { seq } = [...page.messages.values()].find(({ id }) => id === 'm-1')
    assert.match((await waited(() => page.answerTo(seq), 'the answer')).text, /^it printed: /)
    assert.equal(runs(), 1)
    await page.close()
  })

  await t.test('choices are buttons, addresses are links', async () => {
    const url = 'https://example.com/notes'
    const buttons = [
      { label: 'Blue', action: { type: 'callback', value: 'colour blue' } },
      { label: 'State', action: { type: 'command', command: '/status' }, style: 'danger' },
      { label: 'Notes', action: { type: 'url', url } },
    ]
    const presentation = { blocks: [{ type: 'buttons', buttons }] }
    const target = ['--channel', 'claw-relay', '--target', 'feishu:main:oc_1']
    const message = ['--message', 'Which one?', '--presentation', JSON.stringify(presentation)]
    const sent = await claw.cli('message', 'send', ...target, ...message)
    assert.equal(sent.code, 0, sent.output)
    const asked = await shown('Which one?')
    assert.deepEqual(labels(asked), ['Blue', 'State · /status'])
    assert.equal(asked.text, `Which one?\n\n- [Notes](${url})`)
    await press(asked, 'Blue')
    assert.equal(await told(asked.id, /./), answerTo('colour blue'))

    // The agent itself.
    const send = { action: 'send', message: 'Pick one.', presentation }
    const id = await writes(`call: message ${JSON.stringify(send)}`)
    const picked = await shown('Pick one.')
    await told(id, /^it printed: /)
    await press(picked, 'State · /status')
    await told(picked.id, /fake-1/)
  })

  await t.test('what the agent asks while it works is answered at a press, or in words', async () => {
    const options = [{ label: 'Blue' }, { label: 'Red' }]
    const question = { id: 'colour', header: 'Colour', question: 'Which colour?', options }
    const ask = `call: ask_user ${JSON.stringify({ questions: [question] })}`
    const id = await writes(ask)
    const asked = await shown('Which colour?')
    assert.deepEqual(labels(asked), ['Blue', 'Red'])
    await press(asked, 'Red')
    // Passed on; or, when the turn that asked is over by then, OpenClaw's own words for having nothing to say.
    await told(asked.id, /passed on|produce or deliver/)
    assert.match(await told(id, /^it printed: /), /Colour: Red/)

    const again = await writes(ask)
    await waited(() => feishu.replies.filter(({ text }) => text.includes('Which colour?')).length === 2, 'the question')
    await told(await writes('something like green'), /passed on|produce or deliver/)
    assert.match(await told(again, /^it printed: /), /Colour: something like green/)
    await told(await writes('and on'), /^answer to: and on/)
  })

  assert.deepEqual([...model.faults, ...feishu.faults], [])
  // Before its folder goes.
  await claw.kill()
})
