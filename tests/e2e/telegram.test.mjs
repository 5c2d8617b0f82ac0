// A person writes to a Telegram bot; their own agent answers.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { answerTo } from './support/model.mjs'
import {
  answersInParts,
  answersOnce,
  endsWell,
  failsSaying,
  pairsStrangers,
  refusesCredentials,
  refusesForgeries,
  refusesOthers,
  saysWhyRefused,
  startPlatformWorld,
  triesAgain,
} from './support/platform.mjs'
import { NAME, startTelegram, update } from './support/telegram.mjs'
import { until } from './support/world.mjs'

test('telegram', async (t) => {
  const world = await startPlatformWorld(t, startTelegram)
  const { fake } = world

  await t.test('a bot is tried before it is kept', () =>
    refusesCredentials(world, { bot_token: '1:x-must-not-leak' }, /^bot_token: Telegram 401: Unauthorized$/),
  )

  await t.test('a question is answered once, as a reply', () => answersOnce(world, { from: '1002' }))

  await t.test('a long answer comes in parts of 4,096 characters', () =>
    answersInParts(world, { chars: 6000, parts: 2, options: { from: '1003' } }),
  )

  await t.test('an answer is HTML, and what looks like it is not', async () => {
    await world.asks('m-html', '**bold** & <i>not</i> `code`', { from: '1004' })
    const { text, raw } = await until(() => fake.sent.find(({ chat }) => chat === 1004), 'an answer')
    assert.equal(text, 'answer to: bold & <i>not</i> code 🚀 好的')
    assert.match(raw, /<b>bold<\/b> &amp; &lt;i&gt;not/)
  })

  await t.test('without markup if Telegram cannot read ours, once', async () => {
    fake.readsMarkup = false
    const before = fake.calls.length
    await world.asks('m-plain', '**bold** & <i>not</i>', { from: '1005' })
    const { raw } = await until(() => fake.sent.find(({ chat }) => chat === 1005), 'an answer')
    assert.equal(raw, 'answer to: bold & <i>not</i> 🚀 好的')
    assert.deepEqual(
      fake.calls.slice(before).map((call) => call.parse_mode),
      ['HTML', undefined],
    )
    await answersInParts(world, { chars: 5000, parts: 2, options: { from: '1006', id: 'm-long-plain' } })
    fake.readsMarkup = true
  })

  await t.test('in groups only what mentions the bot, commands it or replies to it', async () => {
    const options = { from: '1001', group: '-100200', topic: '7' }
    const says = async (id, fields) => {
      const response = await world.receive(update(fake.message(id, options, fields)))
      assert.deepEqual([response.status, await response.text()], [200, '{}'])
    }
    const replied = (username) => ({ message_id: 1, from: { id: 9, is_bot: true, username } })
    await says('g-1', { text: 'lunch? not for the bot' })
    await says('g-2', { text: `@${NAME}2 not for the bot` })
    await says('g-3', { text: 'not for the bot', reply_to_message: replied('other_bot') })
    await says('g-4', { text: `@${NAME.toUpperCase()} in a group` })
    await says('g-5', { text: 'as a reply', reply_to_message: replied(NAME) })
    await says('g-6', { caption: `under a picture @${NAME}`, photo: [] })
    assert.equal((await world.answered('in a group')).to, '-100200/7')
    await world.answered('as a reply')
    await world.answered('under a picture')
    await world.ignored('not for the bot')
  })

  await t.test('a busy platform is tried again after as long as it wants', () =>
    triesAgain(
      world,
      [
        {
          status: 429,
          body: { ok: false, error_code: 429, description: 'Too Many Requests', parameters: { retry_after: 1 } },
        },
        { status: 502, body: 'bad gateway' },
      ],
      { waitMs: 1000 },
    ),
  )

  await t.test('an answer that is refused says why', async () => {
    const body = { ok: false, error_code: 400, description: 'Bad Request: not enough rights' }
    await saysWhyRefused(world, { status: 400, body }, /Telegram 400: Bad Request: not enough rights/)
    fake.blocked.add(1007)
    await failsSaying(world, 'from someone who left', /403.*停用或移出/, { from: '1007' })
  })

  await t.test('a stranger is told a code', () => pairsStrangers(world, { from: '1008' }))

  await t.test('other updates are acknowledged and ignored', async () => {
    const asked = world.model.questions.length
    const bot = { id: 9, is_bot: true }
    for (const body of [
      { update_id: 1, edited_message: { message_id: 1, text: 'changed' } },
      { update_id: 2, my_chat_member: {} },
      fake.message('m-sticker', {}, { sticker: {} }),
      fake.message('m-bot', {}, { text: 'by a bot', from: bot }),
    ]) {
      assert.equal((await world.receive(update(body))).status, 200)
    }
    await world.settles()
    assert.equal(world.model.questions.length, asked + 1)
  })

  await t.test('forgeries are refused with the same words', async () => {
    const good = fake.question('m-forged', 'forged')
    const headers = { 'content-type': 'application/json' }
    await refusesForgeries(world, {
      'another secret': update(JSON.parse(good.body), 'another'),
      'an empty secret': update(JSON.parse(good.body), ''),
      'no secret': { ...good, headers },
    })
  })

  await t.test('what is no update is refused', () =>
    refusesOthers(world, {
      methods: ['POST'],
      notRead: {
        'no JSON': [{ body: 'nothing' }, 400],
        'no update': [{ body: '{"message":{}}' }, 400],
        'another type': [{ headers: { ...fake.question('m-x', 'x').headers, 'content-type': 'text/plain' } }, 415],
      },
    }),
  )

  await t.test('the fakes found nothing wrong', () => {
    endsWell(world)
    assert.ok(world.answers('once').every(({ text }) => text === answerTo('once')))
  })
})
