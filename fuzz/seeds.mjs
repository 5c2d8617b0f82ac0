// Writes a first corpus from tests/vectors and a few scripts into the folder named by the first argument, one folder per
// target. `npm run fuzz -- --minimise` runs it, adds what runs found, and keeps what covers most.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const [folder] = process.argv.slice(2)

function put(target, seeds) {
  mkdirSync(join(folder, target), { recursive: true })
  seeds.forEach((seed, n) => {
    writeFileSync(join(folder, target, `seed-${n}`), seed)
  })
}

function vectors(file) {
  const path = new URL(`../tests/vectors/${file}.json`, import.meta.url)
  return JSON.parse(readFileSync(path, 'utf8')).vectors
}

const request = ({ input }) => {
  const headers = Object.entries(input.headers ?? {}).map(([name, value]) => `${name.toLowerCase()}: ${value}`)
  const choice = (input.encrypt_key ? 1 : 0) + (input.verification_token ? 0 : 2)
  return `${choice}${headers.join('\n')}\n\n${input.body}`
}

const events = vectors('feishu-events').filter(({ input }) => input.event)
const requests = [...vectors('feishu-webhook-requests'), ...vectors('feishu-signature')]
put('webhook', [...requests.map(request), ...events.map(({ input }) => `0\n\n${JSON.stringify(input.event)}`)])

const recalled = {
  schema: '2.0',
  header: { event_id: 'e', event_type: 'im.message.recalled_v1', token: 'v-token-0001' },
  event: { message_id: 'om_1', chat_id: 'oc_1' },
}
const challenge = { type: 'url_verification', token: 'v-token-0001', challenge: 'c' }
const readable = [...events.map(({ input }) => withToken(input.event)), recalled, challenge]
put(
  'sealed',
  readable.map((event) => `7${JSON.stringify(event)}`),
)

// The number of the account in targets/platforms.rs, whether it is signed, and what the vectors hold.
const telegram = {
  update_id: 1,
  message: {
    message_id: 3,
    from: { id: 5, first_name: 'A' },
    chat: { id: 5, type: 'private' },
    text: 'hi',
    photo: [{ file_id: 'f' }],
  },
}
const press = {
  id: '7',
  from: { id: 5 },
  message: { message_id: 8, chat: { id: 5, type: 'private' } },
  data: '0/2.1.pn8R0j0T',
}
const robot = {
  msgId: 'm1',
  msgtype: 'text',
  text: { content: 'hi' },
  conversationId: 'c',
  conversationType: '1',
  senderStaffId: 's',
  senderNick: 'A',
  robotCode: 'k',
  sessionWebhook: 'https://oapi.dingtalk.com/robot/sendBySession?session=1',
  sessionWebhookExpiredTime: 1732240000000,
}
const c2c = {
  op: 0,
  id: 'e',
  t: 'C2C_MESSAGE_CREATE',
  d: { id: 'ROBOT1.0_x', content: 'hi', timestamp: 't', author: { user_openid: 'U', id: 'U' } },
}
const field = (name, value) => `<${name}><![CDATA[${value}]]></${name}>`
const xml = `<xml>${field('ToUserName', 'ww1')}${field('FromUserName', 'o1')}<CreateTime>1</CreateTime>`
const said = `${xml}${field('MsgType', 'text')}${field('Content', 'hi')}<MsgId>7</MsgId><AgentID>1</AgentID></xml>`
const picture = `${xml}${field('MsgType', 'image')}${field('PicUrl', 'http://mmbiz.qpic.cn/a')}${field('MediaId', 'm')}<MsgId>8</MsgId></xml>`
const tapped = `${xml}${field('MsgType', 'event')}${field('Event', 'template_card_event')}${field('EventKey', '2.1.pn8R0j0T')}</xml>`
const bot = {
  msgid: 'm',
  aibotid: 'b',
  chattype: 'single',
  from: { userid: 'u' },
  msgtype: 'text',
  text: { content: 'hi' },
  response_url: 'https://qyapi.weixin.qq.com/cgi-bin/aibot/response?response_code=1',
}
const card = {
  eventtype: 'template_card_event',
  template_card_event: { event_key: '2.1.pn8R0j0T Sure?', task_id: '2-x' },
}
const sent = (which, ...bodies) =>
  bodies.map((body) => `${which}1${typeof body === 'string' ? body : JSON.stringify(body)}`)
