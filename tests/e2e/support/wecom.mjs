// WeCom, as far as the relay can tell: the APIs of self-built apps and AI bots, which refuse what WeCom refuses, and their
// callbacks, encrypted and signed. Facts: developer.work.weixin.qq.com, "获取access_token", "发送应用消息", "智能机器人",
// "加解密方案说明", "全局错误码".

import assert from 'node:assert/strict'
import { createCipheriv, createDecipheriv, createHash, randomBytes, randomUUID } from 'node:crypto'
import { answerFile } from './files.mjs'
import { form, json, must, serve } from './server.mjs'

const CORP = 'ww1a2b3c4d5e6f7a8b'
const AGENT_ID = 1000002
/** Random: the last character of a key of the console may have bits that no decoder needs. */
const AES_KEY = randomBytes(32).toString('base64').slice(0, 43)
const BOT_AES_KEY = randomBytes(32).toString('base64').slice(0, 43)
const MEMBERS = /^(alice|bob|stranger|member\d+)$/

const APP = {
  id: 'main',
  platform: 'wecom',
  default_user: 'me',
  corp_id: CORP,
  agent_id: AGENT_ID,
  secret: 'wecom-secret-that-must-not-leak',
  token: 'wecom-token-that-must-not-leak',
  encoding_aes_key: AES_KEY,
  // By a call of its own; hold.test.mjs has the other way.
  passive: false,
}

const BOT = {
  id: 'main',
  platform: 'wecom-bot',
  default_user: 'me',
  token: 'bot-token-that-must-not-leak',
  encoding_aes_key: BOT_AES_KEY,
  name: '小助手',
  passive: false,
}

