// From rounds to a verdict: the relay beside a peer within each round, then the median of the rounds and their spread.

/**
 * One line of the table.
 * @param {import('./scenarios.mjs').Metric} metric
 * @param {Record<string, object>[]} rounds the driver's figures by system, round by round
 * @param {{ storage: string, isQuick: boolean }} run
 */
export function judge(metric, rounds, { storage, isQuick }) {
  const { field, against, most, least } = metric
  const relay = rounds.map((round) => round.relay?.[field]).filter(Number.isFinite)
  const peer = against ? rounds.map((round) => round[against]?.[field]).filter(Number.isFinite) : []
  const pairs = rounds.map((round) => [round.relay?.[field], round[against]?.[field]])
  const values = against ? pairs.map(([relay, peer]) => relay / peer).filter(Number.isFinite) : relay
  const line = { ...metric, relay: median(relay), peer: median(peer), ...spread(values) }
  const isLimited = most !== undefined || least !== undefined
  const holdsHere = (!metric.storage || metric.storage === storage) && !(metric.fullOnly && isQuick)
  if (!isLimited || !holdsHere || values.length === 0) return line
  return { ...line, met: most === undefined ? line.median >= least : line.median <= most }
}

/** The median, the smallest and the largest of some values. */
export function spread(values) {
  if (values.length === 0) return { median: null, min: null, max: null, rounds: 0 }
  return { median: median(values), min: Math.min(...values), max: Math.max(...values), rounds: values.length }
}

/** The middle value; of an even number of them, the mean of the two in the middle. */
export function median(values) {
  if (values.length === 0) return null
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}
