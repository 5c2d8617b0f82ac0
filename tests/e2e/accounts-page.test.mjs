// The account side of the page, in Chromium, before a mock relay that answers as the HTTP API of accounts does.

import assert from 'node:assert/strict'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ROOT } from '../../scripts/lib/run.mjs'
import { startMock } from '../../web/test/mock/relay.mjs'
import { launchBrowser } from './support/browser.mjs'
import { until } from './support/world.mjs'

const ARTEFACTS = join(ROOT, 'tests', 'artefacts', 'accounts')
const SIZES = { desktop: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } }
const PASSWORD = 'correct horse battery'
const MAC = 'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 Chrome/142.0 Safari/537.36'
const IPHONE =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1 Version/19.0 Mobile/15E148 Safari/604.1'

test('the account pages', async (t) => {
  const browser = await launchBrowser()
  t.after(() => browser.close())
  mkdirSync(ARTEFACTS, { recursive: true })

  async function world(t, options) {
    const mock = await startMock(options)
    t.after(async () => {
      await mock.close()
      assert.deepEqual(mock.faults, [], 'the page asks only what the API has')
    })
    return mock
  }

  /** `frames` are what the relay says at once. */
  async function context(t, { frames = [], ...options } = {}) {
    const made = await browser.newContext({ viewport: SIZES.desktop, locale: 'en-GB', ...options })
    t.after(() => made.close())
    made.sockets = []
    await made.routeWebSocket(/\/v1\/ws/, (socket) => {
      made.sockets.push(socket)
      socket.onMessage((text) => {
        if (text === 'ping') return socket.send('pong')
        if (JSON.parse(text).type !== 'hello') return
        const resumed = { outcome: 'started', after: 0 }
        socket.send(
          JSON.stringify({ type: 'welcome', user: 'usr_1', cursor: '1.0', resumed, window: 256, ping_ms: 30000 }),
        )
        socket.send(JSON.stringify({ type: 'presence', agents: [{ id: 'agt_1', name: 'laptop', online: true }] }))
        for (const frame of frames) socket.send(JSON.stringify(frame))
      })
    })
    await made.addInitScript(watchShifts)
    return made
  }

  /** A page of this context that keeps what the console says, except what `expected` announces. */
  async function open(context, address, expected = /status of (400|401|403|404|409|422|429)/) {
    const page = await context.newPage()
    page.problems = []
    page.on('console', (message) => {
      const isExpected = expected.test(message.text())
      if (['error', 'warning'].includes(message.type()) && !isExpected) page.problems.push(message.text())
    })
    page.on('pageerror', (error) => page.problems.push(String(error)))
    await page.goto(address)
    return page
  }

  const chat = (page) => page.getByTestId('connection').waitFor()
  const heading = (page, text) => page.getByTestId('heading').filter({ hasText: text }).waitFor()
  const shoot = async (page, name) => {
    await page.screenshot({ path: join(ARTEFACTS, `${name}.png`), animations: 'disabled' })
    assert.equal(
      await page.evaluate('document.documentElement.scrollWidth - innerWidth'),
      0,
      `${name} scrolls sideways`,
    )
  }
  const signedIn = async (t, mock, user, options) => {
    const made = await context(t, options)
    const page = await open(made, `${mock.url}/#link=${mock.addLink(user.id)}`)
    await chat(page)
    return page
  }
  const leaveAndComeBack = async (page) => {
    await page.reload()
    await chat(page)
  }

  await t.test('a link signs in, leaves the address, and the session outlives a reload and a second tab', async (t) => {
    const mock = await world(t)
    const made = await context(t)
    const code = mock.addLink(mock.addUser('Ada').id)
    const page = await open(made, `${mock.url}/#link=${code}`)
    await chat(page)
    assert.ok(!page.url().includes(code))
    const kept = await page.evaluate(() => JSON.stringify(localStorage))
    assert.ok(!kept.includes('access_'), 'the access token is not stored')
    await leaveAndComeBack(page)
    const other = await open(made, mock.url)
    await chat(other)
    assert.equal(mock.sessions.size, 1)
    // The same link again: it was for one use.
    const third = await open(await context(t), `${mock.url}/#link=${code}`)
    await third.getByTestId('arrival-problem').waitFor()
    assert.deepEqual([page.problems, other.problems, third.problems], [[], [], []])
  })

  await t.test(
    'a second link takes the place of the first sign-in, and says so when it is another account',
    async (t) => {
      const mock = await world(t)
      const [ada, bob] = [mock.addUser('Ada'), mock.addUser('Bob')]
      const page = await signedIn(t, mock, ada)
      const again = async (user) => {
        await page.goto(`${mock.url}/#link=${mock.addLink(user.id)}`)
        await until(
          () => [...mock.sessions.values()].some((row) => row.user === user.id && row.id !== first),
          'another session',
        )
        await chat(page)
      }
      const [first] = mock.sessions.keys()
      await again(ada)
      await until(() => mock.sessions.size === 1, 'the first session to end')
      assert.equal(await page.getByTestId('other-account').count(), 0)
      await again(bob)
      await page.getByTestId('other-account').filter({ hasText: 'Bob' }).waitFor()
      await shoot(page, 'other-account')
      await until(() => mock.sessions.size === 1, 'the session of the other account to end')
      await page.getByTestId('other-account').getByRole('button').click()
      await page.getByTestId('other-account').waitFor({ state: 'detached' })
      assert.deepEqual(page.problems, [])
    },
  )

  await t.test(
    'how to sign in did not load: the form is there all the same, and a second try brings the rest',
    async (t) => {
      const mock = await world(t, { signUp: 'open' })
      mock.forced.set('GET /v1/auth/methods', { status: 503, json: { type: '/errors/unavailable' } })
      const page = await open(await context(t), mock.url, /status of 503/)
      await page.getByTestId('login').waitFor()
      assert.equal(await page.getByTestId('to-register').count(), 0)
      mock.forced.clear()
      await page.getByTestId('retry').click()
      await page.getByTestId('to-register').click()
      assert.equal(await page.getByTestId('closed').count(), 0)
      assert.deepEqual(page.problems, [])
    },
  )

  await t.test('a token that ran out is replaced without a word; tabs that wake together stay signed in', async (t) => {
    const mock = await world(t)
    const made = await context(t)
    const page = await open(made, `${mock.url}/#link=${mock.addLink(mock.addUser('Ada').id)}`)
    await chat(page)
    const tabs = [page]
    for (let n = 0; n < 3; n++) tabs.push(await open(made, mock.url))
    await Promise.all(tabs.map(chat))
    mock.access.clear()
    await Promise.all(tabs.map((tab) => tab.evaluate(() => (location.hash = '#/settings/devices'))))
    await Promise.all(tabs.map((tab) => tab.getByTestId('session').waitFor()))
    assert.equal(mock.sessions.size, 1)
    assert.equal(mock.reused, 0, 'each tab used the token that the one before had left')
  })

  await t.test('an ended session signs out every tab and says why; signing out ends it at the relay', async (t) => {
    const mock = await world(t)
    const ada = mock.addUser('Ada', { login: 'ada@example.com', password: PASSWORD })
    const made = await context(t)
    const page = await open(made, `${mock.url}/#link=${mock.addLink(ada.id)}`)
    await chat(page)
    const other = await open(made, mock.url)
    await chat(other)
    await until(() => mock.asked.filter((name) => name === 'GET /v1/conversations').length === 2, 'both to be at rest')
    mock.endSessionsOf(ada.id)
    mock.access.clear()
    await page.getByTestId('to-settings').click()
    await page.locator('[data-testid=signed-out][data-why=revoked]').waitFor()
    await other.locator('[data-testid=signed-out][data-why=elsewhere]').waitFor()
    await shoot(page, 'sign-in-revoked')
    await page.getByTestId('login').fill('ada@example.com')
    await page.getByTestId('password').fill(PASSWORD)
    await page.getByTestId('sign-in').click()
    await heading(page, 'Profile')
    await chat(other)
    await page.getByTestId('sign-out').dblclick()
    await page.locator('[data-testid=signed-out][data-why=new]').waitFor()
    await until(() => mock.sessions.size === 0, 'the session to end')
    assert.deepEqual([page.problems, other.problems], [[], []])
  })

  await t.test('a session that is ended elsewhere signs out at once, wherever its page is', async (t) => {
    const mock = await world(t)
    const ada = mock.addUser('Ada')
    const page = await signedIn(t, mock, ada)
    await until(() => mock.asked.includes('GET /v1/conversations'), 'the page to be at rest')
    mock.endSessionsOf(ada.id)
    await page.context().sockets.at(-1).close({ code: 4401 })
    await page.locator('[data-testid=signed-out][data-why=revoked]').waitFor()
    assert.deepEqual(page.problems, [])
  })

  await t.test('a link that does not work says so to whoever is signed in, and is forgotten', async (t) => {
    const mock = await world(t)
    const page = await signedIn(t, mock, mock.addUser('Ada'))
    await page.goto(`${mock.url}/#link=used-before`)
    await page.getByTestId('arrival-failed').filter({ hasText: 'you are still here as Ada' }).waitFor()
    await chat(page)
    await shoot(page, 'link-failed')
    await page.getByTestId('arrival-failed').getByRole('button').click()
    await page.getByTestId('arrival-failed').waitFor({ state: 'detached' })
    assert.deepEqual(page.problems, [])
  })

  await t.test('a reload keeps what was begun, and asks before it loses files', async (t) => {
    const mock = await world(t)
    const page = await signedIn(t, mock, mock.addUser('Ada'))
    const composer = page.getByTestId('composer')
    await composer.fill('写到一半')
    await page.reload()
    await chat(page)
    assert.equal(await composer.inputValue(), '写到一半')
    // Back from elsewhere the keyboard is where it was.
    await page.getByTestId('to-settings').click()
    await heading(page, 'Profile')
    await page.getByTestId('to-chat').click()
    await until(() => composer.evaluate((field) => field === document.activeElement), 'the keyboard')
    await page.keyboard.type('…')
    assert.equal(await composer.inputValue(), '写到一半…')
    // Signed out by hand, nothing is left for the next one.
    await page.getByTestId('to-settings').click()
    await page.getByTestId('sign-out').dblclick()
    await page.locator('[data-testid=signed-out]').waitFor()
    assert.equal(await page.evaluate(() => sessionStorage.getItem('claw-relay.place')), null)
    assert.deepEqual(page.problems, [])
  })

  await t.test('a password that is wrong, and tries that are too many', async (t) => {
    const mock = await world(t)
    mock.addUser('Ada', { login: 'ada@example.com', password: PASSWORD })
    const page = await open(await context(t), mock.url)
    await page.getByTestId('login').fill('ada@example.com')
    await page.getByTestId('password').fill('not this one at all')
    await page.getByTestId('sign-in').press('Enter')
    await page.getByTestId('password-form').filter({ hasText: 'Wrong account or password' }).waitFor()
    await shoot(page, 'sign-in-wrong')
    mock.forced.set('POST /v1/auth/login', {
      status: 429,
      headers: { 'retry-after': '240' },
      json: { type: '/errors/too_many_requests' },
    })
    await page.getByTestId('sign-in').click()
    await page.getByTestId('password-form').filter({ hasText: 'wait 4 min' }).waitFor()
    assert.deepEqual(page.problems, [])
  })

  await t.test('the first one is asked for the operator token, and then for a password', async (t) => {
    const mock = await world(t, { isNew: true })
    const page = await open(await context(t), mock.url)
    await page.getByTestId('operator-token').fill('guess')
    await page.getByTestId('sign-in').click()
    await page.getByText('This token is wrong or was used already.').waitFor()
    await shoot(page, 'first-run')
    await page.getByTestId('operator-token').fill(mock.operatorToken)
    await page.getByTestId('sign-in').click()
    await heading(page, 'Profile')
    const form = page.getByTestId('password-form')
    await form.getByTestId('login').fill('root@example.com')
    await form.getByTestId('next').fill('short')
    await form.getByTestId('save-password').click()
    await form.getByText('7 characters to go.').waitFor()
    await form.getByTestId('next').fill(PASSWORD)
    await form.getByTestId('save-password').click()
    await form.getByText('Password saved').waitFor()
    assert.equal(mock.logins.get('root@example.com').password, PASSWORD)
    assert.deepEqual(page.problems, [])
  })

  await t.test('closed to strangers, open to the invited', async (t) => {
    const mock = await world(t)
    mock.invitations.set('inv-code', { id: 'inv_1', role: 'user', uses: 1, expires_ms: Date.now() + 1e9 })
    const page = await open(await context(t), mock.url)
    await page.getByTestId('to-register').click()
    await page.getByTestId('closed').waitFor()
    await shoot(page, 'register-closed')
    await page.goto(`${mock.url}/?invitation=inv-code`)
    await page.getByTestId('register-form').waitFor()
    assert.equal(page.url(), `${mock.url}/`)
    assert.equal(await page.getByTestId('invitation').inputValue(), 'inv-code')
    await page.getByTestId('name').fill('Grace')
    await page.getByTestId('login').fill('no address')
    await page.getByTestId('password').fill('short')
    await page.getByTestId('register').click()
    await page.getByText('Please enter an e-mail address').waitFor()
    await shoot(page, 'register-problems')
    await page.getByTestId('login').fill('grace@example.com')
    await page.getByTestId('password').fill(PASSWORD)
    await page.getByTestId('register').click()
    await chat(page)
    assert.equal(mock.invitations.get('inv-code').uses, 0)
    assert.deepEqual(page.problems, [])
  })

  await t.test('another sign-in page, and back with a verifier that never left this tab', async (t) => {
    const mock = await world(t)
    mock.providers.set('acme', { id: 'acme', kind: 'feishu', app_id: 'cli_1', app_secret: 's' })
    mock.providers.set('corp', { id: 'corp', kind: 'wecom', app_id: 'ww1', app_secret: 's' })
    const page = await open(await context(t), mock.url)
    await page.getByTestId('provider-acme').waitFor()
    await shoot(page, 'sign-in-providers')
    await page.getByTestId('provider-acme').click()
    await chat(page)
    assert.equal(page.url(), `${mock.url}/`)
    assert.ok(mock.asked.includes('POST /v1/auth/oauth/acme/finish'))
    const other = await open(await context(t), `${mock.url}/?code=c1&state=stolen`)
    await other.getByText('was begun in another tab').waitFor()
    const stranger = await open(await context(t), mock.url)
    mock.forced.set('POST /v1/auth/oauth/corp/finish', { status: 403, json: { type: '/errors/forbidden' } })
    await stranger.getByTestId('provider-corp').click()
    await stranger.getByTestId('arrival-problem').filter({ hasText: 'by invitation only' }).waitFor()
    await shoot(stranger, 'sign-in-refused')
    assert.deepEqual([page.problems, other.problems, stranger.problems], [[], [], []])
  })

  await t.test('a pairing link waits for the sign-in, asks, and connects', async (t) => {
    const mock = await world(t)
    const ada = mock.addUser('Ada', { login: 'ada@example.com', password: PASSWORD })
    mock.addPairing('K7PM-3XQD')
    const page = await open(await context(t), `${mock.url}/?pair=k7pm-3xqd`)
    await page.getByTestId('pair-waiting').filter({ hasText: 'K7PM-3XQD' }).waitFor()
    assert.equal(await page.getByTestId('qr').getAttribute('data-text'), `${mock.url}/?pair=K7PM-3XQD`)
    await shoot(page, 'pairing-before-sign-in')
    await page.getByTestId('login').fill('ada@example.com')
    await page.getByTestId('password').fill(PASSWORD)
    await page.getByTestId('sign-in').click()
    await page.getByTestId('pair-as').filter({ hasText: ada.id }).waitFor()
    assert.equal(mock.pairings.size, 1, 'nothing is connected without a yes')
    await shoot(page, 'pairing-confirm')
    await page.getByTestId('confirm').click()
    await page.getByTestId('paired').filter({ hasText: 'Feishu · main' }).waitFor()
    await page.getByTestId('identity').waitFor()
    // Once more by hand, in any spelling: it is spent.
    await page.getByTestId('pairing-code').fill('k7pm 3xqd')
    await page.getByTestId('pair').click()
    await page.getByTestId('confirm').click()
    await page.getByText('There is no such code').waitFor()
    await page.getByTestId('pairing-code').fill('abc')
    await page.getByTestId('pair').click()
    await page.getByText('A pairing code has 8 letters').waitFor()
    // Push off and on, then apart.
    await page.getByTestId('push').click()
    await until(() => [...mock.identities.values()][0].push === false, 'push to be off')
    await until(async () => !(await page.getByRole('switch').isChecked()), 'the switch to follow')
    await page.getByTestId('unbind').click()
    await page.getByTestId('confirm').click()
    await page.getByText('No chat account is connected yet.').waitFor()
    assert.deepEqual(page.problems, [])
  })

  await t.test('profile, password, devices and the link for another one', async (t) => {
    const mock = await world(t)
    const ada = mock.addUser('Ada', { login: 'ada@example.com', password: PASSWORD })
    mock.signIn(ada, IPHONE)
    mock.signIn(ada, 'claw-relay mini program 0.1.0')
    const page = await signedIn(t, mock, ada, { userAgent: MAC })
    await page.getByTestId('to-settings').click()
    await page.getByTestId('name').fill('Ada Lovelace')
    await page.getByTestId('save-name').click()
    await page.getByText('Saved', { exact: true }).waitFor()
    const form = page.getByTestId('password-form')
    await form.getByTestId('current').fill('wrong, I am afraid')
    await form.getByTestId('next').fill(`${PASSWORD} staple`)
    await form.getByTestId('save-password').click()
    await form.getByText('The current password is wrong.').waitFor()
    await page.getByTestId('section-devices').click()
    await until(async () => (await page.getByTestId('session').count()) === 3, 'three sessions')
    await page.getByTestId('end').first().click()
    await page.getByTestId('confirm').click()
    await until(async () => (await page.getByTestId('session').count()) === 2, 'one session less')
    await page.getByTestId('end-others').click()
    await page.getByTestId('confirm').click()
    await until(() => mock.sessions.size === 1, 'the others to end')
    await page.getByTestId('new-link').click()
    const link = await page.getByTestId('copy-text').textContent()
    assert.equal(await page.getByTestId('qr').getAttribute('data-text'), link)
    await shoot(page, 'device-link')
    const phone = await open(await context(t, { viewport: SIZES.phone, userAgent: IPHONE }), link)
    await chat(phone)
    await page.getByTestId('dialog-close').click()
    await page.getByTestId('session').filter({ hasText: 'iPhone' }).waitFor()
    assert.deepEqual([page.problems, phone.problems], [[], []])
  })

  await t.test('an agent, its key shown once with the command that uses it, and the end of both', async (t) => {
    const mock = await world(t)
    const ada = mock.addUser('Ada')
    const made = await context(t, { permissions: ['clipboard-read', 'clipboard-write'] })
    const page = await open(made, `${mock.url}/#link=${mock.addLink(ada.id)}`)
    await chat(page)
    await page.goto(`${mock.url}/#/settings/agents`)
    await page.getByTestId('nothing').waitFor()
    await shoot(page, 'agents-empty')
    await page.getByTestId('new-agent').click()
    await page.getByTestId('agent-name').fill('laptop')
    await page.getByTestId('confirm').click()
    // A new agent needs a key: that comes by itself.
    await page.getByTestId('key-name').fill('under the desk')
    await page.getByTestId('scope-egress').check()
    await shoot(page, 'key-scopes')
    await page.getByTestId('confirm').click()
    const command = page.getByTestId('command').getByTestId('copy-text')
    assert.match(
      await command.textContent(),
      /^CLAW_AGENT_KEY=key_\S+ claw-agent run --relay http:\/\/127\.0\.0\.1:\d+$/,
    )
    await page.getByTestId('command').getByTestId('copy').click()
    await until(
      async () => (await page.evaluate(() => navigator.clipboard.readText())) === (await command.textContent()),
      'the command on the clipboard',
    )
    await shoot(page, 'key-once')
    await page.keyboard.press('Escape')
    await page.getByTestId('key-done').click()
    const key = page.getByTestId('key')
    await key.filter({ hasText: 'under the desk' }).waitFor()
    const before = await key.getAttribute('data-id')
    await page.getByTestId('rotate-key').click()
    await page.getByTestId('confirm').click()
    // However often one presses Escape: it is shown once.
    const keyText = page.getByTestId('key-text')
    await keyText.waitFor()
    await page.keyboard.press('Escape')
    await page.keyboard.press('Escape')
    await page.keyboard.press('Escape')
    assert.ok(await keyText.isVisible())
    // Where there is no clipboard API, as over plain HTTP in a LAN, it is copied all the same …
    await page.evaluate(() => {
      Object.defineProperty(navigator, 'clipboard', { value: undefined, configurable: true })
    })
    await keyText.getByTestId('copy').click()
    await keyText.getByRole('status').filter({ hasText: 'Copied' }).waitFor()
    await page.evaluate(() => delete navigator.clipboard)
    assert.equal(
      await page.evaluate(() => navigator.clipboard.readText()),
      await keyText.getByTestId('copy-text').textContent(),
    )
    // … and what the browser forbids is said, and marked.
    await page.evaluate(() => {
      const refuse = () => Promise.reject(new Error('NotAllowedError'))
      Object.defineProperty(navigator, 'clipboard', { value: { writeText: refuse }, configurable: true })
      document.execCommand = () => false
    })
    await keyText.getByTestId('copy').click()
    await keyText.getByTestId('copy-refused').waitFor()
    assert.equal(
      await page.evaluate(() => String(getSelection())),
      await keyText.getByTestId('copy-text').textContent(),
    )
    await shoot(page, 'copy-refused')
    await page.getByTestId('key-done').click()
    await until(async () => (await key.getAttribute('data-id')) !== before, 'another key')
    await page.getByTestId('revoke-key').click()
    await page.getByTestId('confirm').click()
    await page.getByText('this agent cannot connect').waitFor()
    await page.getByTestId('rename-agent').click()
    await page.getByTestId('agent-name').fill('desktop')
    await page.getByTestId('confirm').click()
    await page.getByTestId('agent').filter({ hasText: 'desktop' }).waitFor()
    await page.getByTestId('remove-agent').click()
    await page.getByTestId('confirm').click()
    await page.getByTestId('nothing').waitFor()
    assert.deepEqual(page.problems, [])
  })

  await t.test('everything is taken along, and then gone', async (t) => {
    const mock = await world(t)
    const ada = mock.addUser('Ada')
    const page = await signedIn(t, mock, ada)
    await page.goto(`${mock.url}/#/settings/data`)
    const [file] = await Promise.all([page.waitForEvent('download'), page.getByTestId('export').click()])
    assert.equal(JSON.parse(readFileSync(await file.path(), 'utf8')).user.id, ada.id)
    await page.getByTestId('delete-account').click()
    assert.ok(await page.getByTestId('confirm').isDisabled())
    await page.getByTestId('confirm-words').fill('Ada')
    await page.getByTestId('confirm').click()
    await page.locator('[data-testid=signed-out][data-why=deleted]').waitFor()
    assert.ok(!mock.users.has(ada.id))
    assert.deepEqual(page.problems, [])
  })

  await t.test('what did not load says so, and comes on a second try', async (t) => {
    const mock = await world(t)
    const page = await signedIn(t, mock, mock.addUser('Ada'))
    page.problems.length = 0
    mock.forced.set('GET /v1/agents', { status: 503, json: { type: '/errors/unavailable' } })
    await page.goto(`${mock.url}/#/settings/agents`)
    await page.getByText('The relay has a problem (503)').waitFor()
    await shoot(page, 'load-failed')
    mock.forced.clear()
    await page.getByTestId('retry').click()
    await page.getByTestId('nothing').waitFor()
  })

  await t.test('the chat goes on below the settings, and its place is kept', async (t) => {
    const mock = await world(t)
    const page = await signedIn(t, mock, mock.addUser('Ada'))
    await page.getByTestId('composer').fill('half a sentence')
    const tickets = () => mock.asked.filter((name) => name === 'POST /v1/tickets').length
    await until(() => tickets() > 0, 'the connection to be asked for')
    const before = tickets()
    await page.getByTestId('to-settings').click()
    await heading(page, 'Profile')
    assert.ok(!(await page.getByTestId('composer').isVisible()))
    await page.getByTestId('to-chat').click()
    assert.equal(await page.getByTestId('composer').inputValue(), 'half a sentence')
    assert.equal(tickets(), before)
    // No operator: the console is not there, not even by its address.
    assert.equal(await page.getByTestId('to-console').count(), 0)
    await page.goto(`${mock.url}/#/console/users`)
    assert.ok(await page.getByTestId('composer').isVisible())
    assert.ok(!mock.asked.some((name) => name.includes('/v1/admin/')))
    assert.deepEqual(page.problems, [])
  })

  await t.test('the console: a bot, its rules and lists', async (t) => {
    const mock = await world(t)
    const root = mock.addUser('Root', { role: 'operator' })
    const laptop = mock.addAgent(root.id, 'laptop')
    const page = await signedIn(t, mock, root)
    await page.getByTestId('to-console').click()
    await page.getByTestId('nothing').waitFor()
    await page.getByTestId('new-account').click()
    await page.getByTestId('on-feishu').click()
    // Nothing is asked of the relay while something is missing; the first of it gets the keyboard.
    await page.getByTestId('confirm').click()
    assert.equal(await page.locator('[aria-invalid=true]').count(), 3)
    assert.ok(await page.getByTestId('app-id').evaluate((field) => field === document.activeElement))
    assert.ok(!mock.asked.includes('POST /v1/admin/accounts'))
    await shoot(page, 'bot-missing')
    await page.getByTestId('account-id').fill('main')
    await page.getByTestId('app-id').fill('cli_a1b2')
    await page.getByTestId('app-secret').fill('wrong')
    await page.getByTestId('encrypt-key').fill('encrypt')
    await page.getByTestId('confirm').click()
    // At the field that the relay names, and gone with the next letter.
    const refused = page.locator('[aria-invalid=true]')
    assert.equal(await refused.getAttribute('data-testid'), 'app-secret')
    await page.getByText('The platform refused: 10014').waitFor()
    await shoot(page, 'bot-refused')
    await page.getByTestId('app-secret').fill('right')
    assert.equal(await refused.count(), 0)
    await page.getByTestId('confirm').click()
    await page
      .getByTestId('webhook')
      .filter({ hasText: `${mock.url}/webhook/feishu/main` })
      .waitFor()
    await shoot(page, 'bot-ready')
    await page.keyboard.press('Escape')
    await page.getByTestId('account').getByRole('link').click()
    assert.ok(!(await page.getByTestId('steps').isVisible()))
    await page.getByTestId('how').click()
    await page.getByTestId('steps').filter({ hasText: 'pairing code' }).waitFor()
    await page.getByTestId('policy').selectOption('listed')
    await page.getByTestId('groups').selectOption('listed')
    await page.getByTestId('default-user').fill('usr_nobody')
    await page.getByTestId('save-rules').click()
    await page.getByText('default_user: no such user').waitFor()
    await page.getByTestId('default-user').fill(root.id)
    await page.getByTestId('save-rules').click()
    await page.getByText('Saved', { exact: true }).waitFor()
    // What is typed before the page has read its change back stays, also when that is what was there before.
    const list = /\/v1\/admin\/accounts(\?|$)/
    const typed = Promise.withResolvers()
    await page.route(
      list,
      async (route) => {
        await typed.promise
        await route.continue()
      },
      { times: 1 },
    )
    await page.getByTestId('default-user').fill('')
    const readBack = page.waitForResponse(list)
    await page.getByTestId('save-rules').click()
    await until(() => mock.accounts.get('main').default_user === '', 'nobody to get what strangers write')
    await page.getByTestId('default-user').fill(root.id)
    typed.resolve()
    await readBack
    await page.getByText('Saved', { exact: true }).waitFor()
    assert.equal(await page.getByTestId('default-user').inputValue(), root.id)
    await page.getByTestId('save-rules').click()
    await until(() => mock.accounts.get('main').default_user === root.id, 'somebody to get it again')
    await page.getByTestId('new-sender').fill('ou_1')
    await page.getByTestId('add-sender').click()
    await page.getByTestId('sender').filter({ hasText: 'ou_1' }).waitFor()
    await page.getByTestId('new-group').fill('oc_1')
    await page.getByTestId('add-group').click()
    await page.getByTestId('group').filter({ hasText: 'oc_1' }).waitFor()
    const { policy, groups, default_user } = mock.accounts.get('main')
    assert.deepEqual({ policy, groups, default_user }, { policy: 'listed', groups: 'listed', default_user: root.id })
    await page.getByTestId('sender').getByRole('button').click()
    await page.getByTestId('senders').getByTestId('nothing').waitFor()
    // Calls leave by an agent of one's own, and are tried at once.
    await page.getByTestId('check-egress').click()
    await page.getByTestId('check').filter({ hasText: '60020' }).waitFor()
    await shoot(page, 'bot-egress')
    await page.getByTestId('egress-agent').selectOption(laptop.id)
    await page.getByTestId('check-egress').click()
    await until(async () => (await page.getByTestId('check').filter({ hasText: '✓' }).count()) === 2, 'both to hold')
    assert.equal(mock.accounts.get('main').egress, laptop.id)
    // What is left of the quota; a check asks for it anew.
    const quota = page.getByTestId('quota')
    await quota.getByText('no limits by the hour').waitFor()
    mock.quotas.set('main', QUOTA)
    await page.getByTestId('check-egress').click()
    await quota.getByTestId('allowance').first().waitFor()
    const allowances = await quota.getByTestId('allowance').allInnerTexts()
    assert.match(
      allowances[0],
      /^API calls a month \(all apps of the organisation together\)\s+Used up\s+Starts over at 2/,
    )
    assert.match(allowances[1], /^API calls a day\s+43 of 500 used/)
    assert.match(allowances[2], /^Uploaded files a day\s+1,234 used, limit not published/)
    const bars = await quota
      .getByRole('meter')
      .evaluateAll((all) => all.map((bar) => bar.getAttribute('aria-valuenow')))
    assert.deepEqual(bars, ['100', '9'])
    const window = await quota.getByTestId('window').first().textContent()
    assert.match(window, /^Private chats: 4 messages within 1 hour of the last one from there/)
    await quota.getByTestId('rate').filter({ hasText: 'Messages a second (each chat): 5' }).waitFor()
    await quota.scrollIntoViewIfNeeded()
    await shoot(page, 'bot-quota')
    await page.getByTestId('change-credentials').click()
    const credentials = page.getByTestId('credentials')
    await credentials.getByTestId('app-id').fill('cli_a1b2')
    await credentials.getByTestId('app-secret').fill('wrong')
    await credentials.getByTestId('encrypt-key').fill('another-key')
    await page.getByTestId('save-credentials').click()
    await credentials.getByText('The platform refused: 10014').waitFor()
    await shoot(page, 'bot-credentials')
    await credentials.getByTestId('app-secret').fill('right')
    await page.getByTestId('save-credentials').click()
    await credentials.getByText('Saved', { exact: true }).waitFor()
    assert.equal(mock.accounts.get('main').encrypt_key, 'another-key')
    await page.getByTestId('remove-account').click()
    await page.getByTestId('confirm-words').fill('main')
    await page.getByTestId('confirm').click()
    await heading(page, 'Bots')
    await page.getByTestId('nothing').waitFor()
    assert.deepEqual(page.problems, [])
  })

  await t.test('the console: a bot on every platform', async (t) => {
    const mock = await world(t)
    const root = mock.addUser('Root', { role: 'operator' })
    const made = await context(t, { permissions: ['clipboard-read', 'clipboard-write'] })
    const page = await open(made, `${mock.url}/#link=${mock.addLink(root.id)}`)
    await chat(page)
    await page.goto(`${mock.url}/#/console/accounts`)
    const copied = async (field, within = page) => {
      await page.evaluate(() => navigator.clipboard.writeText(''))
      await within.getByTestId(field).getByTestId('copy').click()
      return until(() => page.evaluate(() => navigator.clipboard.readText()), 'it to be on the clipboard')
    }
    for (const [platform, filled] of Object.entries(BOTS)) {
      await page.getByTestId('new-account').click()
      await page.getByTestId(`on-${platform}`).click()
      for (const [name, value] of Object.entries(filled)) {
        await page.getByTestId(name.replaceAll('_', '-')).fill(String(value))
      }
      const id = await page.getByTestId('account-id').inputValue()
      await page.getByTestId('confirm').click()
      await page.getByTestId('steps').waitFor()
      const account = mock.accounts.get(id)
      assert.equal(account.platform, platform)
      assert.equal(account.policy, 'pairing')
      for (const [name, value] of Object.entries(filled)) assert.equal(account[name], value)
      assert.equal(await copied('webhook'), `${mock.url}/webhook/${platform}/${id}`)
      // What was made here is entered there: hidden, and copied whole.
      for (const name of ['token', 'encoding_aes_key'].filter((name) => name in account)) {
        const field = `enter-${name.replaceAll('_', '-')}`
        assert.doesNotMatch(await page.getByTestId(field).textContent(), /\w{32}/)
        assert.equal(await copied(field), account[name])
      }
      await shoot(page, `bot-ready-${platform}`)
      if (platform === 'telegram') {
        const command = page.getByTestId('set-webhook')
        assert.doesNotMatch(await command.textContent(), /123:ABC/)
        assert.ok((await copied('set-webhook')).includes(`secret_token=${account.secret_token}`))
        await command.getByTestId('show').click()
        await command.filter({ hasText: 'https://api.telegram.org/bot123:ABC/setWebhook' }).waitFor()
      }
      // Secrets that were made here are not to be lost by a key.
      if (['wecom', 'wecom-bot', 'wechat', 'telegram'].includes(platform)) {
        await page.keyboard.press('Escape')
        await page.getByText('shown only now').waitFor()
      }
      await page.getByTestId('done').click()
      await page.getByTestId('dialog').waitFor({ state: 'detached' })
    }
    assert.equal(typeof mock.accounts.get('wecom').agent_id, 'number')
    assert.ok(mock.accounts.get('wecom').markdown)
    assert.match([...mock.accounts.keys()].at(-1), /^dingtalk-\w{16}$/)
    await until(async () => (await page.getByTestId('account').count()) === 7, 'all bots')
    await shoot(page, 'bots')
    // Other credentials come with another secret, which the platform must be told.
    await page.getByTestId('account').filter({ hasText: 'Telegram' }).getByRole('link').click()
    await page.getByTestId('change-credentials').click()
    await page.getByTestId('credentials').getByTestId('bot-token').fill('123:NEW')
    await page.getByTestId('save-credentials').click()
    const dialog = page.getByTestId('dialog')
    await dialog.getByText('Enter them at the platform now').waitFor()
    await shoot(page, 'bot-credentials-made')
    const told = await copied('set-webhook', dialog)
    const { bot_token, secret_token } = [...mock.accounts.values()].find(({ platform }) => platform === 'telegram')
    assert.ok(told.includes(`bot${bot_token}/`) && told.includes(`secret_token=${secret_token}`), told)
    assert.equal(bot_token, '123:NEW')
    await dialog.getByTestId('done').click()
    await page.goto(`${mock.url}/#/console/accounts`)
    await heading(page, 'Bots')
    // The next one of a platform has another name; a name that is taken is refused here.
    await page.getByTestId('new-account').click()
    await page.getByTestId('on-qq').click()
    assert.equal(await page.getByTestId('account-id').inputValue(), 'qq-2')
    await page.getByTestId('account-id').fill('qq')
    await page.getByTestId('advanced').click()
    await page.getByTestId('api-base').fill('https://proxy.example/')
    await page.getByTestId('proactive').click()
    await page.getByTestId('confirm').click()
    await page.getByText('There is a bot of this name already').waitFor()
    await page.getByText('without a slash at the end').waitFor()
    await shoot(page, 'bot-wrong')
    // The relay names no field of this form: it is said below. Then it does, and it is said there.
    await page.getByTestId('other-platform').click()
    await page.getByTestId('on-telegram').click()
    await page.getByTestId('bot-token').fill('123:wrong')
    await page.getByTestId('policy').selectOption('open')
    assert.equal(await page.getByTestId('default-user').inputValue(), root.id)
    const detail = 'body: missing field `username`'
    mock.forced.set('POST /v1/admin/accounts', { status: 400, json: { type: '/errors/bad_request', detail } })
    await page.getByTestId('confirm').click()
    await page.getByTestId('account-problem').filter({ hasText: detail }).waitFor()
    mock.forced.clear()
    await page.getByTestId('confirm').click()
    await page.getByText('The platform refused: 10014').waitFor()
    assert.equal(await page.locator('[aria-invalid=true]').getAttribute('data-testid'), 'bot-token')
    assert.equal(await page.getByTestId('account-problem').textContent(), '')
    await page.getByTestId('bot-token').fill('123:right')
    await page.getByTestId('confirm').click()
    await page.getByTestId('steps').waitFor()
    const { default_user, policy } = mock.accounts.get('telegram-2')
    assert.deepEqual({ default_user, policy }, { default_user: root.id, policy: 'open' })
    assert.deepEqual(page.problems, [])
  })

  await t.test('what comes unasked says so, in chats of every platform', async (t) => {
    const mock = await world(t)
    const frames = unaskedFrames()
    for (const [size, viewport] of Object.entries(SIZES)) {
      for (const [colorScheme, locale] of [
        ['light', 'zh-CN'],
        ['dark', 'en-GB'],
      ]) {
        const made = await context(t, { frames, viewport, colorScheme, locale })
        const user = mock.addUser('Ada')
        const page = await open(made, `${mock.url}/#link=${mock.addLink(user.id)}`)
        await chat(page)
        const said = page.getByTestId('message')
        await until(async () => (await said.count()) === 4, 'all of the conversation')
        assert.deepEqual(await page.getByTestId('unasked').allTextContents(), UNASKED[locale])
        assert.equal(await page.locator('blockquote').count(), 0)
        const name = `${size}-${colorScheme}-${locale.slice(0, 2)}`
        await shoot(page, `unasked-${name}`)
        if (size === 'phone') await page.getByRole('button', { name: /会话列表|conversations/ }).click()
        const row = (text) => page.getByTestId('conversation').filter({ hasText: text })
        for (const platform of PLATFORM_WORDS[locale]) await row(platform).first().waitFor()
        await shoot(page, `conversations-${name}`)
        await row('DingTalk').or(row('钉钉')).click()
        await page
          .getByTestId('platform-hint')
          .filter({ hasText: /DingTalk|钉钉/ })
          .waitFor()
        assert.deepEqual(page.problems, [])
      }
    }
    // With several agents, it says which.
    const agents = ['laptop', 'nas'].map((name, n) => ({ id: `agt_${n + 1}`, name, online: true }))
    const made = await context(t, { frames: [...frames, { type: 'presence', agents }] })
    const page = await open(made, `${mock.url}/#link=${mock.addLink(mock.addUser('Ada').id)}`)
    await page.getByTestId('unasked').filter({ hasText: 'Unprompted, from laptop' }).waitFor()
  })

  await t.test('the console: users, what went wrong with them, and their end', async (t) => {
    const mock = await world(t)
    const root = mock.addUser('Root', { role: 'operator' })
    for (let n = 1; n <= 25; n++) mock.addUser(`User ${n}`)
    fillLogs(mock)
    const page = await signedIn(t, mock, root)
    await page.goto(`${mock.url}/#/console/users`)
    await until(async () => (await page.getByTestId('user').count()) === 20, 'a page of users')
    await page.getByTestId('more').click()
    await until(async () => (await page.getByTestId('user').count()) === 26, 'the rest')
    await page.getByTestId('new-user').click()
    await page.getByTestId('user-name').fill('Linus')
    await page.getByTestId('user-login').fill('linus@example.com')
    await page.getByTestId('user-password').fill(PASSWORD)
    await page.getByTestId('confirm').click()
    await page.getByTestId('dialog').waitFor({ state: 'detached' })
    const { user: linus } = mock.logins.get('linus@example.com')
    await page.goto(`${mock.url}/#/console/users/${linus}`)
    await page.getByTestId('role').selectOption('operator')
    await page.getByTestId('save-role').click()
    await page.getByText('Saved', { exact: true }).waitFor()
    await page.getByTestId('dead-letter').first().getByTestId('replay').click()
    await until(async () => (await page.getByTestId('dead-letter').count()) === 1, 'one letter less')
    await page.getByTestId('more-events').click()
    await until(async () => (await page.getByTestId('log-line').count()) === 30, 'all events')
    await page.getByTestId('disable').click()
    await page.getByTestId('confirm').click()
    await page.getByTestId('is-disabled').waitFor()
    await page.getByTestId('enable').click()
    await page.getByTestId('disable').waitFor()
    const form = page.getByTestId('reset-password')
    await form.getByTestId('reset-login').fill('linus@example.com')
    await form.getByTestId('reset-to').fill(`${PASSWORD} two`)
    await form.getByTestId('save-password').click()
    await form.getByText('Saved', { exact: true }).waitFor()
    assert.equal(mock.logins.get('linus@example.com').password, `${PASSWORD} two`)
    await page.getByTestId('remove-user').click()
    await page.getByTestId('confirm-words').fill(linus)
    await page.getByTestId('confirm').click()
    await heading(page, 'Users')
    assert.ok(!mock.users.has(linus))
    // One's own account cannot be shut from here.
    await page.goto(`${mock.url}/#/console/users/${root.id}`)
    await page.getByTestId('role').waitFor()
    assert.ok(await page.getByTestId('role').isDisabled())
    assert.equal(await page.getByTestId('remove-user').count(), 0)
    assert.deepEqual(page.problems, [])
  })

  await t.test('the console: invitations, sign-in, audit, secrets', async (t) => {
    const mock = await world(t)
    const page = await signedIn(t, mock, mock.addUser('Root', { role: 'operator' }))
    for (let n = 1; n <= 25; n++) mock.addUser(`User ${n}`)
    fillLogs(mock)
    for (const actor of ['aud_26', 'relay', 'aud_gone']) mock.log(actor, 'identity.bind', 'main')
    await page.goto(`${mock.url}/#/console/invitations`)
    await page.getByTestId('new-invitation').click()
    await page.getByTestId('uses').fill('5')
    await page.getByTestId('confirm').click()
    const link = await page.getByTestId('copy-text').textContent()
    assert.match(link, /\/\?invitation=code_/)
    assert.equal(await page.getByTestId('qr').getAttribute('data-text'), link)
    await shoot(page, 'invitation')
    await page.getByTestId('dialog-close').click()
    await page.getByTestId('invitation').filter({ hasText: '5 uses left' }).waitFor()
    await page.getByTestId('revoke-invitation').click()
    await page.getByTestId('confirm').click()
    await page.getByTestId('nothing').waitFor()
    await page.getByTestId('section-providers').click()
    await page.getByTestId('new-provider').click()
    await page.getByTestId('kind').selectOption('wecom')
    await page.getByTestId('provider-id').fill('corp')
    await page.getByTestId('app-id').fill('ww1')
    await page.getByTestId('app-secret').fill('s')
    await page.getByTestId('agent-id').fill('1000002')
    await shoot(page, 'provider-new')
    await page.getByTestId('confirm').click()
    await page.getByTestId('provider').waitFor()
    assert.equal(mock.providers.get('corp').agent_id, '1000002')
    await page.getByTestId('section-secrets').click()
    await page.getByTestId('reseal').click()
    await page.getByText('Done: 1 secret').waitFor()
    await page.getByTestId('section-audit').click()
    await page.getByTestId('more').click()
    await until(async () => (await page.getByTestId('log-line').count()) === 37, 'the whole log')
    await page.getByTestId('log-line').last().filter({ hasText: 'Root' }).waitFor()
    // Whoever comes later in the list of users is found, too; who is in none of it stays an id.
    await page.getByTestId('log-line').filter({ hasText: 'User 25' }).first().waitFor()
    await page.getByTestId('log-line').filter({ hasText: 'The relay' }).first().waitFor()
    await page.getByTestId('log-line').filter({ hasText: 'aud_gone' }).first().waitFor()
    await shoot(page, 'audit-names')
    assert.deepEqual(page.problems, [])
  })

  await t.test('keyboard alone: the dialog keeps the focus, closes by Escape, and gives it back', async (t) => {
    const mock = await world(t)
    const page = await signedIn(t, mock, mock.addUser('Ada'))
    await page.goto(`${mock.url}/#/settings/agents`)
    await page.getByTestId('new-agent').focus()
    await page.keyboard.press('Enter')
    await page.getByTestId('agent-name').waitFor()
    const focused = () => page.evaluate(() => document.activeElement?.getAttribute('data-testid') ?? '')
    assert.equal(await focused(), 'agent-name')
    await page.keyboard.press('Escape')
    await page.getByTestId('dialog').waitFor({ state: 'detached' })
    assert.equal(await focused(), 'new-agent')
    await page.getByTestId('section-data').focus()
    await page.keyboard.press('Enter')
    await until(async () => (await focused()) === 'heading', 'the heading to have the focus')
    assert.deepEqual(page.problems, [])
  })

  await t.test('every page, size, theme and language has its screenshot, and nothing moves', async (t) => {
    const mock = await world(t)
    const root = fillWorld(mock)
    for (const [size, viewport] of Object.entries(SIZES)) {
      for (const colorScheme of ['light', 'dark']) {
        for (const locale of ['en-GB', 'zh-CN']) {
          const name = (page) => `${page}-${size}-${colorScheme}-${locale.slice(0, 2)}`
          const made = await context(t, { viewport, colorScheme, locale, userAgent: MAC })
          const page = await open(made, mock.url)
          await page.getByTestId('provider-acme').waitFor()
          await shoot(page, name('sign-in'))
          await page.getByTestId('to-link').click()
          await shoot(page, name('sign-in-link'))
          await page.getByTestId('to-password').click()
          await page.getByTestId('to-register').click()
          await shoot(page, name('register'))
          await page.goto(`${mock.url}/#link=${mock.addLink(root.id)}`)
          await chat(page)
          await shoot(page, name('chat'))
          for (const address of PAGES) {
            await page.goto(`${mock.url}/#/${address.replace('{user}', root.id)}`)
            if (address.includes('/')) await page.getByTestId('heading').waitFor()
            await page.waitForFunction(() => document.querySelector('[role=status].skeleton') === null)
            await shoot(page, name(address.replaceAll('/', '-').replace('{user}', 'one')))
            assert.deepEqual(await page.evaluate(() => window.shifts), [], `${name(address)} moves`)
          }
          await page.goto(`${mock.url}/#/console/accounts`)
          await page.getByTestId('new-account').click()
          await shoot(page, name('bot-platforms'))
          for (const platform of Object.keys(BOTS)) {
            await page.getByTestId(`on-${platform}`).click()
            await shoot(page, name(`bot-new-${platform}`))
            await page.getByTestId('other-platform').click()
          }
          assert.deepEqual(page.problems, [])
          await made.close()
        }
      }
    }
    t.diagnostic(`screenshots are in ${ARTEFACTS}`)
  })
})

