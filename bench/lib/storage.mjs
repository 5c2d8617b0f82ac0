// Where workerd's storage goes: memory, for figures of CPU, or a disk, for figures of what a commit costs.

import { mkdirSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Fix } from '../../scripts/lib/say.mjs'

/** A folder of this run on `tmpfs` or `disk`, removed when the process ends. */
export function storageFolder(storage) {
  folders[storage] ??= newFolder(storage)
  return folders[storage]
}

function newFolder(storage) {
  const parent = storage === 'tmpfs' ? '/dev/shm' : tmpdir()
  const isTmpfs = statfsSync(parent).type === TMPFS
  if (storage === 'tmpfs' && !isTmpfs) throw new Fix(`${parent} is no tmpfs: mount one, or run with --disk`)
  if (storage === 'disk' && isTmpfs) throw new Fix(`${parent} is a tmpfs: set TMPDIR to a folder on a disk`)
  const folder = join(parent, `claw-bench-${process.pid}`)
  mkdirSync(folder, { recursive: true })
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  return folder
}

const folders = {}
/** `TMPFS_MAGIC` of linux/magic.h. */
const TMPFS = 0x01021994
