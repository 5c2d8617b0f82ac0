// npm run admin: an operator's command line, over the same API as everyone's.

import { parseArgs } from 'node:util'
import { Refused } from './admin/api.mjs'
import { bots } from './admin/commands/bots.mjs'
import { mine } from './admin/commands/mine.mjs'
import { past } from './admin/commands/past.mjs'
import { people } from './admin/commands/people.mjs'
import { USAGE } from './admin/exit.mjs'
import { connect } from './admin/session.mjs'
import { hangUp } from './admin/terminal.mjs'
import { Fix, main } from './lib/say.mjs'

const COMMANDS = [...mine, ...people, ...bots, ...past]
const SHARED = {
  help: { type: 'boolean', short: 'h', hint: 'this' },
  json: { type: 'boolean', hint: 'the answer as JSON' },
  relay: { type: 'string', hint: 'the address of another relay than that signed in to last' },
}

/** 12 random bytes as URL-safe text, where that looks like a flag; no flag of ours has so many letters. */
const KEY_ID = /^-[\w-]{15}$/
/** What no word of a command line can begin with. */
const MARK = '\0'

await main(async () => {
  const words = process.argv.slice(2)
  const command = find(words)
  if (!command) {
    const isAsked = words.length === 0 || words.some((word) => ['help', '--help', '-h'].includes(word))
    if (isAsked) return console.log(overview())
    throw new Fix(`${words[0]}: no such command: npm run admin -- help`, USAGE)
  }
  const { values, args } = parse(command, words.slice(command.name.split(' ').length))
  if (values.help) return console.log(help(command))
  const relay = () => connect(values.relay)
  let answer
  try {
    answer = await command.run({ values, args, relay, ...(command.isOpen ? {} : relay()) })
  } catch (error) {
    throw error instanceof Refused ? named(error, command) : error
  } finally {
    hangUp()
  }
  if (values.json) console.log(JSON.stringify(answer ?? {}, null, 2))
  else console.log(command.show?.(answer) ?? 'done · 完成')
  process.exitCode = command.exitCode?.(answer) ?? 0
})

/** The command that the first words name: the longest one. */
function find(words) {
  const begins = ({ name }) => name.split(' ').every((word, at) => words[at] === word)
  return COMMANDS.filter(begins).sort((a, b) => b.name.length - a.name.length)[0]
}

function parse(command, rest) {
  const fix = (what) => new Fix(`${command.name}: ${what}\nusage: ${usage(command)}`, USAGE)
  let parsed
  try {
    const options = { ...SHARED, ...command.options }
    // An id of a key may begin with a dash: it is no flag.
    const args = rest.map((word) => (KEY_ID.test(word) ? MARK + word : word))
    parsed = parseArgs({ args, options, allowPositionals: true })
  } catch (error) {
    throw fix(error.message)
  }
  const { values } = parsed
  const positionals = parsed.positionals.map((word) => word.replace(MARK, ''))
  if (values.help) return { values, args: [] }
  const takes = command.takes ?? []
  const missing = takes.filter((name) => !name.endsWith('?'))[positionals.length]
  if (missing !== undefined) throw fix(`<${missing}> is missing`)
  if (positionals.length > takes.length) throw fix(`${positionals[takes.length]}: one word too many`)
  const flag = command.needs?.find((name) => values[name] === undefined)
  if (flag !== undefined) throw fix(`--${flag} is missing`)
  return { values, args: positionals }
}

/** A refusal that names the flag, where the relay names the field. */
function named(refused, command) {
  const field = refused.detail.match(/^(?:body: )?([a-z_]+):/)?.[1].replaceAll('_', '-')
  if (field !== undefined && command.options?.[field]) refused.message = `--${field}: ${refused.message}`
  return refused
}

function usage({ name, takes = [], options = {}, needs = [] }) {
  const places = takes.map((place) => (place.endsWith('?') ? `[${place.slice(0, -1)}]` : `<${place}>`))
  const flags = Object.entries(options).map(([flag, { type }]) => {
    const text = type === 'string' ? `--${flag} …` : `--${flag}`
    return needs.includes(flag) ? text : `[${text}]`
  })
  return ['npm run admin --', name, ...places, ...flags].join(' ')
}

function help(command) {
  const all = Object.entries({ ...command.options, ...SHARED })
  const lines = all.map(([flag, { hint }]) => `  --${flag.padEnd(14)}${hint}`)
  return [usage(command), '', ...command.says, '', ...lines].join('\n')
}

function overview() {
  const lines = COMMANDS.map(({ name, takes = [], says }) => {
    const head = [name, ...takes.map((place) => `<${place}>`.replace('?>', '>'))].join(' ')
    return `  ${head.padEnd(30)}${says[0]}\n${' '.repeat(32)}${says[1]}`
  })
  return [
    'npm run admin -- <command> [--json] [--relay URL]     (npm run -s: without the lines of npm itself)',
    'An operator’s command line. Each command has --help. · 管理员命令行，每个命令都有 --help。',
    '',
    ...lines,
    '',
    'Exit codes · 退出码: 0 done · 1 refused, or a part failed · 2 wrong command line · 3 sign in · 4 the audit log',
    'was changed · 5 the relay does not answer, try later',
  ].join('\n')
}