/** What an operator copies from each platform; the rest is made, or has a default. */
const BOTS = {
  feishu: { app_id: 'cli_a1b2', app_secret: 's', encrypt_key: 'k' },
  wecom: { corp_id: 'ww5f1e', agent_id: 1000002, secret: 's' },
  'wecom-bot': {},
  wechat: { app_id: 'wx1', app_secret: 's' },
  qq: { app_id: '102012345', app_secret: 's' },
  telegram: { bot_token: '123:ABC' },
  dingtalk: { app_key: 'ding1', app_secret: 's' },
}

/** An account of no platform, that has something of everything. */
const QUOTA = {
  allowances: [
    {
      ...{ name: 'calls', scope: 'organisation', period: 'month', limit: null, used: 91_204, is_used_up: true },
      ...{ resets_ms: Date.now() + 5 * 86_400_000, source: 'open.feishu.cn, “通用错误码” 99991403' },
    },
    {
      ...{ name: 'calls', scope: 'account', period: 'day', limit: 500, used: 43, is_used_up: false },
      ...{ resets_ms: Date.now() + 3_600_000, source: 'developers.weixin.qq.com, “查询API调用额度”' },
    },
    {
      ...{ name: 'uploads', scope: 'account', period: 'day', limit: null, used: 1_234, is_used_up: false },
      ...{ resets_ms: Date.now() + 3_600_000, source: 'bot.q.qq.com, “错误码” 40093002' },
    },
    {
      ...{ name: 'messages', scope: 'chat', period: 'second', limit: 5, used: null, is_used_up: false },
      ...{ resets_ms: null, source: 'open.feishu.cn, “频控策略”' },
    },
    {
      ...{ name: 'calls', scope: 'account', period: 'second', limit: 50, used: null, is_used_up: false },
      ...{ resets_ms: null, source: 'open.feishu.cn, “频控策略”' },
    },
  ],
  windows: [
    { chats: 'private', open_ms: 3_600_000, messages: 4, source: 'bot.q.qq.com, “发送消息”' },
    { chats: 'shared', open_ms: 300_000, messages: 5, source: 'bot.q.qq.com, “发送消息”' },
  ],
}

