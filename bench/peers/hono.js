// Hono in front of J1's object.

import { Hono } from 'hono'

export { J1 } from './j1.js'

const app = new Hono()
app.get('/healthz', (context) => context.text('ok'))
const forward = (context) => context.env.OBJECT.getByName(context.req.param('object')).fetch(context.req.raw)
app.post('/o/:object/messages', forward)
app.get('/o/:object/ws', forward)

export default app
