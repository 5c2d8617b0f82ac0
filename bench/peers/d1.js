// D1 as the relay's binding sees it, in a process of its own: SQLite in an object, spoken to over the HTTP protocol of
// workerd's own client (`cloudflare-internal:d1-api`). Counts the calls, and the rows that each read and wrote.

import { DurableObject } from 'cloudflare:workers'

/** Of the isolate: an object forgets when it is evicted. */
const counters = { calls: 0, rows_read: 0, rows_written: 0 }

export class Database extends DurableObject {
  /** `{sql, params}` or a list of them, run in one transaction. */
  async fetch(request) {
    const { pathname, searchParams } = new URL(request.url)
    if (pathname === '/counters') return Response.json(counters)
    const queries = await request.json()
    try {
      const results = this.ctx.storage.transactionSync(() => [queries].flat().map((query) => this.#run(query)))
      counters.calls += 1
      for (const { meta } of results) {
        counters.rows_read += meta.rows_read
        counters.rows_written += meta.rows_written
      }
      const asAsked = searchParams.get('resultsFormat') === 'ROWS_AND_COLUMNS' ? results : results.map(asObjects)
      return Response.json(asAsked)
    } catch (error) {
      return Response.json({ success: false, error: error.message })
    }
  }

  #run({ sql, params }) {
    const began = performance.now()
    const cursor = this.ctx.storage.sql.exec(sql, ...(params ?? []))
    const results = { columns: cursor.columnNames, rows: [...cursor.raw()] }
    const { rowsRead: rows_read, rowsWritten: rows_written } = cursor
    const meta = { duration: performance.now() - began, rows_read, rows_written, changes: rows_written }
    return { success: true, results, meta }
  }
}

function asObjects({ success, results: { columns, rows }, meta }) {
  const object = (row) => Object.fromEntries(row.map((value, at) => [columns[at], value]))
  return { success, results: rows.map(object), meta }
}

export default {
  fetch(request, env) {
    if (new URL(request.url).pathname === '/healthz') return new Response('ok')
    return env.OBJECT.getByName('db').fetch(request)
  },
}
