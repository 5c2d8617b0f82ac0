// npm run fuzz: feeds every parser of the pure crates with inputs that libFuzzer mutates towards new code, for a bounded
// time. fuzz/README.md explains the targets and what to do with a crash.

import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { capture, environment, ROOT, run } from './lib/run.mjs'
import { Fix, main, say } from './lib/say.mjs'

const FUZZ = join(ROOT, 'fuzz')
const TARGETS = readdirSync(join(FUZZ, 'targets')).map((file) => file.replace('.rs', ''))
/** Coverage feedback on stable Rust: LLVM's own pass, asked for by name. */
const RUSTFLAGS = [
  '--cfg=fuzzing',
  '-Cpasses=sancov-module',
  '-Cllvm-args=-sanitizer-coverage-level=4',
  '-Cllvm-args=-sanitizer-coverage-inline-8bit-counters',
  '-Cllvm-args=-sanitizer-coverage-pc-table',
  '-Cllvm-args=-sanitizer-coverage-trace-compares',
  // Comparisons of strings stay calls, which libFuzzer watches: it finds "im.message.receive_v1" within seconds.
  '-Cllvm-args=-max-loads-per-memcmp=0',
]
/** Limits of one input: seconds, MiB, bytes. `fuzz/src/memory.rs` has narrower ones for memory. */
const LIMITS = ['-timeout=20', '-rss_limit_mb=1024', '-max_len=4096', `-dict=${join(FUZZ, 'words.dict')}`]
const SECONDS = 60
const SECONDS_SHORT = 5

await main(async () => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      jobs: { type: 'string' },
      minimise: { type: 'boolean' },
      seconds: { type: 'string' },
      short: { type: 'boolean' },
    },
  })
  const unknown = positionals.find((name) => !TARGETS.includes(name))
  if (unknown) throw new Fix(`${unknown}: no such target; there are ${TARGETS.join(', ')}`)
  const seconds = positive('--seconds', values.seconds, values.short ? SECONDS_SHORT : SECONDS)
  const jobs = positive('--jobs', values.jobs, Math.min(2, availableParallelism()))
  const targets = positionals.length ? positionals : TARGETS
  const folder = await build(targets)
  if (values.minimise) return minimise(folder, targets)

  say(`fuzzing ${targets.length} targets for ${seconds} s each`)
  const queue = [...targets]
  const failed = []
  const worker = async () => {
    for (let target = queue.shift(); target; target = queue.shift()) {
      if (!(await fuzz(folder, target, seconds, values.short))) failed.push(target)
    }
  }
  console.log(row('target', 'executions', 'exec/s', 'corpus', 'edges', 'features', 'crashes'))
  await Promise.all(Array.from({ length: jobs }, worker))
  if (failed.length)
    throw new Fix(`fuzzing found something: ${failed.join(', ')}; the commands to see it again are above`)
})

/** Builds the targets and answers the folder they are in. */
async function build(targets) {
  const compiler = process.env.CXX || 'c++'
  const found = await capture(compiler, ['--version']).catch(() => null)
  if (found?.code !== 0) {
    throw new Fix(
      `no C++ compiler (${compiler}), which libFuzzer needs: install one (Debian: apt-get install g++) or set CXX`,
    )
  }
  const host = (await capture('rustc', ['-vV'])).stdout.match(/^host: (.+)$/m)?.[1]
  if (!host?.includes('linux')) throw new Fix(`fuzzing runs on Linux; this is ${host}`)
  if (!existsSync(join(FUZZ, 'target', host))) say('building the fuzz targets (about 3 min the first time)')
  // With --target the flags are not for build scripts and macros, which could not be linked with them.
  const bins = targets.flatMap((target) => ['--bin', target])
  const options = ['--release', '--quiet', '--target', host, '--target-dir', join(FUZZ, 'target')]
  await run('cargo', ['build', ...options, ...bins], {
    cwd: FUZZ,
    env: { CARGO_ENCODED_RUSTFLAGS: RUSTFLAGS.join('\x1f'), RUSTFLAGS: '' },
  })
  return join(FUZZ, 'target', host, 'release')
}