/** A self-built app. */
export async function startWecom() {
  const valid = new Map()
  /** What was said to whom lately: { key, at }. */
  const recent = []
  const fake = {
    account: APP,
    ack: '',
    sent: [],
    /** Files that members sent, by path or media_id: { bytes, type, name }; and those that were uploaded. */
    files: new Map(),
    uploads: new Map(),
    calls: [],
    next: [],
    tokens: 0,
    /** The address that calls is on the app's list of trusted ones. */
    isTrusted: true,
    /** People whom the app may see, and about whom it asked. */
    people: new Map(),
    asked: [],
    expireToken: () => valid.clear(),
    chatOf: ({ from = 'alice' }) => from,
    /** Words of a member. */
    question: (id, text, { from = 'alice' } = {}) => fake.message(id, { MsgType: 'text', Content: text }, { from }),
    /** A message of a member. */
    message: (id, fields, { from = 'alice' } = {}) => sealed(APP, CORP, messageXml({ id, from, ...fields })),
    /** Any callback. */
    callback: (fields) => sealed(APP, CORP, xml(fields)),
    /** A member presses a button of a card. */
    press: ({ card }, n, { by = 'alice', key = card.button_list[n].key, task = card.task_id } = {}) =>
      fake.callback({
        ToUserName: CORP,
        FromUserName: by,
        CreateTime: Math.floor(Date.now() / 1000),
        MsgType: 'event',
        Event: 'template_card_event',
        EventKey: key,
        TaskId: task,
        CardType: 'button_interaction',
        ResponseCode: randomUUID(),
        AgentID: AGENT_ID,
      }),
    /** "更新点击用户的按钮文案": what the response to a press writes on the button. */
    async replaced(response, to = 'alice') {
      assert.equal(response.status, 200)
      const text = opened(APP, await response.text())
      const field = (name) => text.match(new RegExp(`<${name}><!\\[CDATA\\[(.*?)\\]\\]></${name}>`))?.[1]
      assert.deepEqual(['ToUserName', 'FromUserName', 'MsgType'].map(field), [to, CORP, 'update_button'])
      const [, replaced] = text.match(/<Button><ReplaceName><!\[CDATA\[(.+?)\]\]><\/ReplaceName><\/Button><\/xml>$/)
      return replaced
    },
  }
  /** task_id → the card that has it. */
  const tasks = new Map()
  const answer = (response, errcode, errmsg, more = {}) => json(response, 200, { errcode, errmsg, ...more })

  const server = await serve(async (request, body, response) => {
    const { pathname, searchParams: query } = new URL(request.url, 'http://fake')
    // Pictures are for everybody who knows where.
    if (fake.files.has(pathname)) {
      must(request.method === 'GET' && !query.has('access_token'), 'a picture by its own address alone')
      return answerFile(response, fake.files.get(pathname))
    }
    if (pathname === '/cgi-bin/gettoken') {
      must(request.method === 'GET', 'method of the token call')
      if (query.get('corpid') !== CORP) return answer(response, 40013, 'invalid corpid')
      if (query.get('corpsecret') !== APP.secret) return answer(response, 40001, 'invalid credential')
      // The same one until it is over.
      if (valid.size === 0) {
        fake.tokens += 1
        valid.set(`wecom-${fake.tokens}-${randomUUID()}`, Date.now() + 7_200_000)
      }
      return answer(response, 0, 'ok', { access_token: [...valid.keys()][0], expires_in: 7200 })
    }
    const token = query.get('access_token')
    if (!token) return answer(response, 41001, 'access_token missing')
    if (!valid.has(token)) return answer(response, 42001, 'access_token expired')
    const isTrusted = fake.isTrusted || request.headers['x-from'] === 'a trusted address'
    if (!isTrusted) return answer(response, 60020, 'not allow to access from your ip, from ip: 203.0.113.7')
    if (pathname === '/cgi-bin/agent/get') {
      if (Number(query.get('agentid')) !== AGENT_ID) return answer(response, 40056, 'invalid agentid')
      return answer(response, 0, 'ok', { agentid: AGENT_ID, name: '助手' })
    }
    if (pathname === '/cgi-bin/user/get') {
      must(request.method === 'GET' && query.get('userid'), 'whom it asks about')
      fake.asked.push(query.get('userid'))
      const person = fake.people.get(query.get('userid'))
      return person
        ? answer(response, 0, 'ok', person)
        : answer(response, 60011, 'no privilege to access/modify contact')
    }
    if (pathname === '/cgi-bin/media/get') {
      must(request.method === 'GET', 'method of media/get')
      const file = fake.files.get(query.get('media_id'))
      return file ? answerFile(response, file) : answer(response, 40007, 'invalid media_id')
    }
    if (pathname === '/cgi-bin/media/upload') return upload(query.get('type'), await form(request), response)
    must(pathname === '/cgi-bin/message/send' && request.method === 'POST', `${request.method} ${pathname}`)
    return send(JSON.parse(body), token, response)
  })

  /** "上传临时素材" */
  function upload(type, { media }, response) {
    must(media?.name, 'the file of an upload')
    const [bytesMax, types] = {
      image: [10_000_000, /^image\/(png|jpeg)$/],
      voice: [2_000_000, /^audio\/amr$/],
      video: [10_000_000, /^video\/mp4$/],
      file: [20_000_000, /./],
    }[type]
    const { length } = media.bytes
    if (length <= 5 || length > bytesMax) return answer(response, 40006, 'invalid file size')
    if (!types.test(media.type)) return answer(response, 40005, 'invalid file type')
    const media_id = `up-${fake.uploads.size + 1}-${randomUUID()}`
    fake.uploads.set(media_id, { ...media, kind: type })
    return answer(response, 0, 'ok', { type, media_id, created_at: String(Math.floor(Date.now() / 1000)) })
  }

  function send(message, token, response) {
    const { touser, msgtype, agentid, enable_duplicate_check, duplicate_check_interval = 1800 } = message
    const at = Date.now()
    fake.calls.push({ at })
    const scripted = fake.next.shift()
    if (scripted) return json(response, scripted.status, scripted.body, scripted.headers)
    if (agentid !== AGENT_ID) return answer(response, 301002, 'not allow operate another agent with this accesstoken')
    if (touser === '@all' || /\|/.test(touser)) must(false, 'an answer to several people')
    if (!touser) return answer(response, 82001, 'all touser & totag & toparty are empty')
    if (!MEMBERS.test(touser)) return answer(response, 81013, 'user & party & tag all invalid')
    if (msgtype === 'template_card') return sendCard(message, token, response)
    const file = fake.uploads.get(message[msgtype].media_id)
    if (!['text', 'markdown'].includes(msgtype)) {
      if (file?.kind !== msgtype) return answer(response, 40007, 'invalid media_id')
      fake.sent.push({ to: touser, text: '', file, token, msgtype, at })
      return answer(response, 0, 'ok', { invaliduser: '', msgid: randomUUID() })
    }
    let { content } = message[msgtype]
    if (!content) return answer(response, 44004, 'empty content')
    const bytes = Buffer.from(content)
    if (bytes.length > 2048 && msgtype === 'markdown') return answer(response, 45002, 'content size out of limit')
    // Texts are cut without a word.
    if (bytes.length > 2048) content = bytes.subarray(0, 2048).toString()
    const repeated = recent.find(
      (known) => known.key === `${touser} ${content}` && at - known.at < duplicate_check_interval * 1000,
    )
    must(enable_duplicate_check === 1, 'the check for duplicates')
    const inMinute = fake.sent.filter((known) => known.to === touser && at - known.at < 60_000)
    // What is too often, or is there already, is dropped without a word.
    if (!repeated && inMinute.length < 30) {
      recent.push({ key: `${touser} ${content}`, at })
      // As people see it: what has no width is not seen.
      fake.sent.push({ to: touser, text: content.replace(/[\u200b\u200c]/g, ''), token, msgtype, at })
    }
    return answer(response, 0, 'ok', { invaliduser: '', msgid: randomUUID() })
  }

  /** "模板卡片消息", 按钮交互型 */
  function sendCard({ touser, template_card: card, enable_duplicate_check }, token, response) {
    mustBeCard(card)
    must(card.sub_title_text === undefined, 'a card of nothing but buttons')
    // The number is not documented.
    if (card.button_list.length > 6) return answer(response, 40058, 'invalid button_list size')
    must(enable_duplicate_check === 1, 'the check for duplicates')
    if (isNewTask(tasks, card)) {
      fake.sent.push({ to: touser, text: '', card, token, msgtype: 'template_card', at: Date.now() })
    }
    return answer(response, 0, 'ok', { invaliduser: '', msgid: randomUUID(), response_code: randomUUID() })
  }

  return Object.assign(fake, server)
}

