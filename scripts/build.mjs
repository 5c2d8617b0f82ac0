// npm run build: installs what is missing and builds the Worker and the page. `wrangler deploy` and `wrangler dev`
// call it too (wrangler.toml, [build]); the other scripts tell it by CLAW_RELAY_BUILT that it is done.

import { buildWeb, buildWorker } from './lib/build.mjs'
import { main } from './lib/say.mjs'
import { install } from './lib/tools.mjs'

await main(async () => {
  if (process.env.CLAW_RELAY_BUILT) return
  const tools = await install()
  await buildWorker(tools)
  await buildWeb()
})
