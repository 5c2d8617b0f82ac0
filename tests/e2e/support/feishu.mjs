// Feishu, as far as the relay can tell: the APIs it calls, which refuse what Feishu refuses, and the events it sends.
// Facts: open.feishu.cn; codes as in the reply and tenant_access_token references.

import { createCipheriv, createHash, randomBytes, randomUUID } from 'node:crypto'
import { form, json, must, serve } from './server.mjs'

export const APP = { app_id: 'cli_a1b2c3d4e5f60001', app_secret: 'app-secret-that-must-not-leak' }
export const ENCRYPT_KEY = 'encrypt-key-that-must-not-leak'
export const VERIFICATION_TOKEN = 'v-token-0001'
export const BOT = 'ou_bot000000000000000000000000000'

/** Starts the fake. `replies` are the messages that exist in chats: one per idempotency key. */
export async function startFeishu() {
  const fake = {
    /** Messages in chats: { messageId, text, type, uuid, token }; of a card, `text` is what it shows, and `card` it. */
    replies: [],
    /** What the organisation lets the bot do. */
    scopes: [
      'im:message:send_as_bot',
      'im:message.p2p_msg:readonly',
      'im:message.group_at_msg:readonly',
      'im:message:readonly',
      'im:resource',
    ],
    /** Messages that it may read, by id, as the platform says them, or `'hang'`; and those that it asked for. */
    messages: new Map(),
    read: [],
    /** People whom the bot may see, and about whom it asked. */
    people: new Map(),
    asked: [],
    /** Reactions on messages: { message, type, id, isGone }; how often they were listed, and how often refused. */
    reactions: [],
    listed: 0,
    mayReact: true,
    refusedReactions: 0,
    /** Cards by id: { shown: every text it had, sequence, streaming, buttons, at: when it was changed }. */
    cards: new Map(),
    /** Whether the app has the scope `cardkit:card:write`, and how often cards were asked for without. */
    mayDraw: true,
    refusedCards: 0,
    /** Answers the next uploads with these. */
    nextUpload: [],
    /** Answers the next calls about cards with these. */
    nextCard: [],
    /** Messages that were taken away again. */
    withdrawn: [],
    /** Every call of the reply API, also refused and repeated ones. */
    calls: [],
    /** Files that people sent: `message/key/type` → { bytes, type, name }; and those that the bot uploaded, by key. */
    resources: new Map(),
    uploads: new Map(),
    /** How often one was fetched. */
    fetched: 0,
    /** Every call of the API for a person or a card, also refused ones: neither for tokens nor for who the bot is. */
    apiCalls: 0,
    /** How many access tokens were given out. */
    tokens: 0,
    /** Answers the next calls of the reply API with these: [{ status, body, headers }]. */
    next: [],
    /** From now on the present access token is not good any more. */
    expireToken: () => valid.clear(),
    repliesTo: (messageId) => fake.replies.filter((reply) => reply.messageId === messageId),
  }
  const valid = new Set()
  const byUuid = new Map()

  const server = await serve(async (request, body, response) => {
    const { pathname } = new URL(request.url, 'http://fake')
    if (pathname === '/open-apis/auth/v3/tenant_access_token/internal') {
      must(request.method === 'POST', 'method of the token call')
      const { app_id, app_secret } = JSON.parse(body)
      if (app_id !== APP.app_id) return json(response, 200, { code: 10003, msg: 'invalid param' })
      if (app_secret !== APP.app_secret) return json(response, 200, { code: 10015, msg: 'app secret invalid' })
      fake.tokens += 1
      const token = `t-${fake.tokens}-${randomUUID()}`
      valid.add(token)
      return json(response, 200, { code: 0, msg: 'ok', tenant_access_token: token, expire: 7200 })
    }
    if (!/\/(bot\/v3\/info|application\/v6\/scopes)$/.test(pathname)) fake.apiCalls += 1
    const token = (request.headers.authorization ?? '').replace(/^Bearer /, '')
    if (!token) return json(response, 400, { code: 99991661, msg: 'Missing access token for authorization' })
    if (!valid.has(token)) return json(response, 400, { code: 99991663, msg: 'Invalid access token for authorization' })
    if (pathname === '/open-apis/bot/v3/info') {
      must(request.method === 'GET', 'method of the bot call')
      return json(response, 200, { code: 0, msg: 'ok', bot: { activate_status: 2, app_name: 'claw', open_id: BOT } })
    }
    if (pathname === '/open-apis/application/v6/scopes') {
      must(request.method === 'GET', 'method of the scopes call')
      const scopes = fake.scopes.map((scope_name) => ({ scope_name, grant_status: 1, scope_type: 'tenant' }))
      return json(response, 200, { code: 0, msg: 'success', data: { scopes } })
    }
    const [, messageId] = pathname.match(/^\/open-apis\/im\/v1\/messages\/([^/]+)\/reply$/) ?? []
    if (messageId) return reply(request, messageId, token, body, response)
    if (pathname === '/open-apis/im/v1/messages' && request.method === 'POST') {
      must(request.url.endsWith('?receive_id_type=chat_id'), 'what kind of id it is sent to')
      return reply(request, JSON.parse(body).receive_id, token, body, response)
    }
    const [, gone] = pathname.match(/^\/open-apis\/im\/v1\/messages\/([^/]+)$/) ?? []
    if (gone && request.method === 'DELETE') {
      const at = fake.replies.findIndex(({ id }) => id === gone)
      if (at < 0) return json(response, 400, { code: 230002, msg: 'no such message' })
      fake.withdrawn.push(...fake.replies.splice(at, 1))
      return json(response, 200, { code: 0, msg: 'success', data: {} })
    }
    if (gone && request.method === 'GET') {
      fake.read.push(gone)
      const item = fake.messages.get(gone)
      if (item === 'hang') return
      if (!item) return json(response, 400, { code: 230002, msg: 'Bot/User can NOT be out of the chat.' })
      return json(response, 200, { code: 0, msg: 'success', data: { items: [{ message_id: gone, ...item }] } })
    }
    const [, person] = pathname.match(/^\/open-apis\/contact\/v3\/users\/(.+)$/) ?? []
    if (person) {
      must(request.method === 'GET' && request.url.endsWith('?user_id_type=open_id'), 'what kind of id it asks about')
      fake.asked.push(decodeURIComponent(person))
      const user = fake.people.get(decodeURIComponent(person))
      if (!user) return json(response, 403, { code: 41050, msg: 'no user authority error' })
      return json(response, 200, { code: 0, msg: 'success', data: { user: { open_id: person, ...user } } })
    }
    const [, under, reaction] = pathname.match(/^\/open-apis\/im\/v1\/messages\/([^/]+)\/reactions(?:\/(.+))?$/) ?? []
    if (under) return react(request, under, reaction && decodeURIComponent(reaction), body, response)
    const [, of, key] = pathname.match(/^\/open-apis\/im\/v1\/messages\/([^/]+)\/resources\/([^/]+)$/) ?? []
    if (of) {
      must(request.method === 'GET', 'method of the resource call')
      const type = new URL(request.url, 'http://fake').searchParams.get('type')
      const resource = fake.resources.get(`${of}/${key}/${type}`)
      if (!resource) return json(response, 400, { code: 234003, msg: 'File not in msg.' })
      fake.fetched += 1
      const headers = { 'content-type': resource.type, 'content-disposition': `attachment; filename="${key}"` }
      if (resource.chunked) {
        response.writeHead(200, headers)
        response.write(resource.bytes.subarray(0, 100))
        return response.end(resource.bytes.subarray(100))
      }
      response.writeHead(200, { ...headers, 'content-length': resource.bytes.length })
      return response.end(resource.bytes)
    }
    if (pathname === '/open-apis/im/v1/images' || pathname === '/open-apis/im/v1/files') {
      must(request.method === 'POST', 'method of an upload')
      const scripted = fake.nextUpload.shift()
      if (scripted) return json(response, scripted.status, scripted.body)
      return upload(pathname.endsWith('images'), await form(request), response)
    }
    if (pathname.startsWith('/open-apis/cardkit/v1/cards')) return draw(request, pathname, body, response)
    json(response, 404, { code: 404, msg: `no such api ${request.method} ${pathname}` })
  })

  /** Adds a reaction, lists those of a kind, or takes one's own away. */
  function react(request, message, id, body, response) {
    must(message.startsWith('om_'), 'a message to react to')
    if (!fake.mayReact) {
      fake.refusedReactions += 1
      return json(response, 400, { code: 99991672, msg: 'Access denied. One of the following scopes is required' })
    }
    const ok = (data) => json(response, 200, { code: 0, msg: 'success', data })
    if (request.method === 'POST') {
      const { emoji_type: type } = JSON.parse(body).reaction_type
      must(/^(Typing|OnIt|Get|DONE)$/.test(type), 'the kind of a reaction')
      const reaction = { message, type, by: APP.app_id, id: `Z+${fake.reactions.length + 1}/n=` }
      fake.reactions.push({ ...reaction, atMs: Date.now(), isGone: false })
      return ok({ reaction_id: reaction.id, operator: { operator_id: APP.app_id, operator_type: 'app' } })
    }
    if (request.method === 'GET') {
      const type = new URL(request.url, 'http://fake').searchParams.get('reaction_type')
      const items = fake.reactions
        .filter((known) => known.message === message && known.type === type && !known.isGone)
        .map(({ id, by }) => ({ reaction_id: id, operator: { operator_id: by, operator_type: 'app' } }))
      const person = { reaction_id: 'of-alice', operator: { operator_id: 'ou_alice', operator_type: 'user' } }
      fake.listed += 1
      return ok({ has_more: false, items: [person, ...items] })
    }
    must(request.method === 'DELETE', 'method of a reaction call')
    const known = fake.reactions.find((known) => known.message === message && known.id === id && !known.isGone)
    if (!known) return json(response, 400, { code: 231007, msg: 'the reaction is not there, or not yours' })
    known.isGone = true
    ok({})
  }

  /** A picture of up to 10 MB, or a file of up to 30 MB. */
  function upload(isImage, fields, response) {
    const file = isImage ? fields.image : fields.file
    must(file?.bytes && file.name, 'the file of an upload')
    if (file.bytes.length === 0) return json(response, 400, { code: 234010, msg: 'empty' })
    if (file.bytes.length > (isImage ? 10_000_000 : 30_000_000)) {
      return json(response, 400, { code: 234006, msg: 'The file size exceed the max value.' })
    }
    if (isImage) must(fields.image_type === 'message' && /^image\//.test(file.type), 'fields of a picture')
    else must(/^(opus|mp4|pdf|doc|xls|ppt|stream)$/.test(fields.file_type) && fields.file_name, 'fields of a file')
    const key = `${isImage ? 'img' : 'file'}_v3_${fake.uploads.size + 1}`
    fake.uploads.set(key, { ...file, name: isImage ? file.name : fields.file_name })
    json(response, 200, { code: 0, msg: 'success', data: isImage ? { image_key: key } : { file_key: key } })
  }

  /** CardKit: made, its text changed, replaced whole. */
  function draw(request, pathname, body, response) {
    must(/^application\/json/.test(request.headers['content-type'] ?? ''), 'content type of a card call')
    const refuse = (code, msg) => json(response, 400, { code, msg })
    const done = (data = {}) => json(response, 200, { code: 0, msg: 'success', data })
    if (!fake.mayDraw) {
      fake.refusedCards += 1
      return refuse(99991672, 'Access denied. One of the following scopes is required: [cardkit:card:write]')
    }
    const scripted = fake.nextCard.shift()
    if (scripted) return json(response, scripted.status, scripted.body)
    const asked = JSON.parse(body)
    const [, id, rest] = pathname.match(/^\/open-apis\/cardkit\/v1\/cards(?:\/([^/]+)(\/.*)?)?$/)
    if (id === undefined) {
      must(request.method === 'POST' && asked.type === 'card_json', 'how a card is made')
      const card = { ...read(asked.data), sequence: 0, shown: [], at: [] }
      if (!card.streaming) return refuse(10002, 'a card that grows is in streaming mode')
      const made = `card_${fake.cards.size + 1}`
      fake.cards.set(made, { ...card, shown: [card.text] })
      return done({ card_id: made })
    }
    const card = fake.cards.get(id)
    if (!card) return refuse(200740, 'card missing')
    must(request.method === 'PUT' && Number.isInteger(asked.sequence) && asked.sequence < 2 ** 31, 'sequence')
    if (asked.sequence <= card.sequence) return refuse(300317, 'sequence not increasing')
    card.sequence = asked.sequence
    card.at.push(Date.now())
    if (rest === undefined) {
      must(asked.card?.type === 'card_json', 'what a card is replaced by')
      if (Buffer.byteLength(body) > 30 * 1024) return refuse(200860, 'card content exceeds limit')
      Object.assign(card, read(asked.card.data))
      card.shown.push(card.text)
      return done()
    }
    if (rest !== `/elements/${card.element}/content`) return refuse(300312, 'element not found')
    if (!card.streaming) return refuse(300309, 'streaming mode is closed')
    must(asked.content.length >= 1 && asked.content.length <= 100_000, 'content')
    card.text = asked.content
    card.shown.push(asked.content)
    done()
  }

  /** A card of schema 2.0, as far as it is used here. */
  function read(data) {
    const { schema, config, body } = JSON.parse(data)
    must(schema === '2.0' && config.update_multi === true, 'schema and update_multi')
    const elements = body.elements.filter(({ tag }) => tag === 'markdown')
    must(elements.length === 1 && /^[A-Za-z]\w{0,19}$/.test(elements[0].element_id), 'the text of the card')
    must(!/!\[|<at/.test(elements[0].content), 'neither pictures nor mentions')
    const buttons = body.elements.filter(({ tag }) => tag === 'button')
    for (const { text, behaviors } of buttons) {
      must(text.tag === 'plain_text' && behaviors[0].type === 'callback', 'a button')
    }
    return {
      text: elements[0].content,
      element: elements[0].element_id,
      streaming: config.streaming_mode === true,
      // What stands on each, and what comes back when it is pressed.
      buttons: buttons.map(({ text, behaviors }) => ({ label: text.content, value: behaviors[0].value })),
      // What stands there in place of buttons.
      chosen: body.elements.filter(({ tag }) => tag === 'div').map(({ text }) => text.content),
    }
  }

  /** The answer to a press on a message, as the platform takes it: it says something, and may be the card from now on. */
  fake.pressed = (id, { toast, card }) => {
    must(['info', 'success', 'warning', 'error'].includes(toast.type) && toast.content, 'a toast')
    if (!card) return
    const message = fake.replies.find((reply) => reply.id === id)
    must(message?.card && !message.card.streaming && card.type === 'raw', 'a card in place of one that is whole')
    Object.assign(message.card, read(JSON.stringify(card.data)))
  }

  function reply(request, messageId, token, body, response) {
    must(request.method === 'POST', 'method of the reply call')
    must(/^application\/json/.test(request.headers['content-type'] ?? ''), 'content type of the reply call')
    const scripted = fake.next.shift()
    const { content, msg_type, uuid } = JSON.parse(body)
    fake.calls.push({ messageId, uuid, at: Date.now() })
    if (scripted) return json(response, scripted.status, scripted.body, scripted.headers)
    must(typeof uuid === 'string' && uuid.length > 0 && uuid.length <= 50, 'uuid')
    const said = what(msg_type, JSON.parse(content))
    if (Buffer.byteLength(body) > (msg_type === 'text' ? 150 : 30) * 1024) {
      return json(response, 400, { code: 230025, msg: 'message is too long' })
    }
    // The same uuid within an hour: the message that is there already, and no second one.
    const known = byUuid.get(uuid)
    if (!known && said.card?.isSent) return json(response, 400, { code: 230099, msg: 'the card was sent already' })
    const message = known ?? { messageId, uuid, token, type: msg_type, id: `om_reply_${byUuid.size + 1}` }
    if (!known) {
      if (said.card) said.card.isSent = true
      const text = () => said.card?.text ?? said.text
      Object.defineProperty(message, 'text', { get: text, enumerable: true })
      message.card = said.card
      message.file = said.file
      byUuid.set(uuid, message)
      fake.replies.push(message)
    }
    json(response, 200, { code: 0, msg: 'success', data: { message_id: message.id, msg_type } })
  }

  /** What a message says. */
  function what(type, content) {
    if (type === 'interactive' && content.schema) {
      // A card that does not grow, as it is.
      const card = read(JSON.stringify(content))
      must(card.buttons.length > 0 && !card.streaming, 'a card with buttons')
      return { card }
    }
    if (type === 'interactive') {
      const card = fake.cards.get(content.data.card_id)
      must(content.type === 'card' && card, 'a card that was made')
      return { card }
    }
    if (['image', 'file', 'audio'].includes(type)) {
      const key = type === 'image' ? content.image_key : content.file_key
      must(fake.uploads.has(key), 'a key that an upload answered')
      return { text: `[${type}]`, file: fake.uploads.get(key) }
    }
    must(type === 'text' || type === 'post', 'msg_type')
    const node = type === 'post' ? content.zh_cn.content[0][0] : { tag: 'md', ...content }
    must(node.tag === 'md' && typeof node.text === 'string' && node.text.length > 0, 'content')
    return { text: node.text }
  }

  return Object.assign(fake, server)
}

/** A message event, schema 2.0. */
export function messageEvent(
  messageId,
  text,
  { chat = 'oc_1', by = 'ou_alice', group = false, mentions = [], type = 'text', content } = {},
) {
  return {
    schema: '2.0',
    header: {
      event_id: randomUUID(),
      event_type: 'im.message.receive_v1',
      create_time: String(Date.now()),
      token: VERIFICATION_TOKEN,
      app_id: APP.app_id,
      tenant_key: '2ca1d211f64f6438',
    },
    event: {
      sender: {
        sender_id: { union_id: 'on_1', user_id: null, open_id: by },
        sender_type: 'user',
        tenant_key: 't',
      },
      message: {
        message_id: messageId,
        create_time: String(Date.now()),
        update_time: String(Date.now()),
        chat_id: chat,
        chat_type: group ? 'group' : 'p2p',
        message_type: type,
        content: JSON.stringify(content ?? { text }),
        ...(mentions.length && { mentions }),
      },
    },
  }
}

/** A message was taken back. */
export function recallEvent(messageId, { chat = 'oc_1' } = {}) {
  const { header } = messageEvent(messageId, '')
  return {
    schema: '2.0',
    header: { ...header, event_type: 'im.message.recalled_v1' },
    event: {
      message_id: messageId,
      chat_id: chat,
      recall_time: String(Date.now()),
      recall_type: 'message_owner',
    },
  }
}

/** Somebody opened the chat with the bot, or (`group`) added it to one. */
export function enteredEvent(chat, { by = 'ou_alice', group = false, last } = {}) {
  const { header } = messageEvent('', '')
  const type = group ? 'im.chat.member.bot.added_v1' : 'im.chat.access_event.bot_p2p_chat_entered_v1'
  const id = { union_id: 'on_1', user_id: null, open_id: by }
  return {
    schema: '2.0',
    header: { ...header, event_type: type },
    event: { chat_id: chat, operator_id: id, ...(last && { last_message_id: last }) },
  }
}

/** A button of a card was pressed. */
export function pressEvent(value, { chat = 'oc_1', by = 'ou_alice', message = 'om_card' } = {}) {
  const { header } = messageEvent('', '')
  return {
    schema: '2.0',
    header: { ...header, event_type: 'card.action.trigger', create_time: String(Date.now() * 1000) },
    event: {
      operator: { tenant_key: 't', open_id: by, union_id: 'on_1' },
      token: 'c-295ee57216a5dc9de90fefd0aadb4b1d7dXXXX',
      action: { value, tag: 'button' },
      host: 'im_message',
      context: { open_message_id: message, open_chat_id: chat },
    },
  }
}

export const MENTION_BOT = {
  key: '@_user_1',
  id: { union_id: 'on_b', user_id: '', open_id: BOT },
  mentioned_type: 'bot',
  name: '助手',
  tenant_key: 't',
}
export const MENTION_TOM = {
  key: '@_user_2',
  id: { union_id: 'on_t', user_id: '', open_id: 'ou_tom' },
  mentioned_type: 'user',
  name: 'Tom',
  tenant_key: 't',
}

/** Encrypts as Feishu does: AES-256-CBC, key = SHA-256 of the Encrypt Key, the IV in front, base64. */
export function encrypt(event, key = ENCRYPT_KEY) {
  const iv = randomBytes(16)
  const cipher = createCipheriv('aes-256-cbc', createHash('sha256').update(key).digest(), iv)
  return Buffer.concat([iv, cipher.update(JSON.stringify(event), 'utf8'), cipher.final()]).toString('base64')
}

/** The headers and body of an encrypted, signed request. */
export function sign(event) {
  const body = JSON.stringify({ encrypt: encrypt(event) })
  return { body, headers: signatureOf(body) }
}

export function signatureOf(body) {
  const timestamp = String(Math.floor(Date.now() / 1000))
  const nonce = randomBytes(8).toString('hex')
  const signature = createHash('sha256')
    .update(timestamp + nonce + ENCRYPT_KEY + body)
    .digest('hex')
  return {
    'content-type': 'application/json; charset=utf-8',
    'x-lark-request-timestamp': timestamp,
    'x-lark-request-nonce': nonce,
    'x-lark-signature': signature,
  }
}
