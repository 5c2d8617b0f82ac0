// One system under load: started for this alone on storage that nothing has touched, and gone afterwards.

import { rmSync } from 'node:fs'
import { Fix } from '../../scripts/lib/say.mjs'
import { SPEAKS_RELAY, startPeer } from './peers.mjs'
import { startRelay } from './relay.mjs'

/**
 * Starts the relay or a peer with its storage in `folder`, does `work` with it, and leaves nothing behind. When the work
 * fails, what the server printed last is part of the message.
 */
export async function withSystem(system, { folder, ...options }, work) {
  const server = await (system === 'relay' ? startRelay({ folder, ...options }) : startPeer(system, { folder }))
  try {
    return await work({ ...server, system: SPEAKS_RELAY.includes(system) ? 'relay' : 'plain' })
  } catch (error) {
    const output = server.output().trim().split('\n').slice(-LINES).join('\n  ')
    throw new Fix(output ? `${error.message}\n  the server's last words:\n  ${output}` : error.message)
  } finally {
    await server.stop()
    for (const path of [folder, `${folder}-d1`]) rmSync(path, { recursive: true, force: true })
  }
}

const LINES = 5
