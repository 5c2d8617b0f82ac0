// npm run bench:report: writes the figures of the last runs (target/bench/results.json) into docs/performance.md, between
// its markers. Nothing there is written by hand.

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../scripts/lib/run.mjs'
import { Fix, main, say } from '../scripts/lib/say.mjs'
import { RESULTS } from './lib/results.mjs'
import { cells, HEAD } from './lib/table.mjs'

const PAGE = join(ROOT, 'docs', 'performance.md')
const MARKERS = ['<!-- figures: npm run bench:report -->', '<!-- end of figures -->']

await main(async () => {
  const { sections } = JSON.parse(readFileSync(RESULTS, 'utf8'))
  const page = readFileSync(PAGE, 'utf8')
  const [begin, end] = MARKERS.map((marker) => page.indexOf(marker))
  if (begin < 0 || end < begin) throw new Fix(`${PAGE} lacks ${MARKERS.join(' … ')}`)
  const figures = Object.entries(sections).map(([name, section]) => sectionText(name, section))
  const text = [MARKERS[0], runText(Object.values(sections)), ...figures, ''].join('\n\n')
  writeFileSync(PAGE, page.slice(0, begin) + text + page.slice(end))
  say(`wrote ${figures.length} sections into ${PAGE}`)
})

/** What measured, and where. */
function runText(sections) {
  const [{ machine, versions }] = sections
  const commands = [
    ...new Set(sections.map(({ command, commit, date }) => `\`${command}\` at ${commit}, ${date.slice(0, 10)}`)),
  ]
  const { cpu, cores, memory_gb, kernel } = machine
  const made = Object.entries(versions).map(([name, version]) => `${name} ${version}`)
  return `${cores} × ${cpu}, ${memory_gb} GB, ${kernel}; ${made.join(', ')}. Made by ${commands.join('; ')}.`
}

function sectionText(name, { lines, failure, text }) {
  if (failure) return `### ${name}\n\nNot measured: ${failure.split('\n')[0]}`
  const row = (values) => `| ${values.map((value) => value.replaceAll('|', '\\|')).join(' | ')} |`
  const table =
    lines?.length > 0 ? [row(HEAD), row(HEAD.map(() => '---')), ...lines.map((line) => row(cells(line)))] : []
  const sums = text ? ['', '```text', text.replace(/^\n/, '').trimEnd(), '```'] : []
  return [`### ${name}`, '', ...table, ...sums].join('\n')
}