const UNASKED = { 'en-GB': ['Unprompted', 'From a script'], 'zh-CN': ['主动发来', '脚本发来'] }
const PLATFORM_WORDS = {
  'en-GB': [
    'Feishu chat',
    'WeCom chat',
    'WeCom bot chat',
    'WeChat account',
    'QQ chat',
    'Telegram chat',
    'DingTalk chat',
  ],
  'zh-CN': ['飞书会话', '企业微信会话', '企业微信机器人会话', '微信公众号会话', 'QQ 会话', 'Telegram 会话', '钉钉会话'],
}

/** A question, what came unasked before its answer, and a chat on every platform. */
function unaskedFrames() {
  const agent = { kind: 'agent', id: 'agt_1' }
  const web = [
    { from: { kind: 'user', via: 'web' }, text: '明早的会几点？', state: 'replied' },
    { from: agent, reply_to: 1, text: '九点半，在三楼会议室。' },
    { from: agent, text: '提醒：**十分钟后**开会，材料在[这里](https://example.com/notes)。' },
    { from: { kind: 'relay' }, text: '夜间备份完成：\n\n- 312 个文件\n- 用时 4 分钟' },
  ]
  const chats = [
    ...['feishu:main:oc_a0553eda9014c230', 'wecom:corp:lin.xiaoman', 'wecom-bot:corp:group-wrkSFfCgAA7d2b'],
    ...['wechat:oa:oGZUI0egBJY1zhBYw2KhdUfwVJJE', 'qq:bot:c2c-E4F47A09C7D2', 'telegram:main:-1001234567890'],
    'dingtalk:main:@q3bXz9Lk',
  ]
  const elsewhere = chats.map((conversation) => ({ conversation, from: agent, text: '今天的日报写好了。' }))
  return [...web, ...elsewhere].map((said, n) => ({
    type: 'message',
    seq: n + 1,
    id: `m-${n + 1}`,
    conversation: 'web',
    at_ms: Date.now() - (40 - n) * 60_000,
    ...said,
  }))
}

