// Files beside messages on the page, in Chromium: sent, seen, opened, downloaded, refused.

import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ROOT } from '../../scripts/lib/run.mjs'
import { launchBrowser } from './support/browser.mjs'
import { createAgent, startWorld, until } from './support/world.mjs'

const ARTEFACTS = join(ROOT, 'tests', 'artefacts')
const SIZES = { desktop: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } }
const REPORT = Buffer.from('%PDF-1.7 — not much of a report\n')

test('files on the page', async (t) => {
  const world = await startWorld(t)
  const agent = await connectAgent(world, (await createAgent(world)).key)
  t.after(() => agent.socket.close())
  const browser = await launchBrowser()
  t.after(() => browser.close())
  mkdirSync(ARTEFACTS, { recursive: true })
  const sunset = await paint(browser, 'linear-gradient(120deg, #fbc2eb, #a6c1ee)', 1200, 800)
  const tower = await paint(browser, 'radial-gradient(#fddb92, #d1495b)', 600, 900)

  /** A page that keeps what the console says, and how many uploads were begun. */
  async function open(options = {}) {
    const context = await browser.newContext({ viewport: SIZES.desktop, locale: 'en-GB', ...options })
    t.after(() => context.close())
    const page = await context.newPage()
    Object.assign(page, { problems: [], uploads: 0 })
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) page.problems.push(message.text())
    })
    page.on('pageerror', (error) => page.problems.push(String(error)))
    page.on('request', (request) => {
      if (request.method() === 'POST' && request.url().includes('/v1/files')) page.uploads++
    })
    const { code } = await world.call(world.token, 'POST', '/v1/me/links')
    await page.goto(`${world.url}/#link=${code}`)
    await online(page)
    return page
  }
  const online = (page) => page.locator('[data-testid=connection][data-state=online]').waitFor()
  const choose = (page, ...files) => page.getByTestId('attach-input').setInputFiles(files)
  const uploaded = (page, count) =>
    until(
      async () => (await page.locator('[data-testid=attachment][data-state=done]').count()) === count,
      `${count} files to be uploaded`,
    )
  const lastOwn = (page) => page.locator('[data-testid=message][data-from=user]').last()
  const picture = (name, buffer) => ({ name, mimeType: 'image/png', buffer })
  const report = (name) => ({ name, mimeType: 'application/pdf', buffer: REPORT })

  await t.test('chosen files are sent, seen after a reload, and reach the agent byte for byte', async () => {
    const page = await open()
    await choose(page, picture('sunset 晚霞.png', sunset), report('report.pdf'))
    await uploaded(page, 2)
    await page.getByTestId('composer').fill('look')
    await page.getByTestId('send').click()
    await lastOwn(page).getByTestId('message-text').filter({ hasText: 'look' }).waitFor()
    assert.equal(await page.getByTestId('attachment').count(), 0)
    await page.reload()
    await online(page)
    await shown(lastOwn(page), 'sunset 晚霞.png', 1200)
    assert.match(await page.getByTestId('conversation').first().textContent(), /\[2 files\] look/)
    const asked = await agent.question('look')
    assert.deepEqual(
      asked.files.map(({ name, kind, media_type, bytes }) => [name, kind, media_type, bytes]),
      [
        ['sunset 晚霞.png', 'image', 'image/png', sunset.length],
        ['report.pdf', 'file', 'application/pdf', REPORT.length],
      ],
    )
    assert.deepEqual(await bytesOf(asked.files[0].url), sunset)

    const saving = page.waitForEvent('download')
    await lastOwn(page).locator('[data-testid=file][data-kind=file] a').click()
    const download = await saving
    assert.equal(download.suggestedFilename(), 'report.pdf')
    assert.deepEqual(readFileSync(await download.path()), REPORT)
    assert.deepEqual(page.problems, [])
  })

  await t.test('pasted and dropped files go along, without a word', async () => {
    const page = await open()
    await page.evaluate(pasteIn, ['pasted.png', sunset.toString('base64')])
    await uploaded(page, 1)
    await page.evaluate(dragIn, ['dropped.png', tower.toString('base64'), 'dragenter'])
    await page.getByTestId('drop').waitFor()
    await page.evaluate(dragIn, ['dropped.png', tower.toString('base64'), 'drop'])
    await page.getByTestId('drop').waitFor({ state: 'detached' })
    await uploaded(page, 2)
    await page.getByTestId('composer').press('Enter')
    await shown(lastOwn(page), 'pasted.png', 1200)
    await shown(lastOwn(page), 'dropped.png', 600)
    assert.equal(await lastOwn(page).getByTestId('message-text').count(), 0, 'no empty bubble')
    const asked = await agent.question('')
    assert.equal(asked.files.length, 2)
    await page.locator('[data-testid=conversation]', { hasText: '[2 images]' }).waitFor()
    assert.deepEqual(page.problems, [])
  })

  await t.test('what is too large, empty or one too many is refused in words, and not uploaded', async () => {
    const page = await open()
    const large = join(world.folder, 'film.mov')
    writeFileSync(large, '')
    truncateSync(large, 30_000_001)
    await choose(page, large)
    await page.getByTestId('rejected').filter({ hasText: '“film.mov”' }).filter({ hasText: '30 MB' }).waitFor()
    await choose(page, { name: 'nothing.txt', mimeType: 'text/plain', buffer: Buffer.alloc(0) })
    await page.getByTestId('rejected').filter({ hasText: '“nothing.txt”' }).waitFor()
    assert.equal(await page.getByTestId('rejected').count(), 1)
    assert.equal(page.uploads, 0)
    await choose(page, ...Array.from({ length: 12 }, (_, n) => report(`${n}.pdf`)))
    await page.getByTestId('rejected').filter({ hasText: '10 files at most; 2 not added' }).waitFor()
    await uploaded(page, 10)
    assert.equal(page.uploads, 10)
    assert.deepEqual(page.problems, [])
  })

  await t.test('a message waits for its uploads; what failed can be tried again or taken away', async () => {
    const page = await open()
    let release
    const held = new Promise((resolve) => {
      release = resolve
    })
    await page.route('**/v1/files?name=slow*', async (route) => {
      await held
      await route.continue()
    })
    await page.route('**/v1/files?name=broken*', (route) => route.abort())
    await choose(page, report('slow.pdf'), report('broken.pdf'))
    const broken = page.locator('[data-testid=attachment][data-state=failed]')
    await broken.waitFor()
    assert.match(await broken.textContent(), /cannot be reached/)
    assert.ok(await page.getByTestId('send').isDisabled())
    await broken.getByTestId('attachment-retry').click()
    await broken.waitFor()
    await page.unroute('**/v1/files?name=broken*')
    await broken.getByTestId('attachment-retry').click()
    await uploaded(page, 1)
    await page.getByTestId('composer').fill('when it is there')
    await page.getByTestId('send').click()
    await page.locator('[data-testid=send][data-state=leaving]').waitFor()
    // Whoever goes on writing is not done.
    await page.getByTestId('composer').fill('when it is all there')
    await page.locator('[data-testid=send]:not([data-state])').waitFor()
    await page.getByTestId('send').click()
    assert.equal(await page.getByTestId('message-text').filter({ hasText: 'when it is all there' }).count(), 0)
    release()
    await page.getByTestId('message-text').filter({ hasText: 'when it is all there' }).waitFor()
    const asked = await agent.question('when it is all there')
    assert.deepEqual(
      asked.files.map(({ name }) => name),
      ['slow.pdf', 'broken.pdf'],
    )
    assert.equal(await page.getByTestId('attachment').count(), 0)
  })

  await t.test("an agent's files are shown: pictures, sound, and what can only be saved", async () => {
    const page = await open()
    await page.getByTestId('composer').fill('draw something')
    await page.getByTestId('send').click()
    const asked = await agent.question('draw something')
    const files = [
      await agent.upload('tower.png', 'image/png', tower),
      await agent.upload('sunset.png', 'image/png', sunset),
      await agent.upload('beep.wav', 'audio/wav', beep()),
      await agent.upload('page.html', 'text/html', Buffer.from('<script>document.title = 1</script>')),
    ]
    agent.say({ type: 'reply', reply_to: asked.seq, text: 'Here you **are**:', files })
    const answer = page.locator('[data-testid=message][data-from=agent]').last()
    await answer.locator('strong', { hasText: 'are' }).waitFor()
    await shown(answer, 'tower.png', 600)
    const audio = answer.locator('audio')
    await until(() => audio.evaluate((element) => element.duration > 0.4), 'the sound to be readable')
    const saving = page.waitForEvent('download')
    await answer.locator('[data-testid=file][data-kind=file] a').click()
    assert.equal((await saving).suggestedFilename(), 'page.html')

    // Large, by the keyboard alone; the way out leads back to where one was.
    await answer.getByRole('button', { name: 'Open tower.png' }).press('Enter')
    const viewer = page.getByTestId('viewer')
    await viewer.locator('img[alt="tower.png"]').waitFor()
    await page.keyboard.press('ArrowRight')
    await viewer.locator('img[alt="sunset.png"]').waitFor()
    await page.keyboard.press('Escape')
    await viewer.waitFor({ state: 'detached' })
    assert.equal(await page.evaluate('document.activeElement.getAttribute("aria-label")'), 'Open tower.png')
    assert.deepEqual(page.problems, [])
  })

  await t.test('a file that is gone says so, one that does not come can be tried again', async () => {
    const page = await open()
    let status = 502
    await page.route(/\/v1\/files\/[^?]*$/, (route) => route.fulfill({ status, body: '{}' }))
    await choose(page, picture('later.png', tower))
    await uploaded(page, 1)
    await page.getByTestId('send').click()
    const file = lastOwn(page).getByTestId('file')
    await lastOwn(page).locator('[data-trouble=lost]').waitFor()
    assert.match(await file.textContent(), /Could not be loaded/)
    status = 404
    await file.getByTestId('file-retry').click()
    await lastOwn(page).locator('[data-trouble=gone]').waitFor()
    assert.match(await file.textContent(), /Expired/)
    assert.equal(await file.locator('a').count(), 0, 'nothing to press')
  })

  await t.test('what is written while the relay is away goes out with its files', async () => {
    const page = await open()
    await choose(page, report('kept.pdf'))
    await uploaded(page, 1)
    await world.kill()
    await page.locator('[data-testid=connection][data-state=offline]').waitFor()
    await page.getByTestId('send').click()
    await lastOwn(page).and(page.locator('[data-state=sending]')).filter({ hasText: 'kept.pdf' }).waitFor()
    const kept = await page.evaluate('sessionStorage.getItem("claw-relay.unsent")')
    assert.deepEqual(
      JSON.parse(kept).messages[0].files.map(({ name }) => name),
      ['kept.pdf'],
    )
    await world.restart()
    await lastOwn(page).and(page.locator('[data-state=queued]')).filter({ hasText: 'kept.pdf' }).waitFor()
  })

  await t.test('every size, theme and language has its screenshot, without a sideways scroll', async () => {
    for (const [size, viewport] of Object.entries(SIZES)) {
      for (const colorScheme of ['light', 'dark']) {
        for (const locale of ['en-GB', 'zh-CN']) {
          const page = await open({ viewport, colorScheme, locale })
          await choose(page, picture('a holiday in the mountains 2026.png', sunset), report('报告.pdf'))
          await uploaded(page, 2)
          await page.locator('[data-shown=cropped]').last().waitFor()
          await page.getByTestId('to-end').waitFor({ state: 'detached' })
          assert.equal(await page.evaluate('document.documentElement.scrollWidth - innerWidth'), 0)
          const name = `files-${size}-${colorScheme}-${locale.slice(0, 2)}`
          await page.screenshot({ path: join(ARTEFACTS, `${name}.png`) })
          assert.deepEqual(page.problems, [])
        }
      }
    }
    t.diagnostic(`screenshots are in ${ARTEFACTS}`)
  })
})

