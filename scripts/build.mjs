// npm run build: installs what is missing and builds the Worker and the page. `wrangler deploy` and `wrangler dev`
// call it too (wrangler.toml, [build]).

import { buildWeb, buildWorker } from './lib/build.mjs'
import { main } from './lib/say.mjs'
import { install } from './lib/tools.mjs'

await main(async () => {
  const tools = await install()
  await buildWorker(tools)
  await buildWeb()
})
