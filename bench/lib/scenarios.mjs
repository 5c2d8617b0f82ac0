// What is measured in rounds: the load, the systems side by side, and what the relay must reach.

/**
 * @typedef {{ target?: number, what: string, field: string, against?: string, most?: number, least?: number,
 *   storage?: string, fullOnly?: boolean }} Metric `field` is one of the driver's; beside `against` the limit is a
 *   ratio relay / peer of one round, without it a plain number. Without a limit it is shown and not judged. With
 *   `storage` the limit holds there alone, with `fullOnly` not in a quick run.
 * @typedef {{ name: string, load: string, options: object, quick?: object, disk?: object, own?: Record<string, object>,
 *   systems: string[], rounds?: number, quickRounds?: number, onDisk?: boolean, counted?: boolean,
 *   metrics: Metric[] }} Scenario `options` are the driver's; `quick`, `disk` and a system's `own` replace some of them.
 */

const EVERYONE = ['relay', 'j1', 'j2', 'partyserver', 'j0', 'agents', 'hono']

/** @type {Scenario[]} */
export const SCENARIOS = [
  ...[200, 2_048, 32_768].map((bytes) => ({
    name: named('webhook', bytes),
    load: 'webhook',
    options: { objects: 25, rate: 200, count: 1_000, warmup: 200, bytes },
    quick: { count: 300, warmup: 100 },
    systems: bytes === 200 ? EVERYONE : ['relay', 'j1', 'j2', 'partyserver'],
    quickSystems: ['relay', 'j1', 'j2', 'partyserver'],
    skipQuick: bytes !== 200,
    metrics: [
      { target: 1, what: 'p50', field: 'p50_us', against: 'j1', most: 1.15 },
      { target: 1, what: 'p99', field: 'p99_us', against: 'j1', most: 1.3 },
      { target: 1, what: 'CPU', field: 'cpu_us_per_message', against: 'j1', most: 1.15 },
      { target: 1, what: 'p50', field: 'p50_us', against: 'partyserver', most: 1 },
      { target: 1, what: 'CPU', field: 'cpu_us_per_message', against: 'partyserver' },
      // The same work in JavaScript: what of the distance to J1 is work, and what is ours.
      { what: 'p50', field: 'p50_us', against: 'j2' },
      { what: 'p99', field: 'p99_us', against: 'j2' },
      { what: 'CPU', field: 'cpu_us_per_message', against: 'j2' },
      { what: 'HTTP answer p50', field: 'answer_p50_us', against: 'j1' },
      { what: 'HTTP answer p99', field: 'answer_p99_us', against: 'j1' },
      ...(bytes === 200 ? ['j0', 'agents', 'hono'] : []).flatMap((against) => [
        { what: 'p50', field: 'p50_us', against },
        { what: 'CPU', field: 'cpu_us_per_message', against },
      ]),
    ],
  })),
  {
    name: 'webhook-most',
    load: 'webhook',
    // As fast as it goes, 16 in flight. Nobody answers: within the 400 open questions of a conversation.
    options: { objects: 25, rate: 0, count: 4_000, warmup: 200, bytes: 200 },
    quick: { count: 1_000, warmup: 100 },
    systems: ['relay', 'j1', 'j2', 'partyserver'],
    skipQuick: true,
    metrics: [
      { what: 'webhooks per second', field: 'per_second', against: 'j1' },
      { what: 'webhooks per second', field: 'per_second', against: 'j2' },
      { what: 'webhooks per second', field: 'per_second', against: 'partyserver' },
    ],
  },
  ...[200, 2_048, 32_768].map((bytes) => ({
    name: named('roundtrip', bytes),
    load: 'roundtrip',
    options: { objects: 10, rate: 100, count: bytes === 200 ? 500 : 300, warmup: 100, bytes },
    quick: { count: 200, warmup: 50 },
    systems: bytes === 200 ? ['relay', 'j0', 'j1', 'j2', 'partyserver', 'agents'] : ['relay', 'j0', 'j2'],
    quickSystems: ['relay', 'j0', 'j2'],
    skipQuick: bytes !== 200,
    metrics: [
      { target: 2, what: 'p50', field: 'p50_us', against: 'j0', most: 1.25 },
      { target: 2, what: 'p99', field: 'p99_us', against: 'j0', most: 1.25 },
      { target: 2, what: 'CPU', field: 'cpu_us_per_message', against: 'j0', most: 1.25 },
      ...(bytes === 200 ? ['j1', 'j2', 'partyserver', 'agents'] : ['j2']).flatMap((against) => [
        { what: 'p50', field: 'p50_us', against },
        { what: 'CPU', field: 'cpu_us_per_message', against },
      ]),
    ],
  })),
  durable('durable-1', { objects: 1, 'per-frame': 1, outstanding: 64, count: 10_000 }, { count: 2_000 }, [
    { target: 3, what: 'messages per second, frame by frame', least: 0.9 },
  ]),
  {
    ...durable('durable-16', { objects: 1, 'per-frame': 16, outstanding: 64, count: 10_000 }, { count: 2_000 }, [
      { target: 3, what: 'messages per second, 16 per frame', least: 8, storage: 'tmpfs' },
      { target: 3, what: 'messages per second, 16 per frame', least: 10, storage: 'disk' },
    ]),
    // J1 knows no batches: frame by frame here too.
    own: { j1: { 'per-frame': 1 } },
  },
  durable('durable-100', { objects: 100, 'per-frame': 1, outstanding: 4, count: 20_000 }, { count: 4_000 }, [
    { target: 4, what: 'messages per second, 100 objects', least: 0.95 },
  ]),
  {
    name: 'fanout',
    load: 'fanout',
    options: { sockets: 1_000, count: 30, bytes: 200 },
    quick: { count: 10 },
    systems: ['relay', 'j0'],
    metrics: [
      { target: 5, what: 'to the last of 1,000, p50', field: 'p50_us', against: 'j0', most: 1.1 },
      { what: 'to the last of 1,000, p99', field: 'p99_us', against: 'j0' },
    ],
  },
  {
    name: 'stream',
    load: 'stream',
    options: { objects: 8, streams: 1, tokens: 1_000, 'token-rate': 250, 'coalesce-ms': 50, 'token-bytes': 4 },
    quick: { tokens: 400 },
    own: { j0: { 'coalesce-ms': 0 } },
    systems: ['relay', 'j0'],
    metrics: [
      { target: 6, what: 'tokens per CPU-second', field: 'tokens_per_cpu_second', against: 'j0', least: 5 },
      // Held back for a window it would come 30 to 50 ms later.
      { target: 6, what: 'first token p50, µs', field: 'first_p50_us', most: 5_000 },
      { what: 'first token p50', field: 'first_p50_us', against: 'j0' },
      { what: 'first token p99', field: 'first_p99_us', against: 'j0' },
    ],
  },
  {
    name: 'drain',
    load: 'drain',
    options: { count: 10_000, bytes: 200, mode: 'rows' },
    quick: { count: 4_000 },
    systems: ['relay', 'j1'],
    quickRounds: 1,
    metrics: [
      { target: 7, what: 'messages per second, in order', field: 'per_second', against: 'j1', least: 10 },
      {
        target: 7,
        what: 'until all are there, ms (10,000 in full)',
        field: 'total_ms',
        most: 300,
        storage: 'tmpfs',
        fullOnly: true,
      },
    ],
  },
  {
    name: 'drain-blast',
    load: 'drain',
    // J1 without acknowledgements or limits: what the wire could carry, and no relay should do.
    options: { count: 10_000, bytes: 200, mode: 'blast' },
    systems: ['relay', 'j1'],
    skipQuick: true,
    metrics: [{ what: 'messages per second, in order', field: 'per_second', against: 'j1' }],
  },
  {
    name: 'sockets',
    load: 'sockets',
    // Few objects, so that their databases, which J0 has not, do not count as sockets.
    options: { objects: 10, 'per-object': 500, 'idle-s': 15 },
    quick: { 'per-object': 200, 'idle-s': 12 },
    systems: ['relay', 'j0', 'j1'],
    rounds: 3,
    quickRounds: 1,
    metrics: [
      { target: 8, what: 'bytes per hibernated socket', field: 'rss_per_socket_bytes', against: 'j0', most: 1.02 },
      { what: 'bytes per hibernated socket', field: 'rss_per_socket_bytes', against: 'j1' },
    ],
  },
  {
    name: 'wake',
    load: 'wake',
    options: { objects: 50, 'idle-s': 13 },
    quick: { 'idle-s': 12 },
    systems: ['relay', 'j0', 'j2'],
    quickRounds: 1,
    metrics: [
      { target: 9, what: 'wake to first reply, p50', field: 'p50_us', against: 'j0', most: 1.5 },
      { what: 'wake to first reply, p99', field: 'p99_us', against: 'j0' },
      { what: 'wake to first reply, p50', field: 'p50_us', against: 'j2' },
    ],
  },
  {
    name: 'soak',
    load: 'soak',
    options: { objects: 200, count: 1_000_000, bytes: 200 },
    quick: { objects: 50, count: 20_000 },
    systems: ['relay'],
    rounds: 1,
    quickRounds: 1,
    // Counted, for the size of the Wasm memory; nothing here is a time.
    counted: true,
    metrics: [
      // Flat: a million messages more take less than a megabyte more. Less than a million are lost in the noise.
      { target: 8, what: 'growth, bytes per message', field: 'slope_bytes_per_message', most: 1, fullOnly: true },
      { target: 8, what: 'Wasm memory, bytes', field: 'wasm_bytes', most: 4 * 1024 * 1024 },
    ],
  },
]

function named(load, bytes) {
  return bytes === 200 ? load : `${load}-${bytes / 1024}k`
}

/** Stored messages a second, against J1's; `limits` are what the relay must reach. */
function durable(name, options, disk, limits) {
  return {
    name,
    load: 'durable',
    options: { ...options, bytes: 200 },
    quick: { count: 2_000 },
    disk,
    systems: ['relay', 'j1', 'j2'],
    onDisk: true,
    metrics: [
      ...limits.map((limit) => ({ ...limit, field: 'per_second', against: 'j1' })),
      { what: 'CPU', field: 'cpu_us_per_message', against: 'j1' },
      { what: 'messages per second', field: 'per_second', against: 'j2' },
      { what: 'CPU', field: 'cpu_us_per_message', against: 'j2' },
    ],
  }
}
