// The page itself, in Chromium, through the link that `npm start` prints.

import assert from 'node:assert/strict'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { AGENT } from '../../scripts/lib/build.mjs'
import { startDemo } from '../../scripts/lib/demo.mjs'
import { startRelay } from '../../scripts/lib/relay.mjs'
import { ROOT } from '../../scripts/lib/run.mjs'
import { launchBrowser } from './support/browser.mjs'
import { messageEvent } from './support/feishu.mjs'
import { freePort } from './support/server.mjs'
import { createAgent, scratch, startFeishuWorld, until } from './support/world.mjs'

const ARTEFACTS = join(ROOT, 'tests', 'artefacts')
const SIZES = { desktop: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } }

test('the page', async (t) => {
  const [port, folder] = [await freePort(), scratch()]
  const demo = await startDemo({ port, folder, agent: AGENT })
  t.after(() => demo.stop())
  const browser = await launchBrowser()
  t.after(() => browser.close())
  mkdirSync(ARTEFACTS, { recursive: true })

  /** Opens a page of its own that keeps what the console says. */
  async function open(link, { ours = demo.relay.url, ...options } = {}) {
    const context = await browser.newContext({ viewport: SIZES.desktop, locale: 'en-GB', ...options })
    t.after(() => context.close())
    const page = await context.newPage()
    page.problems = []
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) page.problems.push(message.text())
    })
    page.on('pageerror', (error) => page.problems.push(String(error)))
    page.on('request', (request) => {
      if (!request.url().startsWith(ours)) page.problems.push(`a request to elsewhere: ${request.url()}`)
    })
    await page.goto(link)
    return page
  }
  const online = (page) => page.locator('[data-testid=connection][data-state=online]').waitFor()
  const ask = async (page, text) => {
    await page.getByTestId('composer').fill(text)
    await page.getByTestId('send').click()
  }
  const answers = (page) => page.locator('[data-testid=message][data-from=agent]')
  const streaming = (page) => page.locator('[data-testid=message][data-streaming=true]')

  await t.test('send, watch the answer grow, reload in the middle, read the whole', async () => {
    const page = await open(demo.link)
    await online(page)
    assert.ok(!page.url().includes('link'), 'the link does not stay in the address')
    const words = Array.from({ length: 250 }, (_, n) => `word${n}`).join(' ')
    await ask(page, words)
    await streaming(page).waitFor()
    const text = () => streaming(page).getByTestId('message-text').textContent()
    const first = await text()
    await until(async () => (await text()).length > first.length, 'the answer to grow')
    await page.reload()
    await online(page)
    await streaming(page).waitFor()
    const resumed = await text()
    assert.ok(
      resumed.startsWith('echo: word0') && resumed.length >= first.length,
      'the stream so far is there after a reload',
    )
    const final = answers(page).filter({ has: page.locator('[data-testid=message-text]', { hasText: 'word249' }) })
    await final.and(page.locator('[data-streaming=false], :not([data-streaming])')).waitFor()
    assert.equal((await answers(page).getByTestId('message-text').textContent()).trim(), `echo: ${words}`)
    await page.locator('[data-testid=message][data-from=user][data-state=replied]').waitFor()
    assert.equal(await answers(page).count(), 1)
    assert.deepEqual(page.problems, [])
  })

  await t.test('a second device is live, and the state of a message is shown', async () => {
    const [one, two] = [await open(demo.link), await open(demo.link, { viewport: SIZES.phone })]
    await Promise.all([online(one), online(two)])
    await ask(one, 'seen on both')
    for (const page of [one, two]) {
      await page.locator('[data-testid=message-text]', { hasText: 'echo: seen on both' }).waitFor()
      await page.locator('[data-from=user][data-state=replied]', { hasText: 'seen on both' }).waitFor()
    }
    assert.deepEqual([one.problems, two.problems], [[], []])
  })

  await t.test('every state of a message is shown, and why it failed', async (t) => {
    const world = await startFeishuWorld(t, { delayMs: 300 })
    const agent = await createAgent(world)
    const { code } = await world.call(world.token, 'POST', '/v1/me/links')
    const page = await open(`${world.url}/#link=${code}`, { ours: world.url })
    await online(page)
    const state = (name) => page.locator(`[data-testid=message][data-from=user][data-state=${name}]`)
    await ask(page, 'is anybody there')
    await state('queued').waitFor()
    // The agent takes it, and its model thinks for a while before the first word.
    world.model.thinkMs = 1500
    const running = agent.start()
    await state('delivered').waitFor()
    await state('replying').waitFor()
    await state('replied').waitFor()
    await running.kill()
    // A model server that answers 404.
    agent.start(['--backend', 'openai', '--openai-url', `${world.model.url}/nowhere`, '--openai-model', 'fake-1'])
    await ask(page, 'will fail')
    await state('failed').waitFor()
    assert.match(await state('failed').textContent(), /404/)
    // Asked again, it is a new question, and fails again; its button is pressed twice, and counts once.
    const again = state('failed').getByTestId('ask-again')
    await again.dblclick()
    await until(async () => (await state('failed').count()) === 2, 'the question to be asked again')
    // A model that takes its time is stopped: what was there stays.
    world.children.at(-1).kill()
    world.model.thinkMs = 0
    const slow = agent.start()
    await slow.connected()
    await ask(page, Array.from({ length: 60 }, (_, n) => `word${n}`).join(' '))
    await state('replying').waitFor()
    await streaming(page).getByTestId('message-text').filter({ hasText: 'word3' }).waitFor()
    await page.getByTestId('stop').click()
    await page.getByTestId('message-text').filter({ hasText: '已停止 · stopped' }).waitFor()
    await until(() => world.model.streaming === 0, 'the model to be left alone')
    assert.equal(await page.getByTestId('stop').count(), 0)
    // A command is completed from the list, and answered by the relay.
    await page.getByTestId('composer').fill('/sta')
    await page.getByTestId('commands').waitFor()
    await page.getByTestId('composer').press('Enter')
    await page.getByTestId('composer').press('Enter')
    await page.locator('[data-testid=message][data-from=relay]', { hasText: 'dead letters: 1' }).waitFor()
    await world.webhook(messageEvent('om_1', 'written in Feishu'))
    await page.locator('[data-testid=conversation]', { hasText: 'written in Feishu' }).waitFor()
    for (const [size, viewport] of Object.entries(SIZES)) {
      await page.setViewportSize(viewport)
      await page.screenshot({ path: join(ARTEFACTS, `states-${size}.png`) })
    }
    assert.deepEqual(page.problems, [])
  })

  await t.test('text is text: markup in a message or an answer does nothing', async () => {
    const page = await open(demo.link)
    await online(page)
    await ask(page, '<img src=x onerror="document.title=1"> [link](javascript:alert(1)) **bold**')
    const answer = answers(page).last().getByTestId('message-text')
    await answer.locator('strong', { hasText: 'bold' }).waitFor()
    assert.equal(await answer.locator('img, a[href^=javascript]').count(), 0)
    assert.notEqual(await page.title(), '1')
    assert.deepEqual(page.problems, [])
  })

  await t.test('without a sign-in the page says how to get one', async () => {
    const page = await open(demo.relay.url)
    await page.getByTestId('signed-out').waitFor()
    await page.getByTestId('to-link').click()
    assert.match(await page.getByTestId('signed-out').textContent(), /npm start/)
  })

  await t.test('every size, theme and language has its screenshot, without a sideways scroll', async () => {
    for (const [size, viewport] of Object.entries(SIZES)) {
      for (const colorScheme of ['light', 'dark']) {
        for (const locale of ['en-GB', 'zh-CN']) {
          const page = await open(demo.link, { viewport, colorScheme, locale })
          await online(page)
          await page.locator('[data-testid=message-text]', { hasText: 'echo: seen on both' }).waitFor()
          assert.equal(await page.evaluate('document.documentElement.scrollWidth - innerWidth'), 0)
          await page.screenshot({ path: join(ARTEFACTS, `chat-${size}-${colorScheme}-${locale.slice(0, 2)}.png`) })
          assert.deepEqual(page.problems, [])
        }
      }
    }
    t.diagnostic(`screenshots are in ${ARTEFACTS}`)
  })

  await t.test('a page that loses the relay says so, and goes on when it is back', async () => {
    const page = await open(demo.link)
    await online(page)
    await demo.relay.kill()
    await page.locator('[data-testid=connection][data-state=offline]').waitFor()
    await ask(page, 'written while away')
    await page.locator('[data-from=user][data-state=sending]', { hasText: 'written while away' }).waitFor()
    // A reload while the relay is away shows nothing; what was written is still there when it is back.
    page.on('dialog', (dialog) => dialog.accept())
    await assert.rejects(page.reload())
    const kept = (name) => readFileSync(join(folder, name), 'utf8')
    const secrets = { SIGNING_KEY: kept('signing-key'), SEALING_KEY: kept('sealing-key'), OPERATOR_TOKEN: 'spent' }
    const relay = await startRelay({ port, folder: join(folder, 'relay'), secrets })
    t.after(() => relay.stop())
    await until(() => goes(page, relay.url), 'the page to load')
    await page.locator('[data-testid=message-text]', { hasText: 'echo: written while away' }).waitFor()
    assert.equal(await page.locator('[data-from=user]', { hasText: 'written while away' }).count(), 1)
  })
})

/** Goes there; false when Chromium's error page, which reloads itself, got in the way. */
async function goes(page, url) {
  try {
    await page.goto(url)
    return true
  } catch (error) {
    if (/interrupted by another navigation|ERR_ABORTED/.test(error.message)) return false
    throw error
  }
}
