// Buttons under messages on the page, in Chromium: pressed once, seen everywhere, kept.

import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { ROOT } from '../../scripts/lib/run.mjs'
import { launchBrowser } from './support/browser.mjs'
import { connectDevice } from './support/device.mjs'
import { openSocket } from './support/dialect.mjs'
import { createAgent, startWorld, until } from './support/world.mjs'

const ARTEFACTS = join(ROOT, 'tests', 'artefacts')
const SIZES = {
  desktop: { viewport: { width: 1280, height: 800 } },
  phone: { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true },
}
const ALLOW = { label: '允许一次 · Allow once', text: '/approve 7f3a allow-once', style: 'primary' }
const ALWAYS = { label: '总是允许 · Always', text: '/approve 7f3a allow-always' }
const DENY = { label: '拒绝 · Deny', text: '/approve 7f3a deny', style: 'danger' }

test('buttons on the page', async (t) => {
  const world = await startWorld(t)
  const { key } = await createAgent(world)
  const agent = await openSocket(`${world.url}/v1/ws`, {
    authorization: `Bearer ${key}`,
    'sec-websocket-protocol': 'claw-relay.v1',
  })
  t.after(() => agent.socket.close())
  const heard = []
  agent.socket.addEventListener('message', ({ data }) => {
    for (const frame of [JSON.parse(data)].flat()) {
      if (frame.type !== 'message') continue
      heard.push(frame)
      agent.say({ type: 'ack', seq: frame.seq })
    }
  })
  agent.say({ type: 'hello', client: 'e2e' })
  const asked = (text) => until(() => heard.findLast((frame) => frame.text === text), text)
  const count = (text) => heard.filter((frame) => frame.text === text).length
  const push = (text, buttons, more = {}) =>
    world.call(world.token, 'POST', '/v1/messages', { text, buttons, conversation: 'web', ...more })

  const browser = await launchBrowser()
  t.after(() => browser.close())
  mkdirSync(ARTEFACTS, { recursive: true })
  /** A page that keeps what the console says. */
  async function open(options = {}) {
    const context = await browser.newContext({ ...SIZES.desktop, locale: 'en-GB', ...options })
    t.after(() => context.close())
    const page = await context.newPage()
    page.problems = []
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) page.problems.push(message.text())
    })
    page.on('pageerror', (error) => page.problems.push(String(error)))
    const { code } = await world.call(world.token, 'POST', '/v1/me/links')
    await page.goto(`${world.url}/#link=${code}`)
    await online(page)
    return page
  }
  const online = (page) => page.locator('[data-testid=connection][data-state=online]').waitFor()
  const said = (page, text) => page.locator('[data-testid=message]').filter({ hasText: text })
  const button = (page, text, { label }) => said(page, text).getByRole('button', { name: label })
  const ask = async (page, text) => {
    await page.getByTestId('composer').fill(text)
    await page.getByTestId('composer').press('Enter')
    return asked(text)
  }
  /** The labels of the buttons of a message that is answered; what was chosen stands in brackets. */
  const used = async (page, text) => {
    const message = said(page, text)
    await message.locator('[data-testid=buttons][data-used=true]').waitFor()
    const buttons = await message.getByTestId('button').all()
    const shown = buttons.map(async (each) => {
      assert.ok(await each.isDisabled())
      const label = await each.locator('[dir=auto]').textContent()
      return (await each.getAttribute('data-chosen')) ? `[${label}]` : label
    })
    return Promise.all(shown)
  }

  await t.test('a press is heard once, seen on other pages, and kept', async () => {
    const [page, other] = [await open(), await open()]
    const question = await ask(page, 'delete it')
    agent.say({ type: 'reply', reply_to: question.seq, text: 'May I?', buttons: [ALLOW, ALWAYS, DENY] })
    await button(other, 'May I?', DENY).waitFor()
    await said(page, 'May I?').getByRole('group', { name: 'Answers to choose from' }).waitFor()
    assert.equal(await button(page, 'May I?', ALLOW).getAttribute('title'), ALLOW.text)
    // Impatiently, and another one at the same time.
    await button(page, 'May I?', ALLOW).evaluate((first) => {
      const last = first.parentElement.lastElementChild
      for (const each of [first, first, last, first]) each.click()
    })
    const { id, seq } = await asked(ALLOW.text)
    assert.match(id, /^press-\d+$/)
    const chosen = [`[${ALLOW.label}]`, ALWAYS.label, DENY.label]
    assert.deepEqual(await used(page, 'May I?'), chosen)
    assert.deepEqual(await used(other, 'May I?'), chosen)
    await page
      .locator(`[data-testid=message][data-from=user][data-seq="${seq}"]`)
      .filter({ hasText: ALLOW.text })
      .waitFor()
    agent.say({ type: 'reply', reply_to: seq, text: 'It is gone.' })
    await said(page, 'It is gone.').waitFor()
    await page.reload()
    await online(page)
    assert.deepEqual(await used(page, 'May I?'), chosen)
    await sleep(200)
    assert.deepEqual([count(ALLOW.text), count(DENY.text)], [1, 0])
    assert.deepEqual([...page.problems, ...other.problems], [])
  })

  await t.test('two of one mind at once: the first one counts, for both', async () => {
    const [page, other] = [await open(), await open()]
    await push('Tea or coffee?', [
      { label: 'Tea', text: 'tea' },
      { label: 'Coffee', text: 'coffee' },
    ])
    const [tea, coffee] = [button(page, 'Tea or', { label: 'Tea' }), button(other, 'Tea or', { label: 'Coffee' })]
    await Promise.all([tea.waitFor(), coffee.waitFor()])
    await Promise.all([tea, coffee].map((each) => each.evaluate((element) => element.click())))
    const first = await until(() => heard.find(({ text }) => ['tea', 'coffee'].includes(text)), 'a press')
    for (const each of [page, other]) {
      await each.locator(`[data-testid=message][data-from=user][data-seq="${first.seq}"]`).waitFor()
      const shown = await used(each, 'Tea or')
      assert.deepEqual(shown, first.text === 'tea' ? ['[Tea]', 'Coffee'] : ['Tea', '[Coffee]'])
    }
    await sleep(200)
    assert.equal(count('tea') + count('coffee'), 1)
  })

  await t.test('each message has its own answer; other words answer all', async () => {
    const page = await open()
    await push('First?', [{ label: 'Yes', text: 'yes 1' }])
    await push('Second?', [{ label: 'Yes', text: 'yes 2' }])
    await push('Third?', [{ label: 'Yes', text: 'yes 3' }])
    await button(page, 'Third?', { label: 'Yes' }).waitFor()
    // By the keyboard alone.
    await button(page, 'Second?', { label: 'Yes' }).press('Enter')
    assert.deepEqual(await used(page, 'Second?'), ['[Yes]'])
    assert.equal(await page.evaluate('document.activeElement.getAttribute("role")'), 'group')
    assert.ok(await button(page, 'First?', { label: 'Yes' }).isEnabled())
    // Said elsewhere, and not by a press.
    const device = await connectDevice(world, world.token)
    device.ask('m-other', 'yes 3', 'web')
    assert.deepEqual(await used(page, 'Third?'), ['[Yes]'])
    assert.ok(await button(page, 'First?', { label: 'Yes' }).isEnabled())
    await ask(page, 'never mind')
    assert.deepEqual(await used(page, 'First?'), ['Yes'])
    await device.close()
    assert.deepEqual(page.problems, [])
  })

  await t.test('every size, theme and language has its screenshot, without a sideways scroll', async () => {
    for (const { seq } of heard) agent.say({ type: 'reply', reply_to: seq, text: 'All right.' })
    const first = await open()
    await push('Run `rm -rf build && npm run build`?', [ALLOW, ALWAYS, DENY])
    await button(first, 'Run', ALLOW).click()
    await push('The backup of `nas` failed: **the disk is full**.', [
      { label: '删掉最旧的 · Delete the oldest', text: 'delete', style: 'danger' },
      { label: 'Ignore', text: 'ignore' },
      { label: '重试 · Retry', text: 'retry', style: 'primary' },
    ])
    await button(first, 'The backup', { label: 'Delete' }).click()
    for (const text of [ALLOW.text, 'delete'])
      agent.say({ type: 'reply', reply_to: (await asked(text)).seq, text: 'Done.' })
    await push('哪一天方便开会？也可以直接回复一个时间。', [
      { label: '星期三下午三点在二楼的大会议室', text: '星期三下午三点' },
      { label: 'Thursday morning at half past nine, by telephone and screen', text: 'thursday' },
      { label: '好', text: '好', style: 'primary' },
      { label: 'Not this week', text: 'none', style: 'danger' },
    ])
    for (const [size, options] of Object.entries(SIZES)) {
      for (const colorScheme of ['light', 'dark']) {
        for (const locale of ['en-GB', 'zh-CN']) {
          const page = await open({ ...options, colorScheme, locale })
          const last = button(page, '哪一天', { label: 'Not this week' })
          await last.waitFor()
          const boxes = await Promise.all((await page.getByTestId('button').all()).map((each) => each.boundingBox()))
          assert.ok(boxes.every(({ height }) => height >= (size === 'phone' ? 44 : 40)))
          assert.equal(await page.evaluate('document.documentElement.scrollWidth - innerWidth'), 0)
          assert.equal(
            await page.evaluate('document.querySelector("[role=region]").scrollWidth'),
            await page.evaluate('document.querySelector("[role=region]").clientWidth'),
          )
          await last.focus()
          await page.screenshot({ path: join(ARTEFACTS, `buttons-${size}-${colorScheme}-${locale.slice(0, 2)}.png`) })
          assert.deepEqual(page.problems, [])
        }
      }
    }
    t.diagnostic(`screenshots are in ${ARTEFACTS}`)
  })

  await t.test('a press while the relay is away waits, and goes out', async () => {
    const page = await open()
    await push('Still there?', [{ label: 'Here', text: 'I am here' }])
    await button(page, 'Still there?', { label: 'Here' }).waitFor()
    await world.kill()
    await page.locator('[data-testid=connection][data-state=offline]').waitFor()
    await button(page, 'Still there?', { label: 'Here' }).click()
    const own = page.locator('[data-testid=message][data-from=user]').last()
    await own.and(page.locator('[data-state=sending]')).filter({ hasText: 'I am here' }).waitFor()
    assert.deepEqual(await used(page, 'Still there?'), ['[Here]'])
    const kept = await page.evaluate('sessionStorage.getItem("claw-relay.unsent")')
    assert.match(JSON.parse(kept).messages[0].id, /^press-\d+$/)
    await world.restart()
    await own.and(page.locator('[data-state=queued]')).filter({ hasText: 'I am here' }).waitFor()
    assert.deepEqual(await used(page, 'Still there?'), ['[Here]'])
  })
})
