// The table that the suite prints: a line per scenario.

const COLUMNS = {
  name: 'scenario',
  accepted: 'accepted',
  delivered: 'delivered',
  answers: 'at platform',
  kills: 'kills',
  reconnects: 'reconnects',
  lost: 'lost',
  doubled: 'doubled',
  disordered: 'out of order',
  seconds: 'seconds',
}

export function printTable(rows) {
  const cell = (value) => (typeof value === 'number' ? String(Math.round(value * 10) / 10) : (value ?? '–'))
  const lines = [COLUMNS, ...rows].map((row) => Object.keys(COLUMNS).map((key) => cell(row[key])))
  const widths = Object.keys(COLUMNS).map((_, n) => Math.max(...lines.map((line) => line[n].length)))
  const pad = (text, n) => (n === 0 ? text.padEnd(widths[n]) : text.padStart(widths[n]))
  lines.forEach((line, n) => {
    const { note = '', violations = [] } = rows[n - 1] ?? {}
    const mark = n === 0 ? ' ' : violations.length > 0 ? '✗' : '✓'
    console.log(`  ${mark} ${line.map(pad).join('  ')}`)
    if (note) console.log(`      ${note}`)
  })
}
