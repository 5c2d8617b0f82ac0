// Text as the relay counts it. No TextEncoder here: the mini program has none.

/** The text of one message, in UTF-8 bytes (docs/protocol.md §7). */
export const TEXT_BYTES_MAX = 128 * 1024
/** One WebSocket message, in UTF-8 bytes. */
export const FRAME_BYTES_MAX = 1024 * 1024

/** How many bytes the text takes as UTF-8. */
export function utf8Bytes(text: string): number {
  let bytes = 0
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at)
    if (unit < 0x80) bytes += 1
    else if (unit < 0x800) bytes += 2
    else if (isHigh(unit) && isLow(text.charCodeAt(at + 1))) {
      bytes += 4
      at++
    } else bytes += 3
  }
  return bytes
}

/** The text with every half of a broken surrogate pair replaced: JSON with a lone one is refused by the relay. */
export function wellFormed(text: string): string {
  return text.replace(/[\uD800-\uDBFF][\uDC00-\uDFFF]|[\uD800-\uDFFF]/g, (units) =>
    units.length === 2 ? units : '\uFFFD',
  )
}

function isHigh(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff
}

function isLow(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff
}
