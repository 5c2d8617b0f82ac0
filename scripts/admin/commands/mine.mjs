// What is the operator's own: signing in and out, agents and their keys, an export.

import { writeFileSync } from 'node:fs'
import { Fix } from '../../lib/say.mjs'
import { request } from '../api.mjs'
import { SIGN_IN, USAGE } from '../exit.mjs'
import { address, connect, forget, keep, kept } from '../session.mjs'
import { askSecret, printable, table, when } from '../terminal.mjs'
import { oneOf, part, whole } from '../values.mjs'

const SCOPES = ['receive', 'send', 'push', 'egress']

export const mine = [
  {
    name: 'sign-in',
    takes: ['url'],
    options: {
      token: { type: 'string', hint: 'the one-time operator token; - reads it from standard input' },
      login: { type: 'string', hint: 'an e-mail address or phone number; the password is asked for' },
    },
    says: ['Sign in; a link of the form …/#link=CODE needs no flag.', '登录；形如 …/#link=CODE 的链接不需要参数。'],
    isOpen: true,
    async run({ args: [where], values: { token, login } }) {
      const url = address(where)
      const link = where.match(/#link=([^&]+)/)?.[1]
      if ([token, login, link].filter((way) => way !== undefined).length !== 1) {
        throw new Fix('sign-in: say how: --token TOKEN, --login E-MAIL, or a link with #link=CODE', USAGE)
      }
      const ask = (path, body, bearer) => request({ url, method: 'POST', path, body, token: bearer })
      let session
      if (link !== undefined) session = await ask('/v1/auth/link', { code: decodeURIComponent(link) })
      else if (login !== undefined) {
        session = await ask('/v1/auth/login', { login, password: await askSecret('Password · 密码') })
      } else {
        const typed = token === '-' ? await askSecret('Operator token · 管理员令牌') : token
        session = await ask('/v1/auth/operator', undefined, typed.trim())
      }
      const before = kept(url)
      await keep(url, session)
      if (before) await end(url, before)
      return { url, user: session.user }
    },
    show: ({ url, user }) => `signed in at ${url} as ${printable(user.name)} (${user.role}, ${user.id})`,
  },
  {
    name: 'sign-out',
    says: ['End the session, and forget it.', '结束并忘掉这次登录。'],
    isOpen: true,
    async run({ values: { relay } }) {
      const { url } = connect(relay)
      await end(url, await forget(url))
      return { url }
    },
    show: ({ url }) => `signed out at ${url}`,
  },
  {
    name: 'whoami',
    says: ['Who is signed in, and where.', '查看当前登录的用户和中继。'],
    run: async ({ ask, url }) => ({ url, ...(await ask('GET', '/v1/me')) }),
    show: ({ url, user, logins }) => {
      const ways = logins.map(({ kind, subject }) => `${kind} ${printable(subject)}`).join(', ')
      return `${printable(user.name)} (${user.role}, ${user.id}) at ${url}\nsigns in with: ${ways || 'nothing yet: npm run admin -- password --login E-MAIL'}`
    },
  },
  {
    name: 'password',
    options: { login: { type: 'string', hint: 'the e-mail address or phone number to sign in with' } },
    needs: ['login'],
    says: ['Set your own password; it is asked for.', '设置自己的密码（会提示输入）。'],
    async run({ ask, values: { login } }) {
      const password = await askSecret('New password, 12 to 128 characters · 新密码')
      const { logins } = await ask('GET', '/v1/me')
      const has = logins.some(({ kind }) => kind === 'password')
      const current = has ? await askSecret('Password until now · 当前密码') : undefined
      await ask('PUT', '/v1/me/password', { login, password, current })
      return { login }
    },
    show: ({ login }) => `from now on: sign-in <url> --login ${printable(login)}; your other sessions have ended`,
  },
  {
    name: 'link',
    options: {
      uses: { type: 'string', hint: 'how often it works: 1 to 20, 1 by default' },
      minutes: { type: 'string', hint: 'how long: 1 to 1440, 10 by default' },
    },
    says: ['Print a link that signs YOU in on another device.', '生成在其他设备上以你的身份登录的链接。'],
    async run({ ask, url, values }) {
      const body = { uses: whole(values, 'uses', 1, 20), minutes: whole(values, 'minutes', 1, 1440) }
      const { code, expires_at_ms } = await ask('POST', '/v1/me/links', body)
      return { link: `${url}/#link=${code}`, expires_at_ms }
    },
    show: ({ link, expires_at_ms }) => `${link}\nuntil ${when(expires_at_ms)}`,
  },
  {
    name: 'export',
    options: { output: { type: 'string', hint: 'the file to write, instead of standard output' } },
    says: ['Everything of yours, as one JSON document.', '导出你自己的全部内容（一个 JSON 文件）。'],
    async run({ ask, values: { output } }) {
      const all = await ask('GET', '/v1/me/export')
      if (output === undefined) return all
      writeFileSync(output, `${JSON.stringify(all, null, 2)}\n`, { mode: 0o600 })
      return { file: output, messages: all.messages.length }
    },
    show: (all) => (all.file ? `${all.file}: ${all.messages} messages` : JSON.stringify(all, null, 2)),
  },
  {
    name: 'agents',
    says: ['Your agents.', '列出你的智能体。'],
    run: ({ ask }) => ask('GET', '/v1/agents'),
    show: ({ agents }) => table(agents, { id: (row) => row.id, name: (row) => row.name, created: at }),
  },
  {
    name: 'agent create',
    takes: ['name'],
    says: ['Add an agent.', '新建智能体。'],
    run: ({ ask, args: [name] }) => ask('POST', '/v1/agents', { name }),
    show: ({ agent }) => agent.id,
  },
  {
    name: 'agent delete',
    takes: ['agent'],
    says: ['Delete an agent and its keys.', '删除智能体及其密钥。'],
    run: async ({ ask, args: [agent] }) => ask('DELETE', `/v1/agents/${part(agent)}`),
  },
  {
    name: 'keys',
    takes: ['agent'],
    says: ["An agent's keys, without what is secret.", '列出智能体的密钥（不含密钥本身）。'],
    run: ({ ask, args: [agent] }) => ask('GET', `/v1/agents/${part(agent)}/keys`),
    show: ({ keys }) =>
      table(keys, {
        id: (row) => row.id,
        name: (row) => row.name,
        scopes: (row) => row.scopes.join(' '),
        created: at,
        used: (row) => when(row.used_ms),
      }),
  },
  {
    name: 'key create',
    takes: ['agent'],
    options: {
      name: { type: 'string', hint: 'what it is for' },
      scopes: { type: 'string', hint: 'of receive, send, push, egress, by commas; the first three by default' },
    },
    says: ['Make a key; it is shown once.', '新建密钥（只显示一次）。'],
    run({ ask, args: [agent], values: { name, scopes } }) {
      const list = scopes?.split(',').map((scope) => oneOf(scope.trim(), '--scopes', SCOPES))
      return ask('POST', `/v1/agents/${part(agent)}/keys`, { name, scopes: list })
    },
    show: secret,
  },
  {
    name: 'key rotate',
    takes: ['agent', 'key'],
    says: ['Replace a key; the old one ends at once.', '更换密钥，旧的立即失效。'],
    run: ({ ask, args: [agent, key] }) => ask('POST', `/v1/agents/${part(agent)}/keys/${part(key)}/rotate`),
    show: secret,
  },
  {
    name: 'key revoke',
    takes: ['agent', 'key'],
    says: ['End a key; its connections close.', '吊销密钥并断开它的连接。'],
    run: ({ ask, args: [agent, key] }) => ask('DELETE', `/v1/agents/${part(agent)}/keys/${part(key)}`),
  },
]

/** Ends a session at the relay, as far as it still goes on there; its access token may be long over. */
async function end(url, session) {
  const ask = (path, more) => request({ url, method: 'POST', path, ...more })
  try {
    const { access_token } = await ask('/v1/auth/refresh', { body: { refresh_token: session.refresh_token } })
    await ask('/v1/auth/logout', { token: access_token })
  } catch (error) {
    if (!(error instanceof Fix)) throw error
    if (error.exitCode !== SIGN_IN) console.error(`the session before goes on at the relay: ${error.message}`)
  }
}

function at(row) {
  return when(row.created_ms)
}

/** The key alone on standard output, so that it can go into a file; the rest beside it. */
function secret({ id, key, scopes }) {
  console.error(`key ${id} (${scopes.join(' ')}): shown once, for CLAW_AGENT_KEY`)
  return key
}
