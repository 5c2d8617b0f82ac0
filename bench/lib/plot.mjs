// Line plots as plain SVG: no script, no font of ours, light or dark as the reader's system is.

/**
 * @param {{ title: string, note?: string, x: Axis, y: Axis, series: { name: string, points: Point[] }[] }} plot
 * @typedef {{ label: string, log?: boolean, ticks?: number[], format?: (value: number) => string }} Axis the label
 *   names the unit; ticks are chosen unless given
 * @typedef {[x: number, y: number, min?: number, max?: number]} Point with the spread of its rounds
 */
export function linePlot({ title, note = '', x, y, series }) {
  const points = series.flatMap(({ points }) => points)
  if (points.length === 0) throw new Error(`nothing to plot: ${title}`)
  const across = scale(
    x,
    points.map(([x]) => x),
    [LEFT, WIDTH - RIGHT],
  )
  const heights = points.flatMap(([, y, min, max]) => [y, min ?? y, max ?? y])
  const up = scale(y, y.log ? heights : [0, ...heights], [HEIGHT - BOTTOM, TOP])
  const lines = series.map(({ name, points }, at) => seriesSvg(name, points, at, { across, up }))
  const notes = wrapped(note).map(
    (line, at) => `<text class="note" x="${LEFT}" y="${HEIGHT - 34 + at * 15}">${quoted(line)}</text>`,
  )
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${quoted(title)}">
<style>${STYLE}</style>
<rect class="paper" width="${WIDTH}" height="${HEIGHT}"/>
<text class="title" x="${LEFT}" y="26">${quoted(title)}</text>
${across.ticks.map((tick) => xTick(tick, across, x)).join('\n')}
${up.ticks.map((tick) => yTick(tick, up, y)).join('\n')}
<text class="label" x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - BOTTOM + 38}" text-anchor="middle">${quoted(x.label)}</text>
<text class="label" transform="translate(18 ${(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" text-anchor="middle">${quoted(y.label)}</text>
${lines.join('\n')}
${notes.join('\n')}
</svg>
`
}

function seriesSvg(name, points, at, { across, up }) {
  const place = ([x, y]) => `${across.at(x).toFixed(1)},${up.at(y).toFixed(1)}`
  const bars = points
    .filter(([, , min, max]) => max > min)
    .map(([x, , min, max]) => {
      const [middle, from, to] = [across.at(x), up.at(min), up.at(max)].map((value) => value.toFixed(1))
      return `<line class="spread s${at}" x1="${middle}" x2="${middle}" y1="${from}" y2="${to}"/>`
    })
  const dots = points.map(
    ([x, y]) => `<circle class="s${at}" cx="${across.at(x).toFixed(1)}" cy="${up.at(y).toFixed(1)}" r="3.5"/>`,
  )
  const top = TOP + 10 + at * 18
  const legend = `<line class="line s${at}" x1="${WIDTH - RIGHT + 14}" x2="${WIDTH - RIGHT + 36}" y1="${top}" y2="${top}"/>
<text class="label" x="${WIDTH - RIGHT + 42}" y="${top + 4}">${quoted(name)}</text>`
  return `${bars.join('')}<polyline class="line s${at}" points="${points.map(place).join(' ')}"/>${dots.join('')}\n${legend}`
}

function xTick(value, across, axis) {
  const at = across.at(value).toFixed(1)
  return `<line class="grid" x1="${at}" x2="${at}" y1="${TOP}" y2="${HEIGHT - BOTTOM}"/><text class="tick" x="${at}" y="${HEIGHT - BOTTOM + 18}" text-anchor="middle">${quoted(said(value, axis))}</text>`
}

function yTick(value, up, axis) {
  const at = up.at(value).toFixed(1)
  return `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at}" y2="${at}"/><text class="tick" x="${LEFT - 8}" y="${Number(at) + 4}" text-anchor="end">${quoted(said(value, axis))}</text>`
}

/** Maps values onto pixels, and chooses ticks: powers of ten (and their 2 and 5) or round steps. */
function scale({ log, ticks }, values, [from, to]) {
  const [low, high] = [Math.min(...values), Math.max(...values)]
  const chosen = ticks ?? (log ? logTicks(low, high) : linearTicks(low, high))
  const [first, last] = [Math.min(low, chosen[0]), Math.max(high, chosen.at(-1))]
  const turn = log ? Math.log10 : (value) => value
  const span = turn(last) - turn(first) || 1
  const at = (value) => from + ((turn(value) - turn(first)) / span) * (to - from)
  return { ticks: chosen, at }
}

function logTicks(low, high) {
  if (low <= 0) throw new Error('a logarithmic axis takes positive values')
  const decades = []
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1)
    decades.push(10 ** power)
  const within = (tick, at, all) => (all[at + 1] ?? tick) >= low && (all[at - 1] ?? tick) <= high
  const few = decades.length > 3
  const ticks = few ? decades : decades.flatMap((decade) => [decade, 2 * decade, 5 * decade])
  return ticks.filter(within)
}

function linearTicks(low, high) {
  const rough = (high - low) / 5 || 1
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= rough)
  const count = Math.ceil(high / step) - Math.floor(low / step) + 1
  return Array.from({ length: count }, (_, at) => (Math.floor(low / step) + at) * step)
}

function said(value, { format }) {
  if (format) return format(value)
  const rounded = Number(value.toPrecision(6))
  return rounded >= 1000 ? rounded.toLocaleString('en') : String(rounded)
}

function wrapped(text) {
  const lines = ['']
  for (const word of text.split(' ')) {
    if (lines.at(-1).length + word.length > NOTE_CHARACTERS) lines.push('')
    lines[lines.length - 1] = `${lines.at(-1)} ${word}`.trim()
  }
  return lines.slice(0, NOTE_LINES_MAX)
}

const quoted = (text) => text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`)

const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [760, 460, 84, 150, 46, 100]
const NOTE_CHARACTERS = 92
const NOTE_LINES_MAX = 3
/** Colours that differ in lightness too, for those who do not see the hue. Without CSS variables, which few viewers know. */
const colours = ({ paper, ink, dim, grid, series }) => `
.paper { fill: ${paper} } .grid { stroke: ${grid} }
.title, .label { fill: ${ink} } .tick, .note { fill: ${dim} }
${series.map((colour, at) => `line.s${at}, polyline.s${at} { stroke: ${colour} } circle.s${at} { fill: ${colour} }`).join('\n')}`
const LIGHT = { paper: '#ffffff', ink: '#1f2328', dim: '#59636e', grid: '#d8dee4', series: ['#0550ae', '#bc4c00'] }
const DARK = { paper: '#0d1117', ink: '#f0f6fc', dim: '#9198a1', grid: '#30363d', series: ['#58a6ff', '#ffa657'] }
const STYLE = `
text { font: 13px system-ui, sans-serif }
.title { font-size: 16px; font-weight: 600 }
.tick, .note { font-size: 12px }
.grid { stroke-width: 1 }
.line { fill: none; stroke-width: 2 }
.spread { stroke-width: 1.5; opacity: .6 }
${colours(LIGHT)}
@media (prefers-color-scheme: dark) {${colours(DARK)}
}
`