/** "模板卡片类型", 按钮交互型; of what is only advised, that too. */
function mustBeCard({ card_type, main_title, sub_title_text, task_id, button_list, ...rest }) {
  must(card_type === 'button_interaction' && Object.keys(rest).length === 0, `a card: ${Object.keys(rest)}`)
  must(main_title.title && [...main_title.title].length <= 26, 'the title of a card')
  must(sub_title_text === undefined || (sub_title_text && [...sub_title_text].length <= 112), 'the text of a card')
  must(/^[0-9A-Za-z_@-]{1,128}$/.test(task_id), `task_id ${task_id}`)
  const keys = new Set(button_list.map(({ key }) => key))
  const isRight = ({ text, key, style = 1, ...more }) =>
    text && key && Buffer.byteLength(key) <= 1024 && [1, 2, 3, 4].includes(style) && Object.keys(more).length === 0
  must(
    button_list.length > 0 && keys.size === button_list.length && button_list.every(isRight),
    'the buttons of a card',
  )
}

/** A task is of one card: sent again, it is the same one. */
function isNewTask(tasks, card) {
  const known = tasks.get(card.task_id)
  must(!known || JSON.stringify(known) === JSON.stringify(card), 'a task_id twice')
  tasks.set(card.task_id, card)
  return !known
}

