// QQ's official bots, as far as the relay can tell: the APIs it calls, which refuse what QQ refuses, and its events, signed
// with Ed25519. Facts: bot.q.qq.com, "签名校验", "发送消息", "发送单聊流式消息", "错误码". Which of several numbers QQ says for a
// window that is over is not documented: here it is one of each kind. Nor is what it says to a stream whose number comes again or
// which has ended: here that what was sent cannot be changed (40113003), as it does when that is tried.

import { createPrivateKey, createPublicKey, randomUUID, sign, verify } from 'node:crypto'
import { answerFile, read as fetched } from './files.mjs'
import { json, must, serve } from './server.mjs'

const BOT_ID = '7024880180391440000'

const ACCOUNT = {
  id: 'main',
  platform: 'qq',
  default_user: 'me',
  app_id: '102000001',
  app_secret: 'qq-secret-that-must-not-leak',
  streaming: false,
}

export async function startQq() {
  const valid = new Set()
  /** Message → { path, at, replies: Set of msg_seq } */
  const messages = new Map()
  const fake = {
    account: ACCOUNT,
    secret: ACCOUNT.app_secret,
    ack: '{"op":12,"d":0}',
    sent: [],
    /** Files that people sent, by path: { bytes, type }; and those that QQ fetched, by file_info. */
    files: new Map(),
    uploads: new Map(),
    /** Answers the next of those calls. */
    nextUpload: [],
    calls: [],
    next: [],
    tokens: 0,
    /** What the bot may do. */
    may: { markdown: true, links: true, proactive: false, stream: true, withdraw: true },
    /** The next message is taken, and the answer to the call lost. */
    losesNext: false,
    /**
     * Calls that make a message grow, with their bodies; scripted answers for the next ones, or for those that a test picks; and
     * whether the next one that ends one is taken and its answer lost.
     */
    frames: [],
    nextFrame: [],
    refusesFrame: null,
    losesNextEnd: false,
    /** Messages that were recalled. */
    withdrawn: [],
    isListed: true,
    expireToken: () => valid.clear(),
    /** The message came so long ago. */
    cameBefore: (id, ms) => (messages.get(id).at -= ms),
    chatOf: ({ from = 'USER_ALICE', group, channel, dm }) =>
      channel ? `channels/${channel}` : dm ? `dms/${dm}` : group ? `v2/groups/${group}` : `v2/users/${from}`,
    /** Words of a person: alone with the bot, or mentioning it in a group, a channel, or as a member of a guild. */
    question(id, text, options = {}, more = {}) {
      const { from = 'USER_ALICE', group, channel, dm, t } = options
      const path = fake.chatOf(options)
      if (!messages.has(id)) messages.set(id, { path, at: Date.now(), replies: new Set() })
      const common = { id, timestamp: new Date().toISOString(), ...more }
      if (channel) {
        const content = `<@!${BOT_ID}> ${text}`
        const d = { ...common, channel_id: channel, guild_id: 'g1', author: { id: from, bot: false }, content }
        return event(t ?? 'AT_MESSAGE_CREATE', d)
      }
      if (dm) return event('DIRECT_MESSAGE_CREATE', { ...common, guild_id: dm, author: { id: from }, content: text })
      // Where the mention stood, a space is left.
      if (group) {
        const d = { ...common, group_openid: group, author: { member_openid: from }, content: ` ${text}` }
        return event('GROUP_AT_MESSAGE_CREATE', d)
      }
      return event('C2C_MESSAGE_CREATE', { ...common, author: { id: from, user_openid: from }, content: text })
    },
    event,
    /** Somebody has added the bot to a group, or as a friend: an event that may be replied to. */
    added(id, { from = 'USER_ALICE', group }) {
      const path = fake.chatOf({ from, group })
      if (!messages.has(id)) messages.set(id, { path, at: Date.now(), replies: new Set(), isEvent: true })
      const timestamp = Math.floor(Date.now() / 1000)
      if (group) return event('GROUP_ADD_ROBOT', { group_openid: group, op_member_openid: from, timestamp }, { id })
      return event('FRIEND_ADD', { openid: from, timestamp }, { id })
    },
  }
  const refuse = (response, status, err_code, message) =>
    json(response, status, { err_code, message, trace_id: randomUUID() })

  const server = await serve(async (request, body, response) => {
    const { pathname } = new URL(request.url, 'http://fake')
    if (fake.files.has(pathname)) {
      must(request.method === 'GET' && !request.headers.authorization, 'a file by its own address alone')
      return answerFile(response, fake.files.get(pathname))
    }
    if (pathname === '/app/getAppAccessToken') {
      must(request.method === 'POST', 'method of the token call')
      // Failures, too, come with 200.
      const { accept = '', 'content-type': type = '' } = request.headers
      const isJson = /application\/json|\*\/\*/.test(accept) && /application\/json/.test(type)
      const { appId, clientSecret } = JSON.parse(body)
      if (!isJson || appId !== ACCOUNT.app_id) return json(response, 200, { code: 100007, message: 'appid invalid' })
      if (clientSecret !== fake.secret) return json(response, 200, { code: 100016, message: 'invalid secret' })
      fake.tokens += 1
      const token = `qq-${fake.tokens}-${randomUUID()}`
      valid.add(token)
      return json(response, 200, { access_token: token, expires_in: '7200' })
    }
    const token = (request.headers.authorization ?? '').match(/^QQBot (.+)$/)?.[1]
    if (!token) return refuse(response, 401, 11241, 'token is empty')
    if (!valid.has(token)) return refuse(response, 401, 11243, 'token expired')
    if (!fake.isListed) return refuse(response, 403, 11298, 'ip not in whitelist')
    if (pathname === '/users/@me') return json(response, 200, { id: BOT_ID, username: '助手', bot: true })
    const [, of] = pathname.match(/^\/(v2\/(?:users|groups)\/[^/]+)\/files$/) ?? []
    if (of) return upload(of, JSON.parse(body), response)
    const [, streams] = pathname.match(/^\/(v2\/(?:users|groups)\/[^/]+)\/stream_messages$/) ?? []
    if (streams) return grow(streams, JSON.parse(body), token, response)
    const [, recalls, id] = pathname.match(/^\/(v2\/users\/[^/]+)\/messages\/([^/]+)$/) ?? []
    if (recalls && request.method === 'DELETE') return recall(recalls, decodeURIComponent(id), response)
    const [, path] = pathname.match(/^\/((?:v2\/users|v2\/groups|channels|dms)\/[^/]+)\/messages$/) ?? []
    must(path && request.method === 'POST', `${request.method} ${pathname}`)
    return send(path, JSON.parse(body), token, response)
  })

  /** QQ fetches the file; what it is called then is good in one place alone. */
  async function upload(path, { file_type, url, srv_send_msg, file_name }, response) {
    const scripted = fake.nextUpload.shift()
    if (scripted) return json(response, scripted.status, scripted.body)
    must(srv_send_msg === false && file_name && [1, 2, 3, 4].includes(file_type), 'the fields of an upload')
    const { status, headers, bytes } = await fetched(url)
    if (status !== 200) return refuse(response, 400, 850026, 'download failed')
    const type = headers.get('content-type')
    const types = { 1: /^image\/(png|jpeg)$/, 2: /^video\/mp4$/, 3: /^audio\/(silk|wav|mpeg)$/, 4: /./ }
    if (!types[file_type].test(type)) return refuse(response, 400, 850018, 'file format')
    const file_info = `info-${randomUUID()}`
    fake.uploads.set(file_info, { path, file_type, name: file_name, type, bytes })
    return json(response, 200, { file_uuid: randomUUID(), file_info, ttl: 259_200, id: '' })
  }

  /** A message of a private chat that grows: each call has all of it. */
  function grow(path, frame, token, response) {
    const at = Date.now()
    fake.frames.push({ at, path, ...frame })
    const scripted = fake.nextFrame.shift() ?? fake.refusesFrame?.(frame)
    if (scripted) return json(response, scripted.status, scripted.body, scripted.headers)
    const { input_mode, input_state, index, content_type, content_raw, msg_id, msg_seq, stream_msg_id } = frame
    if (!path.startsWith('v2/users/') || !fake.may.stream)
      return refuse(response, 403, 11253, 'interface not permitted')
    const isWhole = [index, msg_seq].every(Number.isInteger) && typeof content_raw === 'string'
    must(isWhole && input_mode === 'replace' && [1, 10].includes(input_state), 'the fields of a frame')
    must(['markdown', 'text'].includes(content_type), 'the type of a frame')
    if (content_type === 'markdown' && !fake.may.markdown) return refuse(response, 400, 304036, 'no markdown')
    if (!content_raw) return refuse(response, 400, 40034003, 'content is empty')
    if ([...content_raw].length > 5000) return refuse(response, 400, 40054018, 'content too long')
    if (/https?:\/\//.test(content_raw) && !fake.may.links) return refuse(response, 400, 304003, 'url not allowed')
    const replied = messages.get(msg_id)
    if (!replied || replied.path !== path) return refuse(response, 400, 40034024, 'msg_id unknown')
    if (at - replied.at > 60 * 60_000) return refuse(response, 400, 40034025, 'msg_id expired')
    let message = fake.sent.find(({ id }) => id && id === stream_msg_id)
    if (stream_msg_id === undefined) {
      if (index !== 0) return refuse(response, 400, 40113003, 'index of a first frame')
      if (replied.replies.has(msg_seq)) return refuse(response, 400, 40054005, 'msg_seq repeated')
      if (replied.replies.size >= 4) return refuse(response, 400, 40034026, 'replies used up')
      replied.replies.add(msg_seq)
      const id = `ROBOT1.0_${randomUUID()}!`
      message = {
        to: path,
        text: '',
        token,
        at,
        isMarkdown: true,
        isReply: true,
        replyTo: msg_id,
        id,
        msg_seq,
        shown: [],
      }
      fake.sent.push(message)
    } else {
      const isSame = message?.to === path && message.replyTo === msg_id && message.msg_seq === msg_seq
      if (!isSame) return refuse(response, 404, 40113002, 'stream unknown')
      const isNext = message.isGrowing && index > message.index && content_raw.startsWith(message.text)
      const body = { message: '已经提交的消息内容不可修改', code: 40007, err_code: 40113003, trace_id: randomUUID() }
      if (!isNext) return json(response, 404, body)
    }
    Object.assign(message, { text: content_raw, index, isGrowing: input_state === 1 })
    message.shown.push(content_raw)
    if (input_state === 10 && fake.losesNextEnd) {
      fake.losesNextEnd = false
      return response.destroy()
    }
    const ext_info = { ref_idx: `REFIDX_${message.id}` }
    return json(response, 200, { id: message.id, timestamp: new Date().toISOString(), ext_info, remain_msg_len: 0 })
  }

  function recall(path, id, response) {
    const message = fake.sent.find((message) => message.id === id && message.to === path)
    must(message, 'a message to recall')
    const isLate = Date.now() - message.at > 2 * 60_000
    if (isLate || !fake.may.withdraw) return refuse(response, 400, 40064004, 'too late to recall')
    fake.sent.splice(fake.sent.indexOf(message), 1)
    fake.withdrawn.push(message)
    response.writeHead(204).end()
  }

  async function send(path, message, token, response) {
    const at = Date.now()
    fake.calls.push({ at, path, msg_seq: message.msg_seq, body: message })
    const scripted = fake.next.shift()
    if (scripted) return json(response, scripted.status, scripted.body, scripted.headers)
    const isGuild = !path.startsWith('v2/')
    must(!isGuild || !('msg_type' in message || 'msg_seq' in message), 'msg_type or msg_seq in a guild')
    const isMarkdown = message.msg_type === 2
    if (isMarkdown && !fake.may.markdown) return refuse(response, 400, 304036, 'no permission to send markdown')
    const isMedia = message.msg_type === 7
    if (message.image) must(isGuild && !message.content, 'a picture of a guild')
    const file = isMedia ? fake.uploads.get(message.media.file_info) : message.image && (await fetched(message.image))
    if (isMedia) must(file?.path === path, 'a file_info of this place')
    const content = isMarkdown ? message.markdown.content : (message.content ?? (file && ' '))
    if (!content) return refuse(response, 400, 40034003, 'content is empty')
    if ([...content].length > 5000) return refuse(response, 400, 40054018, 'content too long')
    if (/https?:\/\//.test(content) && !fake.may.links) return refuse(response, 400, 304003, 'url not allowed')
    const { msg_id, event_id } = message
    must(!(msg_id && event_id), 'a reply to a message and to an event')
    must(!event_id || messages.get(event_id)?.isEvent, 'an event that may be replied to')
    if ((msg_id ?? event_id) === undefined) {
      if (!fake.may.proactive) return refuse(response, 400, 40034127, 'no permission for proactive messages')
      fake.sent.push({ to: path, text: content, token, at, isMarkdown, isReply: false })
      return json(response, 200, { id: `ROBOT-${randomUUID()}`, timestamp: new Date().toISOString() })
    }
    const replied = messages.get(msg_id ?? event_id)
    if (!replied || replied.path !== path) return refuse(response, 400, 40034024, 'msg_id unknown')
    const [window, count] = path.startsWith('v2/users') ? [60, 4] : [5, 5]
    if (at - replied.at > window * 60_000) return refuse(response, 400, 40034025, 'msg_id expired')
    const seq = isGuild ? randomUUID() : (message.msg_seq ?? 1)
    if (replied.replies.has(seq)) return refuse(response, 400, 40054005, 'msg_seq repeated')
    if (replied.replies.size >= count) return refuse(response, 400, 40034026, 'replies used up')
    replied.replies.add(seq)
    // Guilds have it as HTML.
    const read = (text) => text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&')
    must(!isGuild || !/<[@#]/.test(content), 'a mention in a guild')
    const text = isGuild ? read(content) : content
    fake.sent.push({ to: path, text, file, token, at, isMarkdown, isReply: true, replyTo: msg_id ?? event_id })
    if (fake.losesNext) {
      fake.losesNext = false
      return response.destroy()
    }
    return json(response, 200, { id: `ROBOT-${randomUUID()}`, timestamp: new Date().toISOString() })
  }

  return Object.assign(fake, server)
}

/** An event as QQ sends it. */
function event(t, d, { id = `${t}:${randomUUID()}` } = {}) {
  return signed({ op: 0, id, t, s: 1, d })
}

/** Any body, signed. */
export function signed(body, { secret = ACCOUNT.app_secret, at = Date.now() } = {}) {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  const timestamp = String(Math.floor(at / 1000))
  const signature = sign(null, Buffer.from(timestamp + text), privateKey(secret)).toString('hex')
  return {
    headers: {
      'content-type': 'application/json',
      'user-agent': 'QQBot-Callback',
      'x-bot-appid': ACCOUNT.app_id,
      'x-signature-ed25519': signature,
      'x-signature-timestamp': timestamp,
    },
    body: text,
  }
}

/** Whether a signature is the bot's. */
export function isSigned(text, signature) {
  return verify(null, Buffer.from(text), createPublicKey(privateKey(ACCOUNT.app_secret)), Buffer.from(signature, 'hex'))
}

/** The seed is the secret, again and again, cut to 32 bytes; in PKCS #8. */
function privateKey(secret) {
  const seed = Buffer.from(secret.repeat(Math.ceil(32 / secret.length))).subarray(0, 32)
  const head = Buffer.from('302e020100300506032b657004220420', 'hex')
  return createPrivateKey({ key: Buffer.concat([head, seed]), format: 'der', type: 'pkcs8' })
}
