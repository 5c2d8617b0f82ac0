// Everything that a fresh machine lacks, installed once and kept by version: npm packages in node_modules, Rust tools
// in ~/.cache/claw-relay. Nothing comes from GitHub, so that a registry mirror is enough.

import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { capture, ROOT, run } from './run.mjs'
import { Fix, say } from './say.mjs'

const CACHE = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'claw-relay')
const NODE_MIN = [20, 19]
const RUST_MIN = [1, 91]
/** OpenClaw wants Node 24.16 or newer; npm has it as a package. */
const OPENCLAW_NODE = '24.21.0'

/** Installs what building and running need, and answers where the Rust tools are. */
export async function install() {
  checkNode()
  await checkRust()
  await installPackages(ROOT, 'installing npm packages (about 1 min)')
  await installWasmTarget()
  const locked = lockedVersions()
  return {
    wasmBindgen: await cargoTool('wasm-bindgen-cli', locked['wasm-bindgen'], 'wasm-bindgen'),
    workerBuild: await cargoTool('worker-build', locked.worker, 'worker-build'),
  }
}

/** Where Chromium is; installed from Debian's packages when the machine has none. */
export async function chromium() {
  const known = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
  const found = [process.env.CHROMIUM, ...known].find((path) => path && existsSync(path))
  if (found) return found
  if (!existsSync('/usr/bin/apt-get') || process.getuid() !== 0) {
    throw new Fix('no Chromium: install it (Debian: apt-get install chromium) or set CHROMIUM to its path')
  }
  say('installing Chromium and fonts from the system packages (about 2 min)')
  await run('apt-get', ['-qq', 'update'])
  const packages = ['chromium', 'fonts-noto-cjk', 'fonts-noto-color-emoji']
  const options = ['-qq', '-y', '--no-install-recommends', '-o', 'Dpkg::Use-Pty=0', 'install']
  await run('apt-get', [...options, ...packages], { env: { DEBIAN_FRONTEND: 'noninteractive' } })
  return '/usr/bin/chromium'
}

/**
 * A program of a package from PyPI, installed into the cache once per version; null, with the reason said, on a machine
 * without Python.
 * @param {string} name @param {string} version
 * @param {{ extra?: string, program?: string }} [options] what else of the package is needed; `python`, which imports it.
 */
export async function pythonTool(name, version, { extra = '', program = name } = {}) {
  const root = join(CACHE, `${name}-${version}`)
  const path = join(root, 'bin', program)
  const stamp = join(root, '.claw-relay')
  if (existsSync(stamp)) return path
  say(`installing ${name} ${version} from PyPI into ${root} (about 1 min)`)
  const made = await capture('python3', ['-m', 'venv', root]).catch((error) => ({ code: 1, stderr: error.message }))
  if (made.code !== 0) {
    say(`no ${name}: python3 with venv is missing (Debian: apt-get install python3-venv): ${made.stderr}`)
    return null
  }
  const wanted = `${name}${extra && `[${extra}]`}==${version}`
  await run(join(root, 'bin', 'pip'), ['install', '--quiet', '--disable-pip-version-check', wanted])
  writeFileSync(stamp, '')
  return path
}

/**
 * The OpenClaw that the plugin was made for, installed into the cache once per version, 850 MB; answers how to run it.
 * Nothing of it runs while it is installed.
 */
