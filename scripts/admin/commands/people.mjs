// Users, and who may become one.

import { Fix } from '../../lib/say.mjs'
import { USAGE } from '../exit.mjs'
import { pages } from '../pages.mjs'
import { askSecret, printable, table, when } from '../terminal.mjs'
import { oneOf, part, someOf, whole } from '../values.mjs'

const ROLES = ['user', 'operator']
const PASSWORD = 'Their password, 12 to 128 characters · 对方的密码'
const user = (id) => `/v1/admin/users/${part(id)}`

export const people = [
  {
    name: 'invite',
    options: {
      role: { type: 'string', hint: 'user (the default) or operator' },
      days: { type: 'string', hint: 'how long: 1 to 30, 7 by default' },
      uses: { type: 'string', hint: 'for how many people: 1 to 100, 1 by default' },
    },
    says: ['Print a link with which people sign up.', '生成注册邀请链接。'],
    async run({ ask, url, values }) {
      const body = {
        role: oneOf(values.role, '--role', ROLES),
        days: whole(values, 'days', 1, 30),
        uses: whole(values, 'uses', 1, 100),
      }
      const { invitation, code } = await ask('POST', '/v1/admin/invitations', body)
      return { link: `${url}/?invitation=${encodeURIComponent(code)}`, code, invitation }
    },
    show: ({ link, invitation: { id, role, uses, expires_ms } }) =>
      `${link}\n${id}: ${uses} × ${role}, until ${when(expires_ms)}`,
  },
  {
    name: 'invitations',
    says: ['Invitations that can still be used.', '列出仍可使用的邀请。'],
    run: async ({ ask }) => ({ invitations: await pages(ask, '/v1/admin/invitations', 'invitations') }),
    show: ({ invitations }) =>
      table(invitations, {
        id: (row) => row.id,
        role: (row) => row.role,
        uses: (row) => row.uses,
        until: (row) => when(row.expires_ms),
      }),
  },
  {
    name: 'invitation delete',
    takes: ['invitation'],
    says: ['Withdraw an invitation.', '撤回邀请。'],
    run: ({ ask, args: [id] }) => ask('DELETE', `/v1/admin/invitations/${part(id)}`),
  },
  {
    name: 'users',
    says: ['Everyone.', '列出所有用户。'],
    run: async ({ ask }) => ({ users: await pages(ask, '/v1/admin/users', 'users') }),
    show: ({ users }) =>
      table(users, {
        id: (row) => row.id,
        name: (row) => row.name,
        role: (row) => row.role,
        state: (row) => (row.is_disabled ? 'disabled' : ''),
        'in the audit log': (row) => row.audit_id,
        since: (row) => when(row.created_ms),
      }),
  },
  {
    name: 'user create',
    takes: ['name'],
    options: {
      role: { type: 'string', hint: 'user (the default) or operator' },
      login: { type: 'string', hint: 'an e-mail address or phone number; the password is asked for' },
    },
    says: ['Add a user.', '新建用户。'],
    async run({ ask, args: [name], values: { role, login } }) {
      const body = { name, role: oneOf(role, '--role', ROLES), login }
      if (login !== undefined) body.password = await askSecret(PASSWORD)
      return ask('POST', '/v1/admin/users', body)
    },
    show: shown,
  },
  {
    name: 'user disable',
    takes: ['user'],
    says: ['Keep a user out; nothing of theirs is lost.', '停用用户（保留其内容）。'],
    run: ({ ask, args: [id] }) => ask('PATCH', user(id), { is_disabled: true }),
    show: (answer) => `${shown(answer)} is disabled`,
  },
  {
    name: 'user enable',
    takes: ['user'],
    says: ['Let a user in again.', '重新启用用户。'],
    run: ({ ask, args: [id] }) => ask('PATCH', user(id), { is_disabled: false }),
    show: (answer) => `${shown(answer)} is enabled`,
  },
  {
    name: 'user change',
    takes: ['user'],
    options: {
      role: { type: 'string', hint: 'user or operator' },
      login: { type: 'string', hint: 'a new login; its password is asked for' },
    },
    says: ["Change a user's role or login; they sign in again.", '修改用户的角色或登录方式（需重新登录）。'],
    async run({ ask, args: [id], values }) {
      someOf(values, ['role', 'login'])
      const body = { role: oneOf(values.role, '--role', ROLES), login: values.login }
      if (values.login !== undefined) body.password = await askSecret(PASSWORD)
      return ask('PATCH', user(id), body)
    },
    show: shown,
  },
  {
    name: 'user delete',
    takes: ['user'],
    options: { confirm: { type: 'string', hint: "the user's id once more" } },
    says: ['Delete a user and everything of theirs, for good.', '永久删除用户及其全部内容。'],
    run({ ask, args: [id], values: { confirm } }) {
      if (confirm !== id) throw new Fix(`this cannot be undone: add --confirm ${printable(id)}`, USAGE)
      return ask('DELETE', user(id))
    },
  },
]

function shown({ user: { id, name, role } }) {
  return `${id} ${printable(name)} (${role})`
}
