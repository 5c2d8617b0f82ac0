// The table: a line for each metric, plain text.

/**
 * One section's lines below its name. A line is what `judge` in ratio.mjs answers; with `isDifference` its limit is one
 * of relay - peer, with `isPlain` one of the relay's figure alone, whatever stands beside it.
 */
export function tableText(title, { lines, failure }) {
  const all = [HEAD, ...lines.map(cells)]
  const widths = HEAD.map((_, at) => Math.max(...all.map((row) => row[at].length)))
  // Names to the left, numbers to the right.
  const cell = (text, at) => (at === 1 || at === 3 ? text.padEnd(widths[at]) : text.padStart(widths[at]))
  const text = all.map((row) => `  ${row.map(cell).join('  ').trimEnd()}`).join('\n')
  return `\n${title}${failure ? `\n  FAILED: ${failure.split('\n')[0]}` : ''}\n${text}`
}

/** A line's cells, in the order of `HEAD`. */
export function cells(line) {
  return [
    line.target ? String(line.target) : '',
    line.what,
    number(line.relay),
    line.against ? `${line.against} ${number(line.peer)}`.trim() : '',
    line.against ? value(line) : '',
    line.rounds > 1 ? `${number(line.min)}..${number(line.max)}` : '',
    limit(line),
    line.met === undefined ? '' : line.met ? 'yes' : 'NO',
  ]
}

/** Three digits that count, without an exponent. */
export function number(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return '–'
  const size = Math.abs(value)
  if (size >= 1000) return Math.round(value).toLocaleString('en')
  if (size >= 100 || Number.isInteger(value)) return value.toFixed(0)
  return size >= 0.001 ? String(Number(value.toPrecision(3))) : value.toFixed(6)
}

/** The relay's figure through its peer's; or the difference, where that is what is limited. */
function value({ median, isDifference, isPlain, relay, peer }) {
  if (isDifference) return `${median >= 0 ? '+' : ''}${number(median)}`
  if (isPlain && peer === 0) return ''
  return `${number(isPlain ? relay / peer : median)}×`
}

function limit({ most, least, against, isDifference, isPlain }) {
  if (most === undefined && least === undefined) return ''
  const unit = against && !isDifference && !isPlain ? '×' : ''
  return `${most === undefined ? '≥' : '≤'} ${isDifference ? '+' : ''}${number(most ?? least)}${unit}`
}

/** What the cells are. */
export const HEAD = ['#', 'metric', 'relay', 'beside', 'ratio', 'spread', 'target', 'met']