put('platforms', [
  ...sent(0, robot),
  ...sent(1, c2c, { op: 13, d: { plain_token: 'p', event_ts: '1' } }),
  ...sent(2, telegram, { update_id: 2, callback_query: press }),
  ...[3, 4, 5].flatMap((which) => sent(which, said, picture, tapped)),
  ...sent(6, bot, { ...bot, msgtype: 'event', event: card }, { ...bot, msgtype: 'stream', stream: { id: 's' } }),
])

// Most vectors name no token; behind the check of it is more to see.
function withToken(event) {
  return event.header
    ? { ...event, header: { ...event.header, token: 'v-token-0001' } }
    : { ...event, token: 'v-token-0001' }
}

const frames = vectors('frames').map(({ json }) => json)
const hostile = [
  '[]',
  '[{"type":"newer"}]',
  'L{"type":"reply","reply_to":1,"text":"x^Q"}',
  'L[^T',
  '{"type":"ack","seq":9007199254740993}',
]
put('frames', [...frames, ...hostile, `[${frames[0]},${frames[1]}]`, `[${Array(65).fill('{"type":"ack","seq":1}')}]`])

const disposition = 'Content-Disposition: form-data; name="file"; filename="a.png"'
put('form', [
  `\x07--X\r\n${disposition}\r\nContent-Type: image/png\r\n\r\nhello\r\n--X--\r\n`,
  `\x01--X\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--X\r\n${disposition}\r\n\r\n\r\n--Y\r\n\r\n--X--`,
])

put('ids', [
  'feishu:main:om_5ce6',
  '1732233600000.42',
  '0.0',
  '9007199254740991',
  '1.9007199254740992',
  'a^H',
  '01.2',
  '"x"',
])

// Named as the secret of the target names itself.
const head = (kind) => `{"alg":"HS256","kid":"OOy2mc3-","typ":"${kind}+jwt"}`
const ours = (kind) => `"iss":"claw-relay","aud":"${kind}","iat":1800000000`
put('tokens', [
  'teyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJ1c3JfMSJ9.AAAA',
  'm0',
  'm1a.b~',
  'm2zA',
  `a${head('access')}\n{${ours('access')},"exp":1800000001,"sub":"usr_1","role":"operator","sid":"ses_1"}`,
  `a{"alg":"none"}\n{${ours('access')},"exp":1.8e9,"nbf":1,"sub":"usr_1","role":"user","sid":"ses_1"}`,
  `g${head('agent')}\n{${ours('agent')},"sub":"agt_1","user":"usr_1","jti":"key_1","name":"laptop","scopes":["send"]}`,
  `k${head('ticket')}\n{${ours('ticket')},"exp":9223372036854775807,"sub":"usr_1","jti":"t1","sid":"ses_1"}`,
])

put('long_connection', [
  ...vectors('feishu-ws-frame')
    .flatMap(({ input }) => [input.hex, ...(input.frames_hex ?? input.parts_hex ?? [])].filter(Boolean))
    .map(hex),
  Buffer.concat(
    vectors('feishu-ws-frame')
      .flatMap(({ input }) => input.frames_hex ?? [])
      .flatMap((part) => [hex(part), hex('ffff')]),
  ),
])

function hex(text) {
  return Buffer.from(text, 'hex')
}

put('answers', ['', 'hi', '<at user_id="all"></at>', '好^P。', 'L"^Q', 'word ^O\n\n\u0001^O', 'One. Two! 三？\n四'])

put('responses', [
  'A@{"code":0,"msg":"ok","data":{}}',
  'A@{"code":0,"tenant_access_token":"t-1","expire":7200}',
  'AA{"code":99991663,"msg":"token"}',
  'EB{"code":230020}',
  'F@<html>',
  'A@{"code":0,"bot":{"open_id":"ou_1"}}',
  'B@{"code":-1}',
])

const account = { id: 'main', platform: 'feishu', app_id: 'cli_1', app_secret: 's', encrypt_key: 'k' }
const origin = { account: 'main', message: 'om_1' }
put('stored', [
  `a${JSON.stringify({ ...account, verification_token: 'v', default_user: 'usr_1', api_base: 'https://open.feishu.cn' })}`,
  `h${JSON.stringify({ method: 'GET', url: 'https://x', body: null })}`,
  'k{"sub":"usr_1","role":"operator","user":"usr_1","jti":"k","name":"n"}',
  `o${JSON.stringify({ origin, conversation: 'c', seq: 2, text: 't', part: 0 })}`,
  'p{"role":{"kind":"agent","id":"agt_1","name":"n"},"opened":1,"greeted":true,"deltas":false,"sent":1,"last":1,"acked":1,"streaming":[1]}',
  'p{"kind":"device"}',
  `q${JSON.stringify({ id: 'm', conversation: 'c', via: 'web', sender: null, text: 't', origin })}`,
  'r{"status":200,"retry_after_s":null,"body":""}',
  's{"sent":"later","after_ms":1,"why":"w"}',
  's{"sent":"refused"}',
])

