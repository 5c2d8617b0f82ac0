// Bot accounts and who may talk to them, sign-in providers, and what is sealed.

import { REFUSED } from '../exit.mjs'
import { pages } from '../pages.mjs'
import { printable, table, when } from '../terminal.mjs'
import { jsonFile, oneOf, part, someOf } from '../values.mjs'

const POLICIES = ['open', 'pairing', 'listed', 'closed']
const GROUPS = ['any', 'listed', 'none']
const account = (id) => `/v1/admin/accounts/${part(id)}`

export const bots = [
  {
    name: 'accounts',
    says: ['Bot accounts, without their secrets.', '列出机器人账号（不含密钥）。'],
    run: async ({ ask }) => ({ accounts: await pages(ask, '/v1/admin/accounts', 'accounts') }),
    show: ({ accounts }) =>
      table(accounts, {
        id: (row) => row.id,
        platform: (row) => row.platform,
        policy: (row) => row.policy,
        groups: (row) => row.groups,
        'default user': (row) => row.default_user ?? '',
        created: (row) => when(row.created_ms),
      }),
  },
  {
    name: 'account create',
    options: { file: { type: 'string', hint: 'its settings as JSON; - reads standard input' } },
    needs: ['file'],
    says: ['Add a bot; its credentials are tried first.', '新建机器人账号，先用平台校验凭证。'],
    run: ({ ask, values: { file } }) => ask('POST', '/v1/admin/accounts', jsonFile(file, '--file')),
    show: shown,
  },
  {
    name: 'account credentials',
    takes: ['account'],
    options: { file: { type: 'string', hint: 'its settings as JSON, as for account create; - reads standard input' } },
    needs: ['file'],
    says: ['Give a bot other credentials; they are tried first.', '更换机器人凭证，先用平台校验。'],
    run: ({ ask, args: [id], values: { file } }) => ask('PUT', `${account(id)}/credentials`, jsonFile(file, '--file')),
    show: shown,
  },
  {
    name: 'account check',
    takes: ['account'],
    says: ["Try whether a bot's calls leave, and are taken.", '检查机器人的调用能否发出、平台是否接受。'],
    run: ({ ask, args: [id] }) => ask('POST', `${account(id)}/check`),
    show: ({ checks }) =>
      checks.map(({ name, ok, detail }) => `${ok ? 'ok  ' : 'FAIL'} ${name}: ${printable(detail)}`).join('\n'),
    exitCode: ({ checks }) => (checks.every(({ ok }) => ok) ? 0 : REFUSED),
  },
  {
    name: 'account quota',
    takes: ['account'],
    says: ["What a bot's platform allows it, and what is left.", '平台允许机器人发多少、还剩多少。'],
    run: ({ ask, args: [id] }) => ask('GET', `${account(id)}/quota`),
    show: ({ allowances, windows }) =>
      [
        table(allowances, {
          what: (row) => `${row.name} a ${row.period}`,
          of: (row) => row.scope,
          used: (row) => row.used ?? '',
          limit: (row) => row.limit ?? 'unknown',
          left: (row) => (row.is_used_up ? 'NONE' : row.used === null ? '' : left(row)),
          anew: (row) => when(row.resets_ms),
          source: (row) => row.source,
        }),
        ...windows.map(
          ({ chats, messages, open_ms }) =>
            `${chats} chats: ${messages} messages within ${open_ms / 60_000} min of the last one from there`,
        ),
      ].join('\n'),
  },
  {
    name: 'account policy',
    takes: ['account'],
    options: {
      policy: { type: 'string', hint: 'for strangers: open, pairing, listed or closed' },
      groups: { type: 'string', hint: 'where it answers: any, listed or none' },
      egress: { type: 'string', hint: 'the agent of yours that makes its calls: an agent id, or none' },
      'default-user': { type: 'string', hint: 'whose agents answer strangers: a user id, me, or none' },
    },
    says: ['Change who may talk to a bot.', '修改谁能和机器人对话。'],
    run({ ask, args: [id], values }) {
      someOf(values, ['policy', 'groups', 'default-user', 'egress'])
      const user = values['default-user']
      return ask('PATCH', account(id), {
        policy: oneOf(values.policy, '--policy', POLICIES),
        groups: oneOf(values.groups, '--groups', GROUPS),
        default_user: user === 'none' ? '' : user,
        egress: values.egress === 'none' ? '' : values.egress,
      })
    },
    show: shown,
  },
  {
    name: 'account delete',
    takes: ['account'],
    says: ['Delete a bot and what is bound to it.', '删除机器人账号及其绑定。'],
    run: ({ ask, args: [id] }) => ask('DELETE', account(id)),
  },
  ...list('sender', 'senders', 'Whom policy listed lets talk to a bot', '策略为 listed 时允许的人'),
  ...list('group', 'groups', 'Groups in which a bot answers', '机器人回答的群', {
    user: { type: 'string', hint: "whose agents answer everyone there; each speaker's own by default" },
  }),
  {
    name: 'bind',
    takes: ['account', 'sender', 'user'],
    says: ["Let a sender reach a user's agents.", '把平台上的发送者绑定到用户。'],
    run: ({ ask, args: [id, sender, user] }) => ask('POST', '/v1/admin/identities', { account: id, sender, user }),
    show: (bound) => `${printable(bound.sender)} at ${bound.account} reaches ${bound.user}`,
  },
  {
    name: 'providers',
    says: ['Where people may sign in.', '列出第三方登录方式。'],
    run: ({ ask }) => ask('GET', '/v1/admin/providers'),
    show: ({ providers }) => table(providers, { id: (row) => row.id, kind: (row) => row.kind }),
  },
  {
    name: 'provider create',
    options: { file: { type: 'string', hint: 'its settings as JSON; - reads standard input' } },
    needs: ['file'],
    says: ['Let people sign in with Feishu, WeCom or WeChat.', '添加飞书、企业微信或微信登录。'],
    run: ({ ask, values: { file } }) => ask('POST', '/v1/admin/providers', jsonFile(file, '--file')),
    show: ({ id, kind }) => `${id} (${kind})`,
  },
  {
    name: 'provider delete',
    takes: ['provider'],
    says: ['Take a way to sign in away.', '删除一种第三方登录方式。'],
    run: ({ ask, args: [id] }) => ask('DELETE', `/v1/admin/providers/${part(id)}`),
  },
  {
    name: 'secrets rotate',
    says: ['Seal everything under the newest SEALING_KEY.', '用最新的 SEALING_KEY 重新加密全部敏感信息。'],
    run: ({ ask }) => ask('POST', '/v1/admin/secrets/rotate'),
    show: ({ sealed }) =>
      `${sealed} sealed anew${sealed === 0 ? ': the older SEALING_KEY can go' : '; run it until it says 0'}`,
  },
]