const PAGES = [
  ...['settings', 'settings/profile', 'settings/devices', 'settings/agents', 'settings/chats', 'settings/data'],
  ...['console', 'console/accounts', 'console/accounts/main', 'console/users', 'console/users/{user}'],
  ...['console/invitations', 'console/providers', 'console/audit', 'console/secrets'],
]

/** Keeps what moved without anybody touching it; runs before the page's own scripts. */
function watchShifts() {
  window.shifts = []
  const told = ({ value, sources }) => [value.toFixed(3), ...sources.map(({ node }) => node?.outerHTML?.slice(0, 90))]
  new PerformanceObserver((list) => {
    const moved = list.getEntries().filter(({ value, hadRecentInput }) => value > 0.02 && !hadRecentInput)
    window.shifts.push(...moved.map(told))
  }).observe({ type: 'layout-shift', buffered: true })
}

/** A relay that has been in use for a while. */
function fillWorld(mock) {
  const root = mock.addUser('林小满', { role: 'operator', login: 'xiaoman@example.com', password: PASSWORD })
  mock.addUser('Ada Lovelace')
  mock.addUser('Grace Hopper', { role: 'operator' })
  mock.addUser('A very long name that somebody chose because nobody had told them not to do so').is_disabled = true
  mock.signIn(root, IPHONE)
  mock.signIn(root, 'claw-relay mini program 0.1.0')
  const laptop = mock.addAgent(root.id, '我的 laptop 🚀')
  const key = { created_ms: Date.now() - 9e8, scopes: ['receive', 'send', 'push'] }
  laptop.keys.set('key_1', { id: 'key_1', name: '书房的 Mac mini', used_ms: Date.now() - 4 * 60_000, ...key })
  laptop.keys.set('key_2', { id: 'key_2', name: '', ...key, scopes: ['receive', 'send', 'push', 'egress'] })
  mock.addAgent(root.id, 'nas')
  mock.addIdentity(root.id, { account: 'main', sender: 'ou_7d8a6e6df7621556ce0d21922b676706', name: '林小满' })
  mock.addIdentity(root.id, { account: 'corp', platform: 'wecom', sender: 'lin.xiaoman', push: false })
  const bot = { platform: 'feishu', created_ms: Date.now() - 9e9 }
  mock.quotas.set('main', QUOTA)
  mock.accounts.set('main', { id: 'main', policy: 'listed', groups: 'listed', ...bot })
  for (const platform of Object.keys(BOTS).slice(1)) {
    mock.accounts.set(platform, { id: platform, policy: 'pairing', groups: 'any', ...bot, platform })
  }
  mock.accounts.set('demo', { id: 'demo', policy: 'open', groups: 'none', default_user: root.id, ...bot })
  const { accounts } = mock
  accounts.get('main').senderList = new Map([
    ['ou_1', { sender: 'ou_7d8a6e6df7621556ce0d21922b676706', created_ms: Date.now() }],
  ])
  accounts.get('main').groupList = new Map([['oc_1', { chat: 'oc_a0553eda9014c201e6969b478895c230', user: root.id }]])
  mock.invitations.set('code', { id: 'inv_1', role: 'user', uses: 3, expires_ms: Date.now() + 5e8 })
  mock.providers.set('acme', { id: 'acme', kind: 'feishu', app_id: 'cli_a1b2c3', organisations: ['2ed263bf32cf1651'] })
  mock.providers.set('corp', { id: 'corp', kind: 'wecom', app_id: 'ww5f1e', agent_id: '1000002' })
  fillLogs(mock)
  return root
}

function fillLogs(mock) {
  const letter = { conversation: 'feishu:main:oc_a0553eda9014c201e6969b478895c230', at_ms: Date.now() - 7e6 }
  mock.letters = [
    { seq: 57, ...letter, outcome: 'failed', reason: 'model server unreachable: connection refused' },
    { seq: 41, ...letter, conversation: 'web', outcome: 'expired', reason: 'no answer within 24 h' },
  ]
  const kinds = ['accepted', 'delivered', 'answered', 'sent']
  mock.events = Array.from({ length: 30 }, (_, n) => ({
    n: 100 - n,
    at_ms: Date.now() - n * 61_000,
    kind: kinds[n % 4],
    seq: 60 - n,
    detail: n % 4 === 3 ? 'feishu om_x100b54 part 1 of 2' : undefined,
  }))
  for (let n = 0; n < 34; n++) {
    mock.log('aud_1', ['session.create', 'key.create', 'account.policy'][n % 3], `agt_${n}`, n % 3 ? undefined : 'web')
  }
}
