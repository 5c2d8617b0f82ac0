// What the scripts print: one line per step, and one line for a mistake.

/** Prints a step. */
export function say(text) {
  console.log(`\x1b[36m▸\x1b[0m ${text}`)
}

/** A mistake that the person at the keyboard can mend: said in one line, without a stack trace. */
export class Fix extends Error {
  constructor(message, exitCode = 1) {
    super(message)
    this.exitCode = exitCode
  }
}

/** Runs a script's main function; a Fix is one line, anything else is a fault of ours with its stack. */
export async function main(run) {
  try {
    await run()
  } catch (error) {
    console.error(error instanceof Fix ? `\x1b[31m✗\x1b[0m ${error.message}` : error)
    process.exitCode = error.exitCode ?? 1
  }
}

/** For scripts of many parts: what one that broke off left behind is said, and does not end the others. */
export function keepGoing() {
  process.on('unhandledRejection', (error) => {
    console.error(error)
    process.exitCode = 1
  })
  // By process.exit, so that what was started is stopped.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(130))
}
