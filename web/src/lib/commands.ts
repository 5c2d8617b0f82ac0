// The commands that the relay reads out of ordinary text, and how one that is begun may go on.

export type CommandName = (typeof COMMANDS)[number]['en']

export interface Suggestion {
  name: CommandName
  /** What the text becomes. */
  text: string
  /** Whether a name follows. */
  argument: boolean
}

/** The commands that this text may become; none when it is one already, or is no command at all. */
export function suggest(text: string, language: 'en' | 'zh'): Suggestion[] {
  const [, typed] = /^[/／、]([^\s/]*)$/.exec(text) ?? []
  if (typed === undefined) return []
  const begun = typed.toLowerCase()
  const found = COMMANDS.flatMap((command): Suggestion[] => {
    const spellings = language === 'zh' ? [command.zh, command.en] : [command.en, command.zh]
    const spelling = spellings.find((each) => each.startsWith(begun))
    if (spelling === undefined) return []
    const { argument, en: name } = command
    return [{ name, text: `/${spelling}${argument ? ' ' : ''}`, argument }]
  })
  return found.some((suggestion) => suggestion.text === `/${begun}`) && !text.startsWith('、') ? [] : found
}

// Input methods make `／` or `、` of the key that a command begins with; the relay takes the first as it is.
const COMMANDS = [
  { en: 'help', zh: '帮助', argument: false },
  { en: 'new', zh: '新对话', argument: false },
  { en: 'stop', zh: '停止', argument: false },
  { en: 'agents', zh: '智能体', argument: false },
  { en: 'use', zh: '使用', argument: true },
  { en: 'status', zh: '状态', argument: false },
] as const
