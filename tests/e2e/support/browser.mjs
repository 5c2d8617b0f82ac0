// Chromium, as it runs on a machine without a network: its background services would be refused, many at a time.

import { chromium } from 'playwright-core'

export function launchBrowser() {
  return chromium.launch({ executablePath: process.env.CHROMIUM, args: FLAGS })
}

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]
