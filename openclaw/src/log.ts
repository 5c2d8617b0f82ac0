// Where lines for the operator go. They carry ids and states, never texts or keys.

export interface Log {
  info(line: string): void
  warn(line: string): void
  error(line: string): void
}