/** An AI bot. */
export async function startWecomBot() {
  /** response_code → { chat, isGroup, at }; gone once it was used. */
  const codes = new Map()
  /** msgid → its response_code, the same when it comes again. */
  const codeOf = new Map()
  /** task_id → the card that has it. */
  const tasks = new Map()
  /** Streams by their id: { isOver, card }. */
  const streams = new Map()
  /** task_id → when its card was last pressed. */
  const pressedAt = new Map()
  const fake = {
    account: BOT,
    ack: '',
    sent: [],
    /** Files that members sent, by path: bytes, which come encrypted; null when their time is over. */
    files: new Map(),
    calls: [],
    next: [],
    expire: (id) => codes.delete(codeOf.get(id)),
    /** Whether something was said at the address that came with this message or event. */
    isUsed: (id) => !codes.has(codeOf.get(id)),
    chatOf: ({ from = 'alice', group }) => group ?? from,
    /** Words of a member; in a group they mention the bot. */
    question: (id, text, options = {}) => {
      const content = options.group ? `@${BOT.name} ${text}` : text
      return fake.callback({ ...fake.message(id, options), msgtype: 'text', text: { content } })
    },
    /** What every message has. */
    message(id, { from = 'alice', group } = {}) {
      if (!codeOf.has(id)) {
        codeOf.set(id, randomUUID())
        codes.set(codeOf.get(id), { chat: group ?? from, isGroup: Boolean(group), at: Date.now() })
      }
      return {
        msgid: id,
        aibotid: 'aib-1',
        chattype: group ? 'group' : 'single',
        ...(group && { chatid: group }),
        from: { userid: from },
        response_url: `${fake.url}/cgi-bin/aibot/response?response_code=${codeOf.get(id)}`,
      }
    },
    /** Any callback. */
    callback(event) {
      const { query, encrypt } = sealedParts(BOT, '', JSON.stringify(event))
      return { query, headers: { 'content-type': 'application/json' }, body: JSON.stringify({ encrypt }) }
    },
    /** The platform asks how far a stream has come. */
    refresh: (id, options) =>
      fake.callback({ ...fake.message(randomUUID(), options), msgtype: 'stream', stream: { id } }),
    /** "被动回复消息": what the response to a message or a refresh shows of a stream, and the card that comes with it. */
    async shown(response) {
      const { msgtype, stream, template_card: card } = await said(response)
      must(msgtype === (card ? 'stream_with_template_card' : 'stream'), `msgtype ${msgtype}`)
      must(Buffer.byteLength(stream.content) <= 20_480, 'the content of a stream')
      const known = streams.get(stream.id)
      if (card) {
        mustBeCard(card)
        must(card.button_list.length <= 6 && card.sub_title_text === undefined, 'the card of a stream')
        // One message may have one card: said again, as after a response that was lost, it is that one.
        must(isNewTask(tasks, card) || known?.card?.task_id === card.task_id, 'a card in two streams')
      }
      must(!known?.isOver || (stream.finish && known.card?.task_id === card?.task_id), 'a stream goes on after its end')
      must(!known?.card || card, 'a stream without its card')
      streams.set(stream.id, { isOver: stream.finish, card })
      return { ...stream, card }
    },
    /** "按钮交互模版卡片的事件": a member presses the `n`-th button of a card; `id`: of the event. */
    press(card, n, { by = 'alice', group, key = card.button_list[n].key, id = `press-${randomUUID()}` } = {}) {
      pressedAt.set(card.task_id, Date.now())
      return fake.callback({
        ...fake.message(id, { from: by, group }),
        create_time: Math.floor(Date.now() / 1000),
        msgtype: 'event',
        event: {
          eventtype: 'template_card_event',
          template_card_event: { card_type: card.card_type, event_key: key, task_id: card.task_id },
        },
      })
    },
    /** "模版卡片更新消息": the card that takes the place of the pressed one, and for whom; all: nobody is named. */
    async updated(response, { task_id }, { group } = {}) {
      const { response_type, template_card: card, userids, ...rest } = await said(response)
      must(response_type === 'update_template_card' && Object.keys(rest).length === 0, `an update: ${response_type}`)
      mustBeCard(card)
      must(card.task_id === task_id, 'the task_id of an update is that of its event')
      must(Date.now() - pressedAt.get(task_id) < 5_000, 'an update comes within 5 s of its event')
      must(!userids || (group && userids.length > 0), 'userids are for groups')
      return { labels: card.button_list.map(({ text }) => text), text: card.sub_title_text, card, userids }
    },
  }
  /** What is in a response to a callback. */
  async function said(response) {
    assert.equal(response.status, 200)
    const { encrypt, msgsignature, timestamp, nonce, ...rest } = await response.json()
    must(msgsignature === sha1([BOT.token, String(timestamp), nonce, encrypt].sort().join('')), 'the signature')
    must(Number.isInteger(timestamp) && Object.keys(rest).length === 0, 'the envelope of a response')
    return JSON.parse(decrypt(BOT.encoding_aes_key, encrypt))
  }
  const server = await serve((request, body, response) => {
    const { pathname, searchParams: query } = new URL(request.url, 'http://fake')
    const answer = (errcode, errmsg) => json(response, 200, { errcode, errmsg })
    if (fake.files.has(pathname)) {
      must(request.method === 'GET' && !request.headers.authorization, 'a file by its own address alone')
      const bytes = fake.files.get(pathname)
      if (bytes) return answerFile(response, { bytes: encrypted(BOT_AES_KEY, bytes) })
      response.writeHead(403, { 'content-type': 'application/xml' })
      return response.end('<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>')
    }
    if (pathname === '/cgi-bin/getcallbackip') return answer(41001, 'access_token missing')
    must(pathname === '/cgi-bin/aibot/response' && request.method === 'POST', `${request.method} ${pathname}`)
    must(!query.has('access_token') && !request.headers.authorization, 'a bot has no access token')
    const at = Date.now()
    fake.calls.push({ at })
    const scripted = fake.next.shift()
    if (scripted) return json(response, scripted.status, scripted.body, scripted.headers)
    const { msgtype, markdown, template_card: card } = JSON.parse(body)
    must(msgtype === (card ? 'template_card' : 'markdown'), `msgtype ${msgtype}`)
    const code = query.get('response_code')
    const known = codes.get(code)
    // The number is not documented.
    if (!known || at - known.at > 3_600_000) return answer(40058, 'invalid response_code')
    if (card) {
      // The number is not documented.
      if (known.isGroup) return answer(40008, 'invalid message type')
      mustBeCard(card)
      must(card.sub_title_text && card.button_list.length <= 6 && isNewTask(tasks, card), 'a card of its own')
      codes.delete(code)
      fake.sent.push({ to: known.chat, text: card.sub_title_text, card, at })
      return answer(0, 'ok')
    }
    if (!markdown.content) return answer(44004, 'empty content')
    if (Buffer.byteLength(markdown.content) > 20_480) return answer(45002, 'content size out of limit')
    codes.delete(code)
    fake.sent.push({ to: known.chat, text: markdown.content, at })
    return answer(0, 'ok')
  })
  return Object.assign(fake, server)
}