/** The three commands of an account's list: show, add, remove. */
function list(noun, nouns, what, 它, options = {}) {
  const path = (id, entry) => `${account(id)}/${nouns}/${part(entry)}`
  return [
    {
      name: nouns,
      takes: ['account'],
      says: [`${what}.`, `${它}：列出。`],
      run: async ({ ask, args: [id] }) => ({ [nouns]: await pages(ask, `${account(id)}/${nouns}`, nouns) }),
      show: (answer) =>
        table(answer[nouns], {
          [noun]: (row) => row.sender ?? row.chat,
          ...(noun === 'group' && { user: (row) => row.user ?? '' }),
          since: (row) => when(row.created_ms),
        }),
    },
    {
      name: `${noun} add`,
      takes: ['account', noun],
      options,
      says: [`${what}: add one.`, `${它}：添加。`],
      run: ({ ask, args: [id, entry], values: { user } }) =>
        ask('PUT', path(id, entry), user === undefined ? undefined : { user }),
    },
    {
      name: `${noun} remove`,
      takes: ['account', noun],
      says: [`${what}: remove one.`, `${它}：移除。`],
      run: ({ ask, args: [id, entry] }) => ask('DELETE', path(id, entry)),
    },
  ]
}

const left = ({ limit, used }) => (limit === null ? '' : Math.max(0, limit - used))

function shown({ account: row, webhook }) {
  const user = row.default_user ? `, default user ${row.default_user}` : ''
  return `${row.id}: policy ${row.policy}, groups ${row.groups}${user}\nwebhook ${webhook}`
}