export async function openClaw() {
  const plugin = JSON.parse(readFileSync(join(ROOT, 'openclaw', 'package.json'), 'utf8'))
  const version = plugin.openclaw.build.openclawVersion
  const node = `node-${process.platform}-${process.arch}`
  const root = join(CACHE, `openclaw-${version}`)
  const program = join(root, 'node_modules', 'openclaw', 'openclaw.mjs')
  if (!existsSync(program)) {
    say(`installing OpenClaw ${version} and Node ${OPENCLAW_NODE} from npm into ${root} (850 MB, 1 to 5 min)`)
    const began = Date.now()
    // Renamed when it is whole: one that was broken off is not taken for it.
    const fresh = `${root}-${process.pid}`
    mkdirSync(fresh, { recursive: true })
    const dependencies = { openclaw: version, [node]: OPENCLAW_NODE }
    writeFileSync(join(fresh, 'package.json'), JSON.stringify({ private: true, dependencies }))
    const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
    try {
      await run('npm', ['install', ...options], { cwd: fresh })
      renameSync(fresh, root)
    } catch (error) {
      rmSync(fresh, { recursive: true, force: true })
      throw new Fix(
        `OpenClaw ${version} could not be installed: ${error.message}. Its tests need 850 MB in ${CACHE} and an npm registry that has it; without CLAW_RELAY_OPENCLAW they are skipped`,
      )
    }
    say(`OpenClaw is installed after ${((Date.now() - began) / 1000).toFixed(0)} s`)
  }
  return { bin: join(root, 'node_modules', node, 'bin'), program }
}

function checkNode() {
  if (!atLeast(process.versions.node, NODE_MIN)) {
    throw new Fix(`Node ${process.versions.node} is too old: install Node ${NODE_MIN.join('.')} or newer (nodejs.org)`)
  }
}

async function checkRust() {
  const found = await capture('cargo', ['--version']).catch(() => null)
  if (found?.code !== 0) throw new Fix('cargo is missing: install Rust from https://rustup.rs, then run this again')
  const version = found.stdout.split(' ')[1] ?? ''
  if (!atLeast(version, RUST_MIN)) {
    throw new Fix(`Rust ${version} is too old: run "rustup update stable" for ${RUST_MIN.join('.')} or newer`)
  }
}

/** Installs the npm packages of a folder, once per lock file; `what` is said when there is something to do. */
export async function installPackages(folder, what) {
  const lock = readFileSync(join(folder, 'package-lock.json'))
  const stamp = join(folder, 'node_modules', '.claw-relay')
  const wanted = createHash('sha256').update(lock).digest('hex')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return
  say(what)
  // Not `npm ci`: it refuses a lock file made where the registry lacks other systems' optional packages. With --no-save
  // the lock file is obeyed and left alone. Not with the Node inside node_modules, which may be replaced.
  const path = process.env.PATH.split(':').filter((entry) => !entry.includes('node_modules'))
  await run('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: folder,
    env: { PATH: path.join(':') },
  })
  writeFileSync(stamp, wanted)
}

async function installWasmTarget() {
  const sysroot = (await capture('rustc', ['--print', 'sysroot'])).stdout.trim()
  if (existsSync(join(sysroot, 'lib', 'rustlib', 'wasm32-unknown-unknown'))) return
  say('adding the Rust target wasm32-unknown-unknown')
  const added = await capture('rustup', ['target', 'add', 'wasm32-unknown-unknown']).catch((error) => error)
  if (added.code !== 0) {
    throw new Fix(
      `no target wasm32-unknown-unknown: run "rustup target add wasm32-unknown-unknown" (${added.stderr ?? added.message})`,
    )
  }
}

/** Installs a program from crates.io into the cache, once per version. A debug build halves the wait. */
export async function cargoTool(crate, version, binary) {
  const root = join(CACHE, `${crate}-${version}`)
  const path = join(root, 'bin', binary)
  if (existsSync(path)) return path
  say(`installing ${crate} ${version} into ${root} (about 2 min)`)
  mkdirSync(root, { recursive: true })
  await run('cargo', ['install', crate, '--version', version, '--locked', '--debug', '--quiet', '--root', root])
  return path
}

/** Versions from Cargo.lock: a tool must equal the library that it goes with. */
function lockedVersions() {
  const lock = readFileSync(join(ROOT, 'Cargo.lock'), 'utf8')
  const packages = lock.matchAll(/name = "([^"]+)"\nversion = "([^"]+)"/g)
  return Object.fromEntries([...packages].map(([, name, version]) => [name, version]))
}

function atLeast(version, minimum) {
  const [major, minor] = version.split('.').map(Number)
  return major > minimum[0] || (major === minimum[0] && minor >= minimum[1])
}
