// npm run deploy: puts the relay into your Cloudflare account. What is there already is kept.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { capture, ROOT, run } from './lib/run.mjs'
import { Fix, main, say } from './lib/say.mjs'
import { newOperatorToken, newSecret } from './lib/secret.mjs'
import { install } from './lib/tools.mjs'

const CONFIG = join(ROOT, 'wrangler.toml')
const BUCKET = 'claw-relay-files'
/** As FILE_MS in protocol/src/limit.rs: what is older nobody can read any more. */
const FILE_DAYS = 7
const RULE = 'files-go-after-a-week'
const PLACEHOLDER = '00000000-0000-0000-0000-000000000000'

await main(async () => {
  await install()
  const account = await capture('wrangler', ['whoami'])
  if (account.code !== 0 || /not authenticated/i.test(account.stdout + account.stderr)) {
    throw new Fix('not signed in to Cloudflare: run "npx wrangler login", or set CLOUDFLARE_API_TOKEN')
  }
  await createDatabase()
  say('applying the D1 migrations')
  await run('wrangler', ['d1', 'migrations', 'apply', 'DB', '--remote'])
  await createBucket()
  const secrets = await missingSecrets()
  keepCopy(secrets)
  say('building and deploying')
  await deploy(secrets)
  if (secrets.OPERATOR_TOKEN) {
    say('your one-time operator token; it creates the first account and signs you in:')
    console.log(`\n  npm run admin -- sign-in https://<the address above> --token ${secrets.OPERATOR_TOKEN}\n`)
  }
})

/** Creates the database when wrangler.toml still has the placeholder, and writes its id there. */
async function createDatabase() {
  const config = readFileSync(CONFIG, 'utf8')
  if (!config.includes(PLACEHOLDER)) return
  say('creating the D1 database claw-relay')
  const { code, stdout, stderr } = await capture('wrangler', ['d1', 'create', 'claw-relay'])
  const [id] = stdout.match(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/) ?? []
  if (code !== 0 || !id) {
    throw new Fix(
      `no database was created: if one of this name exists, write its id into wrangler.toml\n${stdout}${stderr}`,
    )
  }
  writeFileSync(CONFIG, config.replace(PLACEHOLDER, id))
  say(`wrote its id ${id} into wrangler.toml: commit that`)
}

/** Creates the bucket for files, whose objects go after a week; unless wrangler.toml has none. */
async function createBucket() {
  if (!readFileSync(CONFIG, 'utf8').includes(`bucket_name = "${BUCKET}"`)) return
  const known = await capture('wrangler', ['r2', 'bucket', 'info', BUCKET])
  if (known.code !== 0) {
    say(`creating the R2 bucket ${BUCKET}`)
    const { code, stdout, stderr } = await capture('wrangler', ['r2', 'bucket', 'create', BUCKET])
    if (code !== 0) {
      throw new Fix(
        `no bucket for files: turn R2 on in the dashboard (10 GB are free), or take [[r2_buckets]] out of wrangler.toml, and the relay keeps no files\n${stdout}${stderr}`,
      )
    }
  }
  const rules = await capture('wrangler', ['r2', 'bucket', 'lifecycle', 'list', BUCKET])
  if (rules.code === 0 && rules.stdout.includes(RULE)) return
  const rule = [RULE, '', '--expire-days', String(FILE_DAYS), '--abort-multipart-days', '1', '--force']
  await run('wrangler', ['r2', 'bucket', 'lifecycle', 'add', BUCKET, ...rule])
}

/** New values for the secrets that this Worker has not yet. What it has is never read, and never replaced. */
async function missingSecrets() {
  const { code, stdout, stderr } = await capture('wrangler', ['secret', 'list', '--format', 'json'])
  const isNew = /10007|does not exist/.test(stdout + stderr)
  if (code !== 0 && !isNew) throw new Fix(`the secrets could not be listed:\n${stdout}${stderr}`)
  const known = code === 0 ? JSON.parse(stdout).map((secret) => secret.name) : []
  const fresh = { SIGNING_KEY: newSecret(), SEALING_KEY: newSecret(), OPERATOR_TOKEN: newOperatorToken() }
  return Object.fromEntries(Object.entries(fresh).filter(([name]) => !known.includes(name)))
}

/** Cloudflare never shows a secret again, and changing one without signing everyone out takes the one before. */
function keepCopy({ OPERATOR_TOKEN: _, ...keys }) {
  if (Object.keys(keys).length === 0) return
  const folder = join(process.env.XDG_STATE_HOME || join(homedir(), '.local', 'state'), 'claw-relay')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const file = join(folder, `secrets-${new Date().toISOString().replace(/[:.]/g, '-')}.json`)
  writeFileSync(file, `${JSON.stringify(keys, null, 2)}\n`, { mode: 0o600, flag: 'wx' })
  say(
    `wrote a copy of ${Object.keys(keys).join(', ')} to ${file}: put it where you keep passwords, and delete the file`,
  )
}

/** Uploads the Worker and, with its first version, its secrets, so that it never runs without. */
async function deploy(secrets) {
  const folder = mkdtempSync(join(tmpdir(), 'claw-relay-'))
  try {
    const file = join(folder, 'secrets.json')
    writeFileSync(file, JSON.stringify(secrets), { mode: 0o600 })
    await run('wrangler', ['deploy', ...(Object.keys(secrets).length > 0 ? ['--secrets-file', file] : [])])
  } finally {
    rmSync(folder, { recursive: true })
  }
}
