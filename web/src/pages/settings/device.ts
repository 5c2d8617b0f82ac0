// What a session calls its client: a browser's long signature in two words, anything else as it is.

export function deviceName(client: string): string {
  const browser = BROWSERS.find(([, mark]) => mark.test(client))?.[0]
  const system = SYSTEMS.find(([, mark]) => mark.test(client))?.[0]
  if (!client.startsWith('Mozilla/')) return client
  return [browser, system].filter(Boolean).join(' · ')
}

export function isPhone(client: string): boolean {
  return /iPhone|Android|Mobile|mini.?program|MicroMessenger/i.test(client)
}

// The more particular first: nearly all of them also say Chrome and Safari.
const BROWSERS: [string, RegExp][] = [
  ['WeChat', /MicroMessenger\//],
  ['Feishu', /Lark\/|Feishu/],
  ['Edge', /Edg(A|iOS)?\//],
  ['Opera', /OPR\//],
  ['Firefox', /Firefox\/|FxiOS\//],
  ['Chrome', /Chrome\/|CriOS\//],
  ['Safari', /Safari\//],
]
const SYSTEMS: [string, RegExp][] = [
  ['iPhone', /iPhone/],
  ['iPad', /iPad/],
  ['Android', /Android/],
  ['HarmonyOS', /HarmonyOS|OpenHarmony/],
  ['Windows', /Windows/],
  ['macOS', /Mac OS X|Macintosh/],
  ['Linux', /Linux/],
]