/** An agent, written from docs/protocol.md alone: it takes what it is asked, and answers when the test says so. */
async function connectAgent(world, key) {
  const authorization = `Bearer ${key}`
  const socket = new WebSocket(`${world.url.replace('http', 'ws')}/v1/ws`, {
    protocols: 'claw-relay.v1',
    headers: { authorization },
  })
  const questions = []
  const agent = {
    socket,
    say: (frame) => socket.send(JSON.stringify(frame)),
    /** The newest question with this text. */
    question: (text) => until(() => questions.findLast((asked) => asked.text === text), `the question ${text}`),
    async upload(name, type, body) {
      const response = await fetch(`${world.url}/v1/files?name=${encodeURIComponent(name)}`, {
        method: 'POST',
        headers: { authorization, 'content-type': type },
        body,
      })
      assert.equal(response.status, 201)
      return response.json()
    },
  }
  socket.addEventListener('message', ({ data }) => {
    if (data === 'pong') return
    for (const frame of [JSON.parse(data)].flat()) {
      if (frame.type !== 'message') continue
      questions.push(frame)
      agent.say({ type: 'ack', seq: frame.seq })
    }
  })
  await until(() => socket.readyState === WebSocket.OPEN, 'the agent to connect')
  agent.say({ type: 'hello', client: 'e2e' })
  return agent
}

