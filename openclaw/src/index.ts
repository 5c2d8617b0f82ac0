// What OpenClaw loads to run the channel.

import { load } from './host'

export default load().default
