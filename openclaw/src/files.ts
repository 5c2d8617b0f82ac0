// Files beside messages: read from the relay, and given to it (docs/protocol.md, `/v1/files`).

import { file as decodeFile } from '../../web/src/lib/codec'
import type { File } from '../../web/src/lib/frame'
import type { Account } from './account'
import { type Around, mayPass, patiently, Refused, saidBy } from './patience'

/** The bytes of a file, and what they are. */
export interface Bytes {
  bytes: Uint8Array
  mediaType: string
}

/** Reads a file. Throws why not, in words for whoever asked. */
export async function download(account: Account, file: File, around: Around, signal?: AbortSignal): Promise<Bytes> {
  if ((file.bytes ?? 0) > FILE_BYTES_MAX) throw new Error(TOO_LARGE)
  const url = addressOf(account, file)
  return patiently(around, signal, TRANSFER_WITHIN_MS, async (signal) => {
    const response = await around.fetch(url, { redirect: 'manual', signal })
    await mustBeOk(response)
    const mediaType = response.headers.get('content-type') ?? file.media_type ?? 'application/octet-stream'
    return { bytes: await read(response), mediaType: mediaType.split(';')[0]!.trim().toLowerCase() }
  })
}

/** Gives a file to the relay. Answers what to put beside a message, or throws why not. */
export async function upload(
  account: Account,
  name: string,
  { bytes, mediaType }: Bytes,
  around: Around,
  signal?: AbortSignal,
): Promise<File> {
  if (account.mistake !== null) throw new Error(account.mistake)
  if (bytes.byteLength === 0) throw new Error('it is empty')
  if (bytes.byteLength > FILE_BYTES_MAX) throw new Error(TOO_LARGE)
  const url = `${account.relayUrl}/v1/files?name=${encodeURIComponent(name.toWellFormed())}`
  return patiently(around, signal, TRANSFER_WITHIN_MS, async (signal) => {
    const response = await around.fetch(url, {
      method: 'POST',
      headers: { authorization: `Bearer ${account.token}`, 'content-type': mediaType },
      body: bytes as Uint8Array<ArrayBuffer>,
      signal,
    })
    await mustBeOk(response)
    return decodeFile(await response.json())
  })
}

/** Bytes in words. */
export function sizeOf(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`
  return bytes < 1_000_000 ? `${Math.ceil(bytes / 1_000)} KB` : `${(bytes / 1_000_000).toFixed(1)} MB`
}

/**
 * Where this relay has it. It may go by several names: the file's address has the one by which its message came, and the
 * account the one by which it is connected. So no address leads anywhere but to the relay.
 */
function addressOf(account: Account, file: File): string {
  const url = URL.canParse(file.url) ? new URL(file.url) : null
  if (!url?.pathname.startsWith('/v1/files/')) throw new Error("its address is none of the relay's")
  return `${account.relayUrl}${url.pathname}${url.search}`
}

async function read(response: Response): Promise<Uint8Array> {
  if (Number(response.headers.get('content-length') ?? 0) > FILE_BYTES_MAX) throw new Refused(TOO_LARGE)
  const pieces: Uint8Array[] = []
  let bytes = 0
  for await (const piece of response.body ?? []) {
    bytes += piece.byteLength
    if (bytes > FILE_BYTES_MAX) throw new Refused(TOO_LARGE)
    pieces.push(piece)
  }
  return Buffer.concat(pieces)
}

async function mustBeOk(response: Response): Promise<void> {
  if (response.ok) return
  const said = await saidBy(response)
  throw mayPass(response) ? new Error(said) : new Refused(said)
}

/** As docs/protocol.md §7 has them. */
const FILE_BYTES_MAX = 30_000_000
export const FILES_MAX = 10
const TOO_LARGE = 'it is larger than 30 MB'
/** The first who reads a file of a chat platform waits until the relay has fetched it. */
const TRANSFER_WITHIN_MS = 60_000