/** Runs a target for a time and prints its row; false when it found something. */
async function fuzz(folder, target, seconds, isShort) {
  // A short run takes as long here as on a new machine: it does not begin with all that longer ones found.
  const found = isShort ? mkdtempSync(join(tmpdir(), 'claw-fuzz-')) : foundBy(target)
  const artifacts = join(FUZZ, 'artifacts')
  for (const path of [found, artifacts]) mkdirSync(path, { recursive: true })
  const options = [`-max_total_time=${seconds}`, '-print_final_stats=1', `-artifact_prefix=${artifacts}/${target}-`]
  // What is new goes into the first folder; the committed ones are only read.
  const folders = [found, corpusOf(target), join(FUZZ, 'regressions', target)].filter(existsSync)
  const { code, output } = await libfuzzer(folder, target, [...LIMITS, ...options, ...folders], seconds)
  if (isShort) rmSync(found, { recursive: true })
  const number = (pattern) => output.match(pattern)?.at(-1)?.match(/\d+/)?.[0] ?? '0'
  const executions = number(/number_of_executed_units: \d+/g)
  const speed = number(/average_exec_per_sec: +\d+/g)
  console.log(
    row(
      target,
      executions,
      speed,
      number(/corp: \d+/g),
      number(/cov: \d+/g),
      number(/ft: \d+/g),
      code === 0 ? '0' : '1',
    ),
  )
  if (code === 0 && Number(executions) > 0 && Number(number(/cov: \d+/g)) > 0) return true
  const artifact = output.match(/Test unit written to (\S+)/)?.[1]
  const said = output.split('\n').filter((line) => !/^(#\d|INFO|WARNING|Dictionary|Loaded|stat::)/.test(line))
  console.log(said.slice(0, 30).join('\n'))
  if (artifact) {
    console.log(`\nTo see it again:  ${join(folder, target)} ${artifact}`)
    console.log(`To make it small: ${join(folder, target)} -minimize_crash=1 -runs=10000 ${artifact}`)
  } else if (code === 0) {
    console.log(`${target} ran without coverage feedback: did this Rust drop a flag of scripts/fuzz.mjs?`)
  }
  return false
}

/** Keeps of the seeds, the committed corpus and what runs found the few inputs that together cover the most. */
async function minimise(folder, targets) {
  const seeds = mkdtempSync(join(tmpdir(), 'claw-fuzz-'))
  await run('node', [join(FUZZ, 'seeds.mjs'), seeds])
  for (const target of targets) {
    const kept = join(seeds, `${target}-kept`)
    mkdirSync(kept)
    mkdirSync(foundBy(target), { recursive: true })
    const sources = [join(seeds, target), corpusOf(target), foundBy(target)].filter(existsSync)
    // By edges alone, and cut: with the counts of how often, it would be six times as many.
    const options = [...LIMITS, '-max_len=1024', '-set_cover_merge=1', '-use_counters=0']
    const { code, output } = await libfuzzer(folder, target, [...options, kept, ...sources], 600)
    if (code !== 0) throw new Fix(`${target}: an input of the corpus fails; run it first\n${output.slice(-2000)}`)
    // The same input has the same name, so that a diff shows what is new.
    for (const name of readdirSync(kept)) renameSync(join(kept, name), join(kept, shortName(join(kept, name))))
    rmSync(corpusOf(target), { recursive: true, force: true })
    cpSync(kept, corpusOf(target), { recursive: true })
    const names = readdirSync(corpusOf(target))
    const bytes = names.reduce((sum, name) => sum + statSync(join(corpusOf(target), name)).size, 0)
    say(`${target}: ${names.length} inputs, ${(bytes / 1024).toFixed(1)} KiB`)
  }
  rmSync(seeds, { recursive: true })
}

/** Runs a target to its end and answers what it said. It is stopped when it does not stop by itself. */
function libfuzzer(folder, target, args, seconds) {
  return new Promise((resolve, reject) => {
    const child = spawn(join(folder, target), args, { env: environment(), stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    const patience = setTimeout(() => child.kill('SIGKILL'), (seconds + 120) * 1000)
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (output += data))
    child.once('error', reject)
    child.once('close', (code, signal) => {
      clearTimeout(patience)
      resolve({ code: code ?? signal, output })
    })
  })
}

function corpusOf(target) {
  return join(FUZZ, 'corpus', target)
}

/** What runs on this machine found, kept between them. */
function foundBy(target) {
  return join(FUZZ, 'target', 'found', target)
}

function shortName(path) {
  return createHash('sha1').update(readFileSync(path)).digest('hex').slice(0, 10)
}

function row(target, ...numbers) {
  return `  ${target.padEnd(16)}${numbers.map((number) => number.padStart(12)).join('')}`
}

function positive(option, text, fallback) {
  const number = Number(text ?? fallback)
  if (!Number.isInteger(number) || number < 1) throw new Fix(`${option} ${text}: a whole number, at least 1`)
  return number
}
