// Every platform that a bot can be on: what its operator copies from where, and what to do afterwards. The names of fields
// are those of POST /v1/admin/accounts (relay/src/platform/*.rs), and so are the checks.

import { randomWord } from '../../browser'
import type { Language } from '../../strings'

export type Words = Record<Language, string>

export interface Field {
  name: string
  label: Words
  help?: Words
  kind: 'choice' | 'number' | 'secret' | 'switch' | 'text'
  placeholder?: string
  /** What stands there at first. */
  initial?: () => string
  /** For `choice`. */
  options?: readonly { value: string; label: Words }[]
  isOptional?: true
  /** Few need it. */
  isAdvanced?: true
  /** Not copied from the platform but entered there, beside the address. */
  isEnteredThere?: true
  check?: { pattern: RegExp; say: Words }
}

export interface Platform {
  id: string
  /** What this bot is, in a line. */
  about: Words
  /** What to do first. */
  before: Words
  fields: readonly Field[]
  /** Of these, one is enough. */
  oneOf?: readonly string[]
  /** Whoever knows the address can abuse it: it must not be guessed. */
  hasSecretAddress?: true
  /** It takes calls from listed IPs only. */
  isListed?: true
  /** Where the address is entered, and what else there is to do. */
  steps: readonly Words[]
  /** Ids as the platform writes them; without `group` there are none. */
  ids: { sender: Id; group?: Id }
  /** What tells the platform the address, when it has no page for that. */
  command?: (values: Record<string, string>, webhook: string) => string
}

export interface Id {
  example: string
  help: Words
}

const same = (word: string): Words => ({ en: word, zh: word })

function text(name: string, label: Words | string, more: Partial<Field> = {}): Field {
  return { name, label: typeof label === 'string' ? same(label) : label, kind: 'text', ...more }
}

function secret(name: string, label: Words | string, more: Partial<Field> = {}): Field {
  return { ...text(name, label, more), kind: 'secret' }
}

function toggle(name: string, initial: boolean, label: Words, help: Words): Field {
  return { name, label, help, kind: 'switch', initial: () => String(initial) }
}

const API: Words = { en: 'API address', zh: 'API 地址' }

/** Where the platform's API is. */
function base(address: string): Field {
  const help = { en: 'Another one only to go through a proxy', zh: '走代理时才改' }
  return text('api_base', API, { help, placeholder: address, isOptional: true, isAdvanced: true, check: BASE })
}

/** The same, where the platform takes calls from listed addresses only, and Cloudflare's are not fixed. */
function listedBase(address: string, name = 'api_base', label: Words = API): Field {
  const help = {
    en: 'In place of an agent: an HTTPS proxy with a listed IP that passes calls on to it',
    zh: '不用智能体代为调用时：白名单里那台 HTTPS 代理的地址，由它转发过去',
  }
  return text(name, label, { help, placeholder: address, isOptional: true, isAdvanced: true, check: BASE })
}

/** Answers that are there in time can go in the callback's own response. */
function passive(help: Words): Field {
  return {
    ...toggle('passive', true, { en: 'Answer within the callback', zh: '在回调里直接回答' }, help),
    isAdvanced: true,
  }
}

const BASE = {
  pattern: /^(https:\/\/.|http:\/\/(127\.0\.0\.1|localhost):)(.*[^/])?$/,
  say: { en: 'https:// and a host, without a slash at the end', zh: '以 https:// 开头，末尾不带斜杠' },
}
const AES_KEY = {
  pattern: /^[A-Za-z0-9+/]{43}$/,
  say: { en: '43 letters and digits', zh: '应为 43 个字母和数字' },
}
const MADE_NOW = {
  isEnteredThere: true,
  help: {
    en: 'Made just now; or the one that stands there already',
    zh: '刚刚随机生成；平台上已经有了就填那一个',
  },
} as const
const NEW_KEY: Partial<Field> = { ...MADE_NOW, initial: () => randomWord(43), check: AES_KEY }
/** WeChat takes up to 32 letters and digits. */
const NEW_TOKEN: Partial<Field> = { ...MADE_NOW, initial: () => randomWord(32) }

