import { expect, test } from 'vitest'

import { suggest } from '../src/lib/commands'

test.each([
  ['/', 'en', ['/help', '/new', '/stop', '/agents', '/use ', '/status']],
  ['/', 'zh', ['/帮助', '/新对话', '/停止', '/智能体', '/使用 ', '/状态']],
  ['/s', 'en', ['/stop', '/status']],
  ['/S', 'en', ['/stop', '/status']],
  ['/停', 'en', ['/停止']],
  ['/ne', 'zh', ['/new']],
  // What an input method makes of the key.
  ['／he', 'en', ['/help']],
  ['、帮', 'zh', ['/帮助']],
  ['、帮助', 'zh', ['/帮助']],
  // Written out, nothing is in the way of sending it; but a name is still missing.
  ['/help', 'zh', []],
  ['/状态', 'en', []],
  ['/Help', 'en', []],
  ['／帮助', 'zh', []],
  ['/use', 'en', ['/use ']],
  ['/use ', 'en', []],
  ['/use laptop', 'en', []],
  // No commands.
  ['', 'en', []],
  ['hi /help', 'en', []],
  ['//help', 'en', []],
  ['/etc', 'en', []],
  ['/s/t', 'en', []],
  ['/\nhelp', 'en', []],
] as const)('%j in %s', (text, language, expected) => {
  expect(suggest(text, language).map((suggestion) => suggestion.text)).toEqual(expected)
})
