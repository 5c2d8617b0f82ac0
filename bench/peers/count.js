// The counters, and what counts without the relay knowing. Loaded before the relay's own modules, so that its Wasm
// instance is seen being made.

/** Adds up over all objects of this isolate since it began. */
export const counters = {
  /** Requests that Cloudflare bills by object: HTTP calls and alarms, and WebSocket messages that came in. */
  fetches: 0,
  alarms: 0,
  messages: 0,
  /** Rows, of SQL and of the key-value calls; a `setAlarm` is one written row more. */
  rows_read: 0,
  rows_written: 0,
  alarms_set: 0,
  /** How often an object came into memory. */
  wakes: 0,
  /** Time in which at least one handler of an object ran, timers included: what is billed as duration. */
  awake_ms: 0,
  /** Requests of the Worker in front. */
  requests: 0,
}

/** By object, as each was last seen: bytes of its database, and when its alarm fires. */
const objects = new Map()
const pending = []
let wasm

/** The counters now. */
export function read() {
  settle()
  const alarms = [...objects.values()].map(({ alarm }) => alarm).filter((alarm) => alarm !== null)
  return {
    ...counters,
    wasm_bytes: wasm?.exports.memory.buffer.byteLength,
    objects: objects.size,
    database_bytes: [...objects.values()].reduce((sum, { bytes }) => sum + bytes, 0),
    next_alarm_in_ms: alarms.length > 0 ? Math.min(...alarms) - Date.now() : null,
  }
}

/** A class that does what `Inner` does, and counts. */
export function counting(Inner) {
  return class {
    #inner
    #known
    #state
    #running = 0
    #since = 0

    constructor(state, env) {
      counters.wakes += 1
      const id = `${Inner.name} ${state.id}`
      this.#known = objects.get(id) ?? { bytes: 0, alarm: null }
      objects.set(id, this.#known)
      this.#state = state
      this.#inner = new Inner(countedState(state, this.#known), env)
    }

    fetch(request) {
      counters.fetches += 1
      return this.#measured(() => this.#inner.fetch(request))
    }

    alarm() {
      counters.alarms += 1
      this.#known.alarm = null
      return this.#measured(() => this.#inner.alarm())
    }

    webSocketMessage(...message) {
      counters.messages += 1
      return this.#measured(() => this.#inner.webSocketMessage(...message))
    }

    // Not billed as a request, but it runs.
    webSocketClose(...end) {
      return this.#measured(() => this.#inner.webSocketClose(...end))
    }

    webSocketError(...end) {
      return this.#measured(() => this.#inner.webSocketError(...end))
    }

    async #measured(handler) {
      if (this.#running++ === 0) this.#since = performance.now()
      try {
        return await handler()
      } finally {
        if (--this.#running === 0) counters.awake_ms += performance.now() - this.#since
        settle()
        this.#known.bytes = this.#state.storage.sql.databaseSize
      }
    }
  }
}

function countedState(state, known) {
  const sql = over(state.storage.sql, {
    exec(...statement) {
      settle()
      const cursor = state.storage.sql.exec(...statement)
      pending.push(cursor)
      return cursor
    },
  })
  const storage = over(state.storage, {
    sql,
    setAlarm(at, ...options) {
      counters.alarms_set += 1
      counters.rows_written += 1
      known.alarm = Number(at)
      return state.storage.setAlarm(at, ...options)
    },
    deleteAlarm(...options) {
      known.alarm = null
      return state.storage.deleteAlarm(...options)
    },
    get(...key) {
      counters.rows_read += 1
      return state.storage.get(...key)
    },
    put(...entry) {
      counters.rows_written += 1
      return state.storage.put(...entry)
    },
  })
  return over(state, { storage })
}

/** `target` with some properties in place of its own. Its methods still get the object that they insist on. */
function over(target, replaced) {
  return new Proxy(target, {
    get(_, name) {
      if (Object.hasOwn(replaced, name)) return replaced[name]
      const value = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

/** A cursor knows its rows once it was read to its end, which its statement's caller does at once. */
function settle() {
  for (const { rowsRead, rowsWritten } of pending.splice(0)) {
    counters.rows_read += rowsRead
    counters.rows_written += rowsWritten
  }
}

WebAssembly.Instance = class extends WebAssembly.Instance {
  constructor(...module) {
    super(...module)
    wasm = this
  }
}
