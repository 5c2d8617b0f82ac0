// The built plugin, in a place where there is no OpenClaw: as after an update that took the SDK's parts away.

import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

test('an OpenClaw without what the plugin needs is told so in one sentence', () => {
  const folder = fileURLToPath(new URL('..', import.meta.url))
  execFileSync(process.execPath, ['build.mjs'], { cwd: folder })
  for (const entry of ['index', 'setup']) {
    const script = `import('./dist/${entry}.js').then(() => process.exit(9), (error) => console.log(error.stack))`
    const said = execFileSync(process.execPath, ['-e', script], { cwd: folder, encoding: 'utf8' })
    expect(said).toMatch(
      /^claw-relay does not fit this OpenClaw \(it was made for 2026\.\d+\.\d+\): update both, with /,
    )
    expect(said).toMatch(/What is missing: Cannot find package 'openclaw'/)
    expect(said.trim().split('\n').length).toBe(1)
  }
})
