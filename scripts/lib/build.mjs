// Building what runs: the Worker (Wasm), the page, the agent.

import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { capture, ROOT, run } from './run.mjs'
import { Fix, say } from './say.mjs'

/** The Worker's bundle must stay below this, gzipped. */
const BUNDLE_BYTES_MAX = 500 * 1024
/**
 * Larger functions stay functions, even if they are called once: inlined into one of a hundred kilobytes, each local of
 * theirs has a number of its own, which takes two bytes and compresses badly (a tenth of the bundle, when measured).
 */
const INLINE_ONCE = '--one-caller-inline-max-function-size=15'
const BIN = join(ROOT, 'node_modules', '.bin')

/** Builds the Worker into build/, unless nothing it is made of changed. */
export async function buildWorker(tools) {
  const output = join(ROOT, 'build', 'index_bg.wasm')
  // Written last: a build that was broken off is not taken for a whole one.
  const stamp = join(ROOT, 'build', '.built')
  const sources = [
    'package-lock.json',
    'Cargo.toml',
    'Cargo.lock',
    'src',
    'relay/src',
    'relay/Cargo.toml',
    'protocol/src',
    'protocol/Cargo.toml',
  ]
  if (!isFresh(stamp, sources)) {
    say('building the Worker (about 2 min the first time)')
    // Without --package it would build the agent too, which is not for Wasm.
    await run(tools.workerBuild, ['--release', '--', '--package', 'claw-relay', '--quiet'], {
      env: {
        ESBUILD_BIN: join(BIN, 'esbuild'),
        WASM_BINDGEN_BIN: tools.wasmBindgen,
        WASM_OPT_BIN: join(BIN, 'wasm-opt'),
      },
    })
    await optimise(output)
    writeFileSync(stamp, '')
  }
  printBundle()
}

/** Builds the page and what is served beside it into web/dist/, unless nothing it is made of changed. */
export async function buildWeb() {
  await buildPage()
  await buildDescription()
}

/** Writes the description of the HTTP API, and a page to read it, into web/dist/. */
async function buildDescription() {
  const output = join(ROOT, 'web', 'dist', 'openapi.json')
  const sources = ['openapi/src', 'src/route.rs', 'protocol/src', 'relay/src/store', 'relay/src/hub']
  // The page's own build empties the folder.
  if (isFresh(output, sources)) return
  say('describing the HTTP API')
  const { code, stdout, stderr } = await capture('cargo', ['run', '--quiet', '--package', 'claw-relay-openapi'])
  if (code !== 0) throw new Fix(`the HTTP API could not be described:\n${stderr}`)
  const folder = join(ROOT, 'web', 'dist', 'docs')
  mkdirSync(folder, { recursive: true })
  const viewer = join(ROOT, 'node_modules', 'swagger-ui-dist')
  for (const name of ['swagger-ui.css', 'swagger-ui-bundle.js']) cpSync(join(viewer, name), join(folder, name))
  cpSync(join(ROOT, 'openapi', 'page'), folder, { recursive: true })
  writeFileSync(output, stdout)
}

async function buildPage() {
  const output = join(ROOT, 'web', 'dist', 'index.html')
  const sources = [
    'web/index.html',
    'web/package.json',
    'web/public',
    'web/src',
    'web/vite.config.ts',
    'package-lock.json',
  ]
  if (isFresh(output, sources)) return
  say('building the page')
  await run('npm', ['run', '--silent', 'build', '--workspace', 'web'])
}

/** Where the agent is once it is built. */
export const AGENT = join(process.env.CARGO_TARGET_DIR || join(ROOT, 'target'), 'debug', 'claw-agent')

/** Builds the agent. */
export async function buildAgent() {
  say('building the agent (about 2 min the first time)')
  await run('cargo', ['build', '--quiet', '--package', 'claw-agent'])
}

/** The features that rustc and wasm-bindgen use and workerd supports; not "all", which enables encodings it does not. */
async function optimise(path) {
  const features = [
    'bulk-memory',
    'exception-handling',
    'multivalue',
    'mutable-globals',
    'nontrapping-float-to-int',
    'reference-types',
    'sign-ext',
  ]
  const enable = features.map((feature) => `--enable-${feature}`)
  const began = Date.now()
  // -Oz makes fewer bytes and more gzipped ones.
  const passes = ['-Os', '-Os', INLINE_ONCE, '--strip-debug', '--strip-producers']
  await run(join(BIN, 'wasm-opt'), [path, '-o', path, ...passes, ...enable])
  say(`wasm-opt took ${((Date.now() - began) / 1000).toFixed(0)} s`)
}

function printBundle() {
  const bytes = ['index.js', 'index_bg.wasm'].map((name) => readFileSync(join(ROOT, 'build', name)))
  const gzipped = bytes.reduce((sum, file) => sum + gzipSync(file, { level: 9 }).length, 0)
  const kib = (size) => `${(size / 1024).toFixed(1)} KiB`
  say(`the Worker's bundle is ${kib(gzipped)} gzipped (limit ${kib(BUNDLE_BYTES_MAX)})`)
  if (gzipped > BUNDLE_BYTES_MAX) throw new Fix("the Worker's bundle is over its limit (scripts/lib/build.mjs)")
}

/** Whether `output` was made after the last change of every source. */
function isFresh(output, sources) {
  if (!existsSync(output)) return false
  const made = statSync(output).mtimeMs
  return sources.every((source) => newest(join(ROOT, source)) <= made)
}

function newest(path) {
  if (!existsSync(path)) return 0
  const { mtimeMs } = statSync(path)
  if (!statSync(path).isDirectory()) return mtimeMs
  return Math.max(mtimeMs, ...readdirSync(path).map((name) => newest(join(path, name))))
}
