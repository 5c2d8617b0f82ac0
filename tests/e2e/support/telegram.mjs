// Telegram's Bot API, as far as the relay can tell: it refuses what Telegram refuses. Facts: core.telegram.org/bots/api.

import assert from 'node:assert/strict'
import { answerFile } from './files.mjs'
import { form, json, must, serve } from './server.mjs'

const ACCOUNT = {
  id: 'main',
  platform: 'telegram',
  default_user: 'me',
  bot_token: '123456:telegram-token-that-must-not-leak',
  secret_token: 'telegram-secret-that-must-not-leak',
}
export const NAME = 'claw_test_bot'

export async function startTelegram() {
  let updates = 0
  /** What a question's id is to Telegram: { update_id, message_id, chat }. */
  const known = new Map()
  const chats = new Set()
  const fake = {
    account: ACCOUNT,
    ack: '{}',
    sent: [],
    /** Files that people sent, by file_id: { bytes, path }. */
    files: new Map(),
    calls: [],
    next: [],
    /** What is shown for half a minute, in the order in which it was: { chat, id, text, at }. */
    /** Where the bot was typing. */
    actions: [],
    previews: [],
    /** The bot may show such. */
    hasPreviews: true,
    /** Chats that blocked the bot. */
    blocked: new Set(),
    /** Markup is not read, as when a tag is unknown. */
    readsMarkup: true,
    chatOf: ({ from = '1001', group, topic }) => [group ?? from, topic].filter(Boolean).join('/'),
    /** Words of a person. */
    question: (id, text, options = {}) => update(fake.message(id, options, { text })),
    /** A message, with its update. */
    message(id, { from = '1001', group, topic } = {}, fields = {}) {
      if (!known.has(id)) known.set(id, { update_id: 10_000 + ++updates, message_id: updates })
      const { update_id, message_id } = known.get(id)
      const chat = Number(group ?? from)
      chats.add(chat)
      return {
        update_id,
        message: {
          message_id,
          from: { id: Number(from), is_bot: false, first_name: 'Ada' },
          chat: { id: chat, type: group ? 'supergroup' : 'private' },
          date: Math.floor(Date.now() / 1000),
          ...(topic && { message_thread_id: Number(topic), is_topic_message: true }),
          ...fields,
        },
      }
    },
  }
  let queries = 0
  /** Somebody presses a button under a message of the bot's; `data`: what their client says that it was. */
  fake.press = (
    { chat, topic, message_id, keyboard },
    n,
    { by = '1001', data = keyboard[n][0].callback_data, id } = {},
  ) => {
    const message = { message_id, date: 1, chat: { id: chat, type: chat < 0 ? 'supergroup' : 'private' } }
    // In groups Telegram names a thread wherever something is replied to.
    if (chat < 0) message.message_thread_id = topic ?? 1
    const from = { id: Number(by), is_bot: false, first_name: 'Ada', language_code: 'zh-hans' }
    const query = { id: id ?? `43821890124${++queries}`, from, message, chat_instance: '1', data }
    return update({ update_id: 90_000 + ++updates, callback_query: query })
  }
  /** Somebody changes the bot's own standing in a group, from `was` to `is`. */
  fake.changed = ({ by = '1001', group, was = 'left', is = 'member' }) => {
    chats.add(Number(group))
    const [chat, from] = [
      { id: Number(group), type: 'supergroup' },
      { id: Number(by), is_bot: false },
    ]
    const member = (status) => ({ user: { id: 123456, is_bot: true, username: NAME }, status })
    const my_chat_member = { chat, from, date: 1, old_chat_member: member(was), new_chat_member: member(is) }
    return update({ update_id: 80_000 + ++updates, my_chat_member })
  }
  /** The response to an update may make one call: what it says. */
  fake.toast = async (response) => {
    assert.equal(response.status, 200)
    const { method, callback_query_id, text, ...rest } = await response.json()
    assert.deepEqual([method, rest], ['answerCallbackQuery', {}])
    assert.ok(callback_query_id.startsWith('43821890124') && text.length <= 200, text)
    return text
  }
  const refuse = (response, error_code, description, parameters) =>
    json(response, error_code, { ok: false, error_code, description, ...(parameters && { parameters }) })

  const server = await serve(async (request, body, response) => {
    const [, of, path] = request.url.match(/^\/file\/bot([^/]+)\/(.+)$/) ?? []
    if (of) {
      must(of === ACCOUNT.bot_token && request.method === 'GET', 'the address of a file')
      const file = [...fake.files.values()].find((known) => known.path === path)
      return file ? answerFile(response, file) : refuse(response, 404, 'Not Found')
    }
    const [, token, method] = request.url.match(/^\/bot([^/]+)\/(\w+)$/) ?? []
    must(token, request.url)
    must(!request.headers.authorization, 'the token is in the URL alone')
    if (token !== ACCOUNT.bot_token) return refuse(response, 401, 'Unauthorized')
    if (method === 'getMe') {
      return json(response, 200, { ok: true, result: { id: 123456, is_bot: true, first_name: 'C', username: NAME } })
    }
    must(request.method === 'POST', method)
    if (method === 'getFile') {
      const file = fake.files.get(JSON.parse(body).file_id)
      if (!file) return refuse(response, 400, 'Bad Request: wrong file_id or the file is temporarily unavailable')
      if (file.bytes.length > 20_000_000) return refuse(response, 400, 'Bad Request: file is too big')
      return json(response, 200, { ok: true, result: { file_id: 'x', file_path: file.path } })
    }
    if (method === 'editMessageReplyMarkup') return changeKeyboard(JSON.parse(body), response)
    if (method === 'sendChatAction') {
      const { chat_id, action } = JSON.parse(body)
      must(chats.has(chat_id) && action === 'typing', `the action ${action} in ${chat_id}`)
      fake.actions.push(chat_id)
      return json(response, 200, { ok: true, result: true })
    }
    if (method === 'sendMessageDraft') return showPreview(JSON.parse(body), response)
    if (method !== 'sendMessage') return sendFile(method, await form(request), response)
    const message = JSON.parse(body)
    const at = Date.now()
    fake.calls.push({ at, parse_mode: message.parse_mode })
    const scripted = fake.next.shift()
    if (scripted) return json(response, scripted.status, scripted.body, scripted.headers)
    const { chat_id, message_thread_id, text, parse_mode, reply_parameters, reply_markup } = message
    if (!chats.has(chat_id)) return refuse(response, 400, 'Bad Request: chat not found')
    if (fake.blocked.has(chat_id)) return refuse(response, 403, 'Forbidden: bot was blocked by the user')
    if (fake.sent.filter((known) => known.chat === chat_id && at - known.at < 60_000).length >= 60) {
      return refuse(response, 429, 'Too Many Requests: retry after 3', { retry_after: 3 })
    }
    const plain = parse_mode ? fake.readsMarkup && withoutTags(text) : text
    if (plain === null || plain === false) {
      return refuse(response, 400, `Bad Request: can't parse entities: unsupported start tag at byte offset 0`)
    }
    if (!plain.trim()) return refuse(response, 400, 'Bad Request: message text is empty')
    if (plain.length > 4096) return refuse(response, 400, 'Bad Request: message is too long')
    const wrong = reply_markup && wrongKeyboard(reply_markup)
    if (wrong) return refuse(response, 400, `Bad Request: ${wrong}`)
    const isKnown = [...known.values()].some(({ message_id }) => message_id === reply_parameters?.message_id)
    if (reply_parameters && !isKnown && !reply_parameters.allow_sending_without_reply) {
      return refuse(response, 400, 'Bad Request: message to be replied not found')
    }
    const to = [chat_id, message_thread_id].filter(Boolean).join('/')
    const message_id = 5000 + fake.sent.length
    const keyboard = reply_markup?.inline_keyboard
    const replies_to = reply_parameters?.message_id
    fake.sent.push({
      chat: chat_id,
      topic: message_thread_id,
      to,
      text: plain,
      raw: text,
      at,
      message_id,
      keyboard,
      replies_to,
    })
    return json(response, 200, { ok: true, result: { message_id } })
  })

  /** "editMessageReplyMarkup" */
  function changeKeyboard({ chat_id, message_id, reply_markup }, response) {
    const message = fake.sent.find((known) => known.chat === chat_id && known.message_id === message_id)
    if (!message) return refuse(response, 400, 'Bad Request: message to edit not found')
    const wrong = wrongKeyboard(reply_markup)
    if (wrong) return refuse(response, 400, `Bad Request: ${wrong}`)
    if (JSON.stringify(reply_markup.inline_keyboard) === JSON.stringify(message.keyboard)) {
      return refuse(response, 400, 'Bad Request: message is not modified')
    }
    message.keyboard = reply_markup.inline_keyboard
    return json(response, 200, { ok: true, result: { message_id } })
  }

  /** "sendMessageDraft" */
  function showPreview({ chat_id, message_thread_id, draft_id, text, parse_mode }, response) {
    const at = Date.now()
    must(chat_id > 0 && chats.has(chat_id), 'a private chat')
    must(Number.isSafeInteger(draft_id) && draft_id !== 0, `draft_id ${draft_id}`)
    if (!fake.hasPreviews) {
      fake.calls.push({ at, method: 'sendMessageDraft' })
      return refuse(response, 400, 'Bad Request: method is available only for bots with topics')
    }
    const plain = parse_mode ? withoutTags(text) : text
    must(plain?.trim() && plain.length <= 4096, `a preview of ${plain?.length} characters`)
    const chat = [chat_id, message_thread_id].filter(Boolean).join('/')
    fake.previews.push({ chat, id: draft_id, text: plain, at })
    return json(response, 200, { ok: true, result: true })
  }

  /** "Sending files" */
  function sendFile(method, { chat_id, message_thread_id, reply_parameters, ...files }, response) {
    const at = Date.now()
    const [field, types, bytesMax] = {
      sendAnimation: ['animation', /^image\/gif$/, 50_000_000],
      sendAudio: ['audio', /^audio\/(mpeg|mp4)$/, 50_000_000],
      sendDocument: ['document', /./, 50_000_000],
      sendPhoto: ['photo', /^image\/(png|jpeg|webp)$/, 10_000_000],
      sendVideo: ['video', /^video\/mp4$/, 50_000_000],
      sendVoice: ['voice', /^audio\/ogg$/, 50_000_000],
    }[method]
    const file = files[field]
    must(file?.name && Object.keys(files).length === 1, `the file of ${method}`)
    must(JSON.parse(reply_parameters).allow_sending_without_reply, 'reply_parameters')
    fake.calls.push({ at, method })
    const scripted = fake.next.shift()
    if (scripted) return json(response, scripted.status, scripted.body, scripted.headers)
    const chat = Number(chat_id)
    if (!chats.has(chat)) return refuse(response, 400, 'Bad Request: chat not found')
    if (!types.test(file.type)) return refuse(response, 400, 'Bad Request: wrong file type')
    if (file.bytes.length > bytesMax) return refuse(response, 413, 'Request Entity Too Large')
    const to = [chat, message_thread_id].filter(Boolean).join('/')
    fake.sent.push({ chat, to, text: '', file, method, at })
    return json(response, 200, { ok: true, result: { message_id: 5000 + fake.sent.length } })
  }

  return Object.assign(fake, server)
}

