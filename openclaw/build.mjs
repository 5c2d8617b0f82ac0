// Builds dist/: the plugin as plain ES modules. Nothing is bundled but our own code; OpenClaw's SDK stays outside.

import { readFileSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const here = (path) => fileURLToPath(new URL(path, import.meta.url))
const { openclaw, version } = JSON.parse(readFileSync(here('package.json'), 'utf8'))

rmSync(here('dist'), { recursive: true, force: true })
await build({
  absWorkingDir: here('.'),
  entryPoints: ['src/index.ts', 'src/plugin.ts', 'src/setup.ts'],
  outdir: 'dist',
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node24',
  // index.js and setup.js load plugin.js themselves, to say in words when the OpenClaw around it does not fit.
  external: ['openclaw/*', './plugin.js'],
  define: { VERSION: JSON.stringify(version), MADE_FOR: JSON.stringify(openclaw.build.openclawVersion) },
  logLevel: 'warning',
})