// A device is peer 1 here, and an agent peer 2: the character `0` is peer 1 (0x30 % 16 + 1).
const hello = (peer, more = '') => `>${peer}{"type":"hello"${more}}`
const both = ['D0', 'A1laptop', hello('0', ',"capabilities":["deltas"]'), hello('1')]
const send = (id, text) => `>0{"type":"send","id":"${id}","text":"${text}"}`
const reply = (to, text) => `>1{"type":"reply","reply_to":${to},"text":"${text}"}`
const ack = (peer, seq) => `>${peer}{"type":"ack","seq":${seq}}`
const delta = (to, offset, text) => `>1{"type":"delta","reply_to":${to},"offset":${offset},"text":"${text}"}`
put(
  'hub',
  [
    [
      ...both,
      send('a', 'hi'),
      ack('1', 1),
      delta(1, 0, 'he'),
      'T@',
      delta(1, 2, 'llo'),
      'F0',
      reply(1, 'hello'),
      ack('0', 2),
    ],
    [...both, 'P1om_1 hi', ack('1', 1), reply(1, 'hello'), '!0', 'Vt'],
    [
      ...both,
      'P1om_1 hi',
      'H0',
      reply(1, 'x^Q'),
      '!0',
      'Vp',
      '!0',
      'Vl busy',
      'TZ',
      '!0',
      'Vr no',
      'Y01',
      '!0',
      'Vw100',
    ],
    [
      ...both,
      'P1om_1 /help',
      'P1om_2 /agents',
      'P1om_3 /new',
      'P1om_4 /status',
      'P1om_5 /stop',
      'P1om_6 /use laptop',
      '!0',
      'Vt',
    ],
    [
      ...both,
      'P2a @laptop hi',
      'P2b //x',
      'P2c /use',
      'P2d ／停止',
      'Ra',
      'P2a again',
      'P3c @agt_1 hi',
      '>0{"type":"stop","reply_to":1}',
    ],
    [
      ...both,
      send('a', 'x'),
      delta(1, 0, 'part'),
      '>0{"type":"stop","reply_to":1}',
      reply(1, 'late'),
      'Y01',
      '>1{"type":"fail","reply_to":1,"reason":"no"}',
    ],
    [
      ...both,
      '*9',
      send('m#', 'hi'),
      '*7',
      reply('#', 'yes'),
      '*5',
      ack('0', '#'),
      'H0',
      '*7',
      'P1n# hi',
      'T_',
      '!0',
      '!0',
    ],
    [
      'P1a hi',
      'P2b hi',
      'P2c hi',
      ...both,
      'C1',
      'A1desktop',
      'A2other',
      hello('2', ',"open":[1,2,99],"cursor":"1800000000000.1"'),
      hello('3'),
      'K0',
      'D0',
      hello('4', ',"cursor":"1800000000000.2","last":1'),
    ],
    ['OAb', ...both, 'P1a hi', 'T_', '!0', 'Y01', 'N0', 'B@', 'D0', hello('2', ',"cursor":"1.5"'), 'X2', 'L1'],
    [
      ...both,
      'E3',
      'P1a hi',
      'E9',
      send('b', 'hi'),
      'P1a hi',
      'E5',
      '!0',
      reply(1, 'yes'),
      'E4',
      '!0',
      'Z0t1',
      'E0',
      'Y01',
    ],
    [...both, '*5', send('m#', 'x^P'), 'C0', 'D0', hello('2'), '*5', ack('2', '#'), '*6', delta('#', 0, 'x')],
    [
      ...both,
      `>0[${['{"type":"ack","seq":0}', '{"type":"x"}', '{"type":"send","id":"q","text":"x"}'].join()}]`,
      '>0nonsense',
      '>0x^T',
      '>1{"type":"reply","reply_to":5,"text":"x"}',
    ],
  ].map((lines) => lines.join('\n')),
)
