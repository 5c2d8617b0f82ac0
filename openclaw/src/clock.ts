// Time, passed in so that tests move it.

export interface Clock {
  now(): number
  after(ms: number, run: () => void): Timer
  cancel(timer: Timer): void
}
export type Timer = unknown
