// What OpenClaw loads to show and set up the channel without running it.

import { load } from './host'

export default { plugin: load().plugin }