export const PLATFORMS: readonly Platform[] = [
  {
    id: 'feishu',
    about: { en: 'A custom app with a bot; Lark, too', zh: '企业自建应用的机器人，也支持 Lark' },
    before: {
      en: 'On the open platform (open.feishu.cn, open.larksuite.com), create a custom app and add the feature “Bot”.',
      zh: '先在开放平台（open.feishu.cn）建一个企业自建应用，在“添加应用能力”里加上“机器人”。',
    },
    fields: [
      {
        name: 'api_base',
        label: { en: 'Feishu or Lark', zh: '飞书还是 Lark' },
        kind: 'choice',
        options: [
          { value: 'https://open.feishu.cn', label: { en: 'Feishu (open.feishu.cn)', zh: '飞书（open.feishu.cn）' } },
          { value: 'https://open.larksuite.com', label: same('Lark (open.larksuite.com)') },
        ],
      },
      text('app_id', 'App ID', {
        placeholder: 'cli_…',
        help: { en: '“Credentials & Basic Info”', zh: '应用的“凭证与基础信息”页' },
      }),
      secret('app_secret', 'App Secret', { help: { en: 'On the same page', zh: '在同一页' } }),
      secret('encrypt_key', 'Encrypt Key', {
        help: {
          en: '“Events & Callbacks → Encryption Strategy”; at least one of the two, better this one',
          zh: '“事件与回调 → 加密策略”里，两项至少填一项，最好填这一项',
        },
      }),
      secret('verification_token', 'Verification Token', { help: { en: 'On the same page', zh: '在同一页' } }),
      toggle(
        'streaming',
        true,
        { en: 'Show answers while they are made', zh: '边生成边显示' },
        {
          en: 'As a card with a stop button; needs the permission cardkit:card:write, and is about one API call a second',
          zh: '用带“停止”按钮的卡片；需要权限 cardkit:card:write，大约每秒一次 API 调用',
        },
      ),
    ],
    oneOf: ['encrypt_key', 'verification_token'],
    steps: [
      {
        en: '“Events & Callbacks → Event Configuration”: send events to a developer server, and enter the request URL.',
        zh: '“事件与回调 → 事件配置”：订阅方式选“将事件发送至开发者服务器”，填上请求地址。',
      },
      {
        en: 'Add the events “Receive messages” (im.message.receive_v1) and “Message recalled” (im.message.recalled_v1).',
        zh: '添加事件“接收消息”（im.message.receive_v1）和“撤回消息”（im.message.recalled_v1）。',
      },
      {
        en: 'For the stop button: “Callback Configuration”, the same request URL, callback card.action.trigger.',
        zh: '要用停止按钮：“回调配置”填同一个请求地址，添加回调 card.action.trigger。',
      },
      {
        en: '“Permissions”: im:message.p2p_msg:readonly, im:message.group_at_msg:readonly, im:message:send_as_bot and cardkit:card:write.',
        zh: '“权限管理”：开通 im:message.p2p_msg:readonly、im:message.group_at_msg:readonly、im:message:send_as_bot、cardkit:card:write。',
      },
      { en: 'Create a version and publish it.', zh: '创建版本并发布。' },
    ],
    ids: {
      sender: { example: 'ou_…', help: { en: 'The open_id, which begins with ou_', zh: 'open_id，以 ou_ 开头' } },
      group: { example: 'oc_…', help: { en: 'The chat_id, which begins with oc_', zh: 'chat_id，以 oc_ 开头' } },
    },
  },
  {
    id: 'wecom',
    isListed: true,
    about: { en: 'A self-built app; members write to it alone', zh: '自建应用，成员在应用里单独聊' },
    before: {
      en: 'In the admin console (work.weixin.qq.com), create an app under “App Management”, and add the public IP of the machine that will make the calls (below) to its “Trusted IPs”: WeCom refuses all others.',
      zh: '先在管理后台（work.weixin.qq.com）“应用管理 → 自建”里建一个应用，并把代为调用的那台机器（见下）的公网 IP 加进应用的“企业可信IP”，否则企业微信会拒绝调用。',
    },
    fields: [
      text(
        'corp_id',
        { en: 'CorpID', zh: '企业 ID（CorpID）' },
        {
          placeholder: 'ww…',
          help: { en: '“My Company → Company Info”, at the bottom', zh: '“我的企业 → 企业信息”最下面' },
        },
      ),
      text('agent_id', 'AgentId', {
        kind: 'number',
        placeholder: '1000002',
        help: { en: 'On the app’s page', zh: '应用详情页' },
        check: { pattern: /^\d{1,15}$/, say: { en: 'Digits only', zh: '只有数字' } },
      }),
      secret('secret', 'Secret', {
        help: { en: 'On the app’s page; it is sent to your phone', zh: '应用详情页，会发到手机上查看' },
      }),
      secret('token', 'Token', NEW_TOKEN),
      secret('encoding_aes_key', 'EncodingAESKey', NEW_KEY),
      toggle(
        'markdown',
        true,
        { en: 'Answer with Markdown', zh: '用 Markdown 回答' },
        {
          en: 'Turn it off if members read in WeChat, which does not show it',
          zh: '成员在微信里看消息时请关掉，微信显示不了',
        },
      ),
      listedBase('https://qyapi.weixin.qq.com'),
      passive({
        en: 'What is there within 5 s, without Markdown; the rest goes by the API',
        zh: '5 秒内的回答随回调返回，不带 Markdown；其余走接口',
      }),
    ],
    steps: [
      {
        en: 'On the app’s page, “Receive Messages → Set API receiving”: enter the request URL, Token and EncodingAESKey, and save.',
        zh: '应用详情页“接收消息 → 设置API接收”：填上请求地址、Token 和 EncodingAESKey，保存。',
      },
      {
        en: 'Check the app’s visible range: others can neither see it nor be answered.',
        zh: '看一下应用的“可见范围”：范围之外的人看不到它，也收不到回答。',
      },
    ],
    ids: {
      sender: { example: 'zhangsan', help: { en: 'The account of the member (userid)', zh: '成员的账号（userid）' } },
    },
  },
  {
    id: 'wecom-bot',
    about: { en: 'An AI bot for chats and groups; no fixed IP needed', zh: '智能机器人，单聊群聊都行，不用固定 IP' },
    before: {
      en: 'In the admin console, under “Security & Management → Management tools → AI bots”, create a bot in API mode with a callback URL. Leave that page open: the values below go there.',
      zh: '在管理后台“安全与管理 → 管理工具 → 智能机器人”里，用 API 模式建一个机器人，选“使用回调地址”。那一页先别关，下面的值要填过去。',
    },
    fields: [
      text(
        'name',
        { en: 'Name of the bot', zh: '机器人的名字' },
        {
          isOptional: true,
          help: {
            en: 'As it is mentioned in groups, without @; else the first word after @ is taken for it',
            zh: '群里 @ 它时的名字，不带 @；不填就把 @ 后的第一个词当作名字',
          },
        },
      ),
      secret('token', 'Token', NEW_TOKEN),
      secret('encoding_aes_key', 'EncodingAESKey', NEW_KEY),
      passive({
        en: 'Shown as it comes; otherwise whole, once it is there',
        zh: '边生成边显示；关掉就等生成完再一次发出',
      }),
      base('https://qyapi.weixin.qq.com'),
    ],
    steps: [
      {
        en: 'On the bot’s page, enter the request URL, Token and EncodingAESKey, and save.',
        zh: '在机器人的页面填上请求地址、Token 和 EncodingAESKey，保存。',
      },
      { en: 'Choose who may see the bot.', zh: '设置机器人的可见范围。' },
    ],
    ids: {
      sender: { example: 'zhangsan', help: { en: 'The account of the member (userid)', zh: '成员的账号（userid）' } },
      group: { example: 'wr…', help: { en: 'The chatid of the group', zh: '群的 chatid' } },
    },
  },
  {
    id: 'wechat',
    isListed: true,
    about: { en: 'Followers write to the account', zh: '关注的人直接给公众号发消息' },
    before: {
      en: 'In the admin console (mp.weixin.qq.com), under “Settings & Development → Basic Configuration”, add the public IP of the machine that will make the calls (below) to the “IP whitelist”: WeChat refuses all others.',
      zh: '先在公众平台（mp.weixin.qq.com）“设置与开发 → 开发接口管理”里把代为调用的那台机器（见下）的公网 IP 加进“IP 白名单”，否则微信会拒绝调用。',
    },
    fields: [
      text('app_id', 'AppID', {
        placeholder: 'wx…',
        help: { en: '“Basic Configuration”', zh: '“开发接口管理 → 基本配置”' },
      }),
      secret('app_secret', 'AppSecret', {
        help: { en: 'On the same page; shown once, when it is made', zh: '在同一页，只在生成时显示一次' },
      }),
      secret('token', 'Token', NEW_TOKEN),
      secret('encoding_aes_key', 'EncodingAESKey', {
        ...NEW_KEY,
        isOptional: true,
        help: {
          en: 'Made just now, for safe mode; empty for plain mode, which is less safe',
          zh: '刚刚随机生成，用于安全模式；留空就是明文模式，不够安全',
        },
      }),
      toggle(
        'customer_service',
        true,
        { en: 'Customer-service messages', zh: '客服消息' },
        {
          en: 'Verified accounts may send them. Without them, a late answer waits until the reader sends 继续, and no listed IP is needed.',
          zh: '认证过的公众号才能发。关掉后，来不及的回答等读者发送“继续”时再给，也不需要 IP 白名单。',
        },
      ),
      listedBase('https://api.weixin.qq.com'),
      passive({
        en: 'What is there within 5 s; the rest goes as customer-service messages',
        zh: '5 秒内的回答随回调返回，其余走客服消息',
      }),
    ],
    steps: [
      {
        en: '“Basic Configuration → Server Configuration”: enter the request URL, Token and EncodingAESKey, choose safe mode, submit, and enable it.',
        zh: '“基本配置 → 服务器配置”：填上请求地址、Token 和 EncodingAESKey，加密方式选“安全模式”，提交并启用。',
      },
      {
        en: 'Once it is enabled, automatic replies and menus made on that page no longer work.',
        zh: '启用以后，公众平台上设的自动回复和自定义菜单会失效。',
      },
    ],
    ids: { sender: { example: 'o…', help: { en: 'The openid of the follower', zh: '关注者的 openid' } } },
  },
  {
    id: 'qq',
    isListed: true,
    about: { en: 'An official bot for chats, groups and guilds', zh: '官方机器人，单聊、群聊和频道' },
    before: {
      en: 'On the open platform (q.qq.com), create a bot, and add the public IP of the machine that will make the calls (below) to its “IP whitelist”: QQ refuses all others.',
      zh: '先在 QQ 开放平台（q.qq.com）建一个机器人，并在“开发设置”里把代为调用的那台机器（见下）的公网 IP 加进“IP 白名单”，否则 QQ 会拒绝调用。',
    },
    fields: [
      text('app_id', 'AppID', { placeholder: '1020…', help: { en: '“Development settings”', zh: '“开发设置”页' } }),
      secret('app_secret', 'AppSecret', {
        help: { en: 'On the same page; shown once, when it is made', zh: '在同一页，只在生成时显示一次' },
      }),
      toggle(
        'markdown',
        true,
        { en: 'Answer with Markdown', zh: '用 Markdown 回答' },
        { en: 'Where QQ refuses it, plain text is sent instead', zh: 'QQ 不收的时候会改发纯文本' },
      ),
      toggle(
        'proactive',
        false,
        { en: 'Late answers as messages of their own', zh: '迟到的回答主动发送' },
        {
          en: 'Replies are possible for 60 min, in groups for 5; few bots may send anything later',
          zh: '60 分钟内（群里 5 分钟）才能回复，之后要有主动消息权限才发得出',
        },
      ),
      toggle(
        'streaming',
        true,
        { en: 'Show answers while they are made', zh: '边生成边显示' },
        { en: 'In private chats, with Markdown', zh: '仅在单聊里，且用 Markdown 回答时' },
      ),
      listedBase('https://api.bot.qq.com'),
      listedBase('https://api.bot.qq.com', 'token_base', { en: 'Address for tokens', zh: '取令牌的地址' }),
    ],
    steps: [
      { en: '“Callback configuration”: enter the request URL and save.', zh: '“回调配置”：填上请求地址，保存。' },
      {
        en: 'Subscribe to C2C_MESSAGE_CREATE and GROUP_AT_MESSAGE_CREATE; for guilds AT_MESSAGE_CREATE and DIRECT_MESSAGE_CREATE, too; for greetings FRIEND_ADD and GROUP_ADD_ROBOT.',
        zh: '订阅 C2C_MESSAGE_CREATE 和 GROUP_AT_MESSAGE_CREATE；频道再加 AT_MESSAGE_CREATE 和 DIRECT_MESSAGE_CREATE；要打招呼再加 FRIEND_ADD 和 GROUP_ADD_ROBOT。',
      },
      {
        en: 'Until the bot is published, only those in its sandbox reach it.',
        zh: '上线之前，只有“沙箱配置”里的人和群能用。',
      },
    ],
    ids: {
      sender: {
        example: 'E4F4…',
        help: { en: 'The openid, which is another one in groups', zh: 'openid，同一个人在群里是另一个' },
      },
      group: { example: 'C9F7…', help: { en: 'The group_openid, or a channel’s id', zh: 'group_openid，或子频道 ID' } },
    },
  },
  {
    id: 'telegram',
    about: { en: 'A bot for chats and groups', zh: '单聊和群聊的机器人' },
    before: {
      en: 'In Telegram, send /newbot to @BotFather; it answers with a token.',
      zh: '先在 Telegram 里给 @BotFather 发 /newbot，它会给你一个令牌。',
    },
    fields: [
      secret(
        'bot_token',
        { en: 'Token of the bot', zh: '机器人令牌' },
        {
          placeholder: '123456:ABC…',
          help: { en: 'From @BotFather', zh: '@BotFather 给的' },
          check: {
            pattern: /^\d{1,19}:[A-Za-z0-9_-]+$/,
            say: { en: 'A number, a colon, letters and digits', zh: '应为一个数字、一个冒号，再加字母和数字' },
          },
        },
      ),
      secret(
        'secret_token',
        { en: 'Secret of the webhook', zh: 'Webhook 密钥' },
        {
          initial: () => randomWord(43),
          help: {
            en: 'Made just now; Telegram names it in every update',
            zh: '刚刚随机生成，Telegram 每次推送都会带上',
          },
          check: {
            pattern: /^[A-Za-z0-9_-]{1,256}$/,
            say: { en: '1 to 256 letters, digits, _ and -', zh: '1 到 256 个字母、数字、_ 或 -' },
          },
        },
      ),
      toggle(
        'streaming',
        true,
        { en: 'Show answers while they are made', zh: '边生成边显示' },
        { en: 'In private chats', zh: '仅在单聊里' },
      ),
      base('https://api.telegram.org'),
    ],
    steps: [
      {
        en: 'Run the command on any computer: it tells Telegram the address, since there is no page for that.',
        zh: '在任意一台电脑上运行上面的命令，把地址告诉 Telegram（它没有填地址的页面）。',
      },
      {
        en: 'In groups, mention the bot or reply to it; it need not be an administrator.',
        zh: '群里 @ 它或者回复它就行，不用设为管理员。',
      },
    ],
    ids: {
      sender: { example: '123456789', help: { en: 'The number of the user', zh: '用户的数字 ID' } },
      group: {
        example: '-100…',
        help: { en: 'The number of the group, which is negative', zh: '群的数字 ID，是负数' },
      },
    },
    command: ({ api_base, bot_token, secret_token }, webhook) =>
      `curl '${api_base || 'https://api.telegram.org'}/bot${bot_token}/setWebhook' -d 'url=${webhook}' -d 'secret_token=${secret_token}' -d 'allowed_updates=["message","callback_query","my_chat_member"]'`,
  },
  {
    id: 'dingtalk',
    about: { en: 'The robot of an internal app, for chats and groups', zh: '企业内部应用的机器人，单聊和群聊' },
    before: {
      en: 'On the open platform (open-dev.dingtalk.com), create an internal app and add the capability “Robot”.',
      zh: '先在开放平台（open-dev.dingtalk.com）建一个企业内部应用，在“添加应用能力”里加上“机器人”。',
    },
    fields: [
      text(
        'app_key',
        { en: 'Client ID (AppKey)', zh: 'Client ID（AppKey）' },
        {
          placeholder: 'ding…',
          help: { en: '“Credentials”', zh: '“凭证与基础信息”页' },
        },
      ),
      secret(
        'app_secret',
        { en: 'Client Secret (AppSecret)', zh: 'Client Secret（AppSecret）' },
        {
          help: { en: 'On the same page', zh: '在同一页' },
        },
      ),
      text('robot_code', 'RobotCode', {
        isOptional: true,
        placeholder: 'ding…',
        help: {
          en: '“Robot”; most often the same as the Client ID',
          zh: '“机器人”页；多半和 Client ID 一样，一样就不用填',
        },
      }),
      base('https://api.dingtalk.com'),
    ],
    hasSecretAddress: true,
    steps: [
      {
        en: '“Robot”: choose the HTTP mode and enter the request URL. Keep it to yourself: DingTalk’s signature does not cover the messages.',
        zh: '“机器人”页：消息接收模式选 HTTP，填上请求地址。地址不要外传：钉钉的签名不包含消息内容。',
      },
      {
        en: '“Permissions”: let the app send messages as a robot (qyapi_robot_sendmsg).',
        zh: '“权限管理”：开通“企业内机器人发送消息”（qyapi_robot_sendmsg）。',
      },
      { en: 'Create a version and publish it.', zh: '创建版本并发布。' },
    ],
    ids: {
      sender: {
        example: 'manager123',
        help: { en: 'The userid of the member (staffId)', zh: '成员的 userid（staffId）' },
      },
      group: { example: 'cid…', help: { en: 'The conversationId of the group', zh: '群的 conversationId' } },
    },
  },
]

export function platformOf(id: string): Platform | undefined {
  return PLATFORMS.find((platform) => platform.id === id)
}