/** "InlineKeyboardMarkup" */
function wrongKeyboard({ inline_keyboard, ...rest }) {
  must(Object.keys(rest).length === 0, `reply_markup: ${Object.keys(rest)}`)
  if (!Array.isArray(inline_keyboard?.[0])) return "can't parse reply keyboard markup JSON object"
  const keys = inline_keyboard.flat()
  if (keys.length > 100) return 'REPLY_MARKUP_TOO_LONG'
  for (const { text, callback_data, ...rest } of keys) {
    must(Object.keys(rest).length === 0, `a button: ${Object.keys(rest)}`)
    if (!text) return "can't parse inline keyboard button: text must not be empty"
    const bytes = Buffer.byteLength(callback_data ?? '')
    if (bytes < 1 || bytes > 64) return 'BUTTON_DATA_INVALID'
  }
}

/** An update with the secret that setWebhook was given. */
export function update(body, secret = ACCOUNT.secret_token) {
  const headers = { 'content-type': 'application/json', 'x-telegram-bot-api-secret-token': secret }
  return { headers, body: JSON.stringify(body) }
}

/** What people read of Telegram's HTML; null, if it is none: an unknown tag, one that is not closed, a bare `<` or `&`. */
function withoutTags(html) {
  const open = []
  let plain = ''
  for (const [piece, tag, entity] of html.matchAll(/<(\/?[^<>]*)>|&(\w+);|[\s\S]/g)) {
    if (entity) {
      const character = { lt: '<', gt: '>', amp: '&', quot: '"' }[entity]
      if (!character) return null
      plain += character
    } else if (tag === undefined) {
      if (piece === '<' || piece === '&') return null
      plain += piece
    } else if (tag.startsWith('/')) {
      if (open.pop() !== tag.slice(1)) return null
    } else {
      const [, name] = tag.match(/^(b|i|s|u|code|pre|a)(?: href="[^"]*")?$/) ?? []
      if (!name) return null
      open.push(name)
    }
  }
  return open.length === 0 ? plain : null
}