/** Waits for the picture of this name in a message, and checks how wide it is. */
async function shown(message, name, width) {
  const image = message.locator(`img[alt="${name}"]`)
  await until(() => image.evaluate((element) => element.naturalWidth), `the picture ${name}`)
  assert.equal(await image.evaluate((element) => element.naturalWidth), width)
}

async function bytesOf(url) {
  const response = await fetch(url)
  assert.equal(response.status, 200)
  return Buffer.from(await response.arrayBuffer())
}

/** A PNG with this background. */
async function paint(browser, background, width, height) {
  const page = await browser.newPage({ viewport: { width, height } })
  await page.setContent(`<body style="background: ${background}"></body>`)
  const bytes = await page.screenshot()
  await page.close()
  return bytes
}

/** Half a second of sound, as WAV. */
function beep() {
  const [rate, samples] = [8_000, 4_000]
  const bytes = Buffer.alloc(44 + samples, 128)
  bytes.write('RIFF', 0)
  bytes.writeUInt32LE(36 + samples, 4)
  bytes.write('WAVEfmt ', 8)
  bytes.writeUInt32LE(16, 16)
  bytes.writeUInt16LE(1, 20)
  bytes.writeUInt16LE(1, 22)
  bytes.writeUInt32LE(rate, 24)
  bytes.writeUInt32LE(rate, 28)
  bytes.writeUInt16LE(1, 32)
  bytes.writeUInt16LE(8, 34)
  bytes.write('data', 36)
  bytes.writeUInt32LE(samples, 40)
  for (let at = 0; at < samples; at++) bytes[44 + at] = 128 + Math.round(60 * Math.sin(at / 3))
  return bytes
}

/** In the page: pastes a picture. */
function pasteIn([name, base64]) {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))
  const clipboardData = new DataTransfer()
  clipboardData.items.add(new File([bytes], name, { type: 'image/png' }))
  const paste = new ClipboardEvent('paste', { bubbles: true, cancelable: true, clipboardData })
  document.querySelector('[data-testid=composer]').dispatchEvent(paste)
}

/** In the page: one step of dragging a picture over the messages. */
function dragIn([name, base64, step]) {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))
  const dataTransfer = new DataTransfer()
  dataTransfer.items.add(new File([bytes], name, { type: 'image/png' }))
  const drag = new DragEvent(step, { bubbles: true, cancelable: true, dataTransfer })
  document.querySelector('[role=log]').dispatchEvent(drag)
}