/** What a check of an address asks: GET with an encrypted echo. */
export function addressCheck({ account }, echo) {
  const { query, encrypt } = sealedParts(account, account.corp_id ?? '', echo)
  return { method: 'GET', query: `${query}&echostr=${encodeURIComponent(encrypt)}` }
}

/** A callback of an app or an official account, encrypted for `receiver`. */
export function sealed(account, receiver, text, changes) {
  const { query, encrypt } = sealedParts(account, receiver, text, changes)
  const outer = `<xml><ToUserName><![CDATA[${receiver}]]></ToUserName><Encrypt><![CDATA[${encrypt}]]></Encrypt></xml>`
  return { query, headers: { 'content-type': 'text/xml' }, body: outer }
}

function sealedParts(account, receiver, text, { at = Date.now(), token = account.token } = {}) {
  const encrypt = seal(account.encoding_aes_key, receiver, text)
  const [timestamp, nonce] = [String(Math.floor(at / 1000)), randomBytes(5).toString('hex')]
  const signature = sha1([token, timestamp, nonce, encrypt].sort().join(''))
  return { query: `msg_signature=${signature}&timestamp=${timestamp}&nonce=${nonce}`, encrypt }
}

/** WXBizMsgCrypt: 16 random bytes, the length, the text, whom it is for; padded to blocks of 32; AES-256-CBC. */
export function seal(encodingAesKey, receiver, text) {
  const message = Buffer.from(text)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(message.length)
  return encrypted(encodingAesKey, Buffer.concat([randomBytes(16), length, message, Buffer.from(receiver)])).toString(
    'base64',
  )
}

/** AES-256-CBC, PKCS#7 to blocks of 32. */
function encrypted(encodingAesKey, plain) {
  const key = Buffer.from(`${encodingAesKey}=`, 'base64')
  const padding = 32 - (plain.length % 32)
  const cipher = createCipheriv('aes-256-cbc', key, key.subarray(0, 16)).setAutoPadding(false)
  const whole = Buffer.concat([plain, Buffer.alloc(padding, padding)])
  return Buffer.concat([cipher.update(whole), cipher.final()])
}

/** The XML in a sealed reply. */
export function opened(account, reply) {
  return decrypt(account.encoding_aes_key, reply.match(/<Encrypt><!\[CDATA\[(.*?)\]\]>/)[1])
}

/** 16 random bytes, the length, the text, the receiver; padded to 32. */
export function decrypt(encodingAesKey, encrypt) {
  const key = Buffer.from(`${encodingAesKey}=`, 'base64')
  const cipher = createDecipheriv('aes-256-cbc', key, key.subarray(0, 16)).setAutoPadding(false)
  const plain = Buffer.concat([cipher.update(encrypt, 'base64'), cipher.final()])
  const length = plain.readUInt32BE(16)
  return plain.subarray(20, 20 + length).toString()
}

export function sha1(text) {
  return createHash('sha1').update(text).digest('hex')
}

/** Fields as callbacks hold them: numbers bare, texts in CDATA. */
export function xml(fields) {
  const value = (content) => (typeof content === 'number' ? content : `<![CDATA[${content}]]>`)
  const parts = Object.entries(fields).map(([name, content]) => `<${name}>${value(content)}</${name}>`)
  return `<xml>${parts.join('')}</xml>`
}

function messageXml({ id, from, ...fields }) {
  return xml({
    ToUserName: CORP,
    FromUserName: from,
    CreateTime: Math.floor(Date.now() / 1000),
    ...fields,
    MsgId: id,
    AgentID: AGENT_ID,
  })
}
