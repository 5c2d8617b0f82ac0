// A WeChat official account, as far as the relay can tell: the APIs it calls, which refuse what WeChat refuses, and its
// callbacks, plain or in safe mode. Facts: developers.weixin.qq.com, "获取稳定版接口调用凭据", "客服消息", "接收普通消息",
// "消息加解密说明", "全局返回码".

import { randomBytes, randomUUID } from 'node:crypto'
import { answerFile } from './files.mjs'
import { form, json, must, serve } from './server.mjs'
import { sealed, sha1, xml } from './wecom.mjs'

const APP_ID = 'wx1a2b3c4d5e6f7a8b'
const GH = 'gh_0123456789ab'

const ACCOUNT = {
  id: 'main',
  platform: 'wechat',
  default_user: 'me',
  app_id: APP_ID,
  app_secret: 'wechat-secret-that-must-not-leak',
  token: 'wechatTokenThatMustNotLeak',
  encoding_aes_key: randomBytes(32).toString('base64').slice(0, 43),
  passive: false,
}
/** The same account in plain mode. */
export const PLAIN = { ...ACCOUNT, id: 'plain', encoding_aes_key: '' }

export async function startWechat() {
  let token = null
  /** Reader → { at, sent }: when they wrote last, and how much was sent since. */
  const readers = new Map()
  const fake = {
    account: ACCOUNT,
    ack: 'success',
    sent: [],
    /** Files that readers sent, by path or media_id: { bytes, type, name }; and those that were uploaded. */
    files: new Map(),
    uploads: new Map(),
    calls: [],
    next: [],
    tokens: 0,
    /** The address that calls is on the account's list. */
    isListed: true,
    /** What the platform says of today's messages: how many may be sent, and how many others sent; null: it does not say. */
    daily: { limit: 500, elsewhere: 0 },
    /** The account may send customer-service messages. */
    isVerified: true,
    expireToken: () => (token = null),
    /** The reader wrote so long ago. */
    wroteBefore: (from, ms) => (readers.get(from).at -= ms),
    chatOf: ({ from = 'oAlice' }) => from,
    /** Words of a reader. */
    question: (id, text, { from = 'oAlice', plain = false } = {}) =>
      fake.callback({ MsgType: 'text', Content: text, MsgId: id }, { from, plain }),
    /** Any callback of a reader. */
    callback(fields, { from = 'oAlice', plain = false, changes } = {}) {
      const common = { ToUserName: GH, FromUserName: from, CreateTime: Math.floor(Date.now() / 1000) }
      readers.set(from, { at: Date.now(), sent: readers.get(from)?.sent ?? 0 })
      if (fields.MsgId && readers.get(from).last !== fields.MsgId) Object.assign(readers.get(from), { sent: 0 })
      const text = xml({ ...common, ...fields })
      if (plain) return { query: signed(ACCOUNT.token), headers: { 'content-type': 'text/xml' }, body: text }
      const request = sealed(ACCOUNT, APP_ID, text, changes)
      return { ...request, query: `${request.query}&encrypt_type=aes&signature=0&openid=${from}` }
    },
  }
  const answer = (response, errcode, errmsg, more = {}) => json(response, 200, { errcode, errmsg, ...more })

  const server = await serve(async (request, body, response) => {
    const { pathname, searchParams: query } = new URL(request.url, 'http://fake')
    // Pictures and videos are for everybody who knows where.
    if (fake.files.has(pathname)) {
      must(request.method === 'GET' && !query.has('access_token'), 'a picture by its own address alone')
      return answerFile(response, fake.files.get(pathname))
    }
    const notListed = () => answer(response, 40164, 'invalid ip 203.0.113.7 ipv6 ::ffff:203.0.113.7, not in whitelist')
    if (pathname === '/cgi-bin/stable_token') {
      must(request.method === 'POST', 'method of the token call')
      const { grant_type, appid, secret } = JSON.parse(body)
      must(grant_type === 'client_credential', 'grant_type')
      if (appid !== APP_ID) return answer(response, 40013, 'invalid appid')
      if (secret !== ACCOUNT.app_secret) return answer(response, 40125, 'invalid appsecret')
      if (!fake.isListed) return notListed()
      if (!token) {
        fake.tokens += 1
        token = `wechat-${fake.tokens}-${randomUUID()}`
      }
      return json(response, 200, { access_token: token, expires_in: 7200 })
    }
    const given = query.get('access_token')
    if (!given) return answer(response, 41001, 'access_token missing')
    if (given !== token) return answer(response, 40001, 'invalid credential, access_token is invalid or not latest')
    if (pathname === '/cgi-bin/getcallbackip') return json(response, 200, { ip_list: ['203.0.113.1'] })
    if (pathname === '/cgi-bin/openapi/quota/get') {
      must(request.method === 'POST', 'method of quota/get')
      must(JSON.parse(body).cgi_path === '/cgi-bin/message/custom/send', 'cgi_path')
      if (!fake.daily) return answer(response, 76022, 'could not use this cgi_path, no permission')
      const [daily_limit, used] = [fake.daily.limit, fake.calls.length + fake.daily.elsewhere]
      return answer(response, 0, 'ok', { quota: { daily_limit, used, remain: Math.max(0, daily_limit - used) } })
    }
    if (pathname === '/cgi-bin/media/get') {
      must(request.method === 'GET', 'method of media/get')
      const file = fake.files.get(query.get('media_id'))
      if (!file) return answer(response, 40007, 'invalid media_id')
      if (!file.video_url) return answerFile(response, { ...file, name: `${query.get('media_id')}.amr` })
      response.writeHead(200, { 'content-type': 'text/plain' })
      return response.end(JSON.stringify({ video_url: file.video_url }))
    }
    if (pathname === '/cgi-bin/media/upload') return upload(query.get('type'), await form(request), response)
    must(pathname === '/cgi-bin/message/custom/send' && request.method === 'POST', `${request.method} ${pathname}`)
    const at = Date.now()
    fake.calls.push({ at })
    const scripted = fake.next.shift()
    if (scripted) return json(response, scripted.status, scripted.body, scripted.headers)
    if (/\\u[0-9a-f]{4}/i.test(body)) return answer(response, 40033, 'invalid charset')
    const { touser, msgtype, text, image } = JSON.parse(body)
    must(['text', 'image'].includes(msgtype), `msgtype ${msgtype}`)
    const reader = readers.get(touser)
    if (!fake.isVerified) return answer(response, 48001, 'api unauthorized')
    if (!reader) return answer(response, 40003, 'invalid openid')
    const file = fake.uploads.get(image?.media_id)
    if (image && !file) return answer(response, 40007, 'invalid media_id')
    if (text && !text.content) return answer(response, 44004, 'empty content')
    if (text && Buffer.byteLength(text.content) > 2048) return answer(response, 45002, 'content size out of limit')
    if (at - reader.at > 48 * 3_600_000) return answer(response, 45015, 'response out of time limit')
    if (reader.sent >= 5) return answer(response, 45047, 'out of response count limit')
    reader.sent += 1
    fake.sent.push({ to: touser, text: text?.content ?? '', file, token, at })
    return answer(response, 0, 'ok')
  })

  /** A picture of up to 10 MB. An answer that is none of an error has no errcode. */
  function upload(type, { media }, response) {
    must(type === 'image' && media?.name, 'the type and name of an upload')
    if (!/^image\/(png|jpeg|gif)$/.test(media.type)) return answer(response, 40005, 'invalid file type')
    if (media.bytes.length > 10_000_000) return answer(response, 40009, 'invalid image size')
    const media_id = `up-${fake.uploads.size + 1}-${randomUUID()}`
    fake.uploads.set(media_id, media)
    return json(response, 200, { type, media_id, created_at: Math.floor(Date.now() / 1000), item: [] })
  }

  return Object.assign(fake, server)
}

/** What a check of an address asks: never encrypted. */
export function addressCheck(echo, token = ACCOUNT.token) {
  return { method: 'GET', query: `${signed(token)}&echostr=${encodeURIComponent(echo)}` }
}

/** The query of a request whose body is not signed. */
export function signed(token, at = Date.now()) {
  const [timestamp, nonce] = [String(Math.floor(at / 1000)), String(randomBytes(4).readUInt32BE())]
  const signature = sha1([token, timestamp, nonce].sort().join(''))
  return `signature=${signature}&timestamp=${timestamp}&nonce=${nonce}`
}
