// The relay as built, counted. For runs that count: what is measured in time runs without this.

import { WorkerEntrypoint } from 'cloudflare:workers'
import { counters, counting, read } from './count.js'
import * as relay from './index.js'

export const Hub = counting(relay.Hub)
export const Account = counting(relay.Account)

export default class extends WorkerEntrypoint {
  fetch(request) {
    if (new URL(request.url).pathname === '/__bench/counters') return Response.json(read())
    counters.requests += 1
    return new relay.default(this.ctx, this.env).fetch(request)
  }
}
