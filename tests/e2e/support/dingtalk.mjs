// DingTalk, as far as the relay can tell: the robot APIs it calls, which refuse what DingTalk refuses, and the callbacks of a
// robot, signed. Facts: open.dingtalk.com, "获取企业内部应用的accessToken", "机器人发送消息", "接收消息".

import { createHmac, randomUUID } from 'node:crypto'
import { answerFile, read } from './files.mjs'
import { json, must, serve } from './server.mjs'

const ACCOUNT = {
  id: 'main',
  platform: 'dingtalk',
  default_user: 'me',
  app_key: 'dingabc123',
  app_secret: 'dingtalk-secret-that-must-not-leak',
  robot_code: 'dingrobot1',
}
const MEMBERS = /^(alice|bob|stranger|member\d+)$/

export async function startDingtalk() {
  const valid = new Set()
  const groups = new Set()
  const fake = {
    account: ACCOUNT,
    ack: '{}',
    sent: [],
    /** Files that people sent, by downloadCode: { bytes, type }. */
    files: new Map(),
    calls: [],
    next: [],
    tokens: 0,
    expireToken: () => valid.clear(),
    chatOf: ({ from = 'alice', group }) => group ?? from,
    /** Words of a member; in a group they mention the robot. */
    question: (id, text, options = {}) =>
      callback(fake.message(id, options, { msgtype: 'text', text: { content: ` ${text}` } })),
    /** Words with pictures, files … */
    says: (id, options, fields) => callback(fake.message(id, options, fields)),
    /** A message. */
    message(id, { from = 'alice', group } = {}, fields = {}) {
      if (group) groups.add(group)
      return {
        msgId: id,
        createAt: Date.now(),
        conversationType: group ? '2' : '1',
        conversationId: group ?? `cid-${from}==`,
        senderId: `$:LWCP_v1:$${from}`,
        senderStaffId: from,
        senderNick: '韩梅梅',
        chatbotCorpId: 'ding-corp',
        chatbotUserId: '$:LWCP_v1:$bot',
        robotCode: ACCOUNT.robot_code,
        isInAtList: Boolean(group),
        sessionWebhook: 'https://oapi.dingtalk.com/robot/sendBySession?session=x',
        ...fields,
      }
    },
  }
  const refuse = (response, status, code, message) => json(response, status, { code, message, requestid: randomUUID() })

  const server = await serve(async (request, body, response) => {
    const { pathname, searchParams: query } = new URL(request.url, 'http://fake')
    if (pathname === '/oss') {
      must(request.method === 'GET' && !request.headers['x-acs-dingtalk-access-token'], 'a file by its address alone')
      return answerFile(response, fake.files.get(query.get('code')))
    }
    must(request.method === 'POST', `${request.method} ${pathname}`)
    const fields = JSON.parse(body)
    if (pathname === '/v1.0/oauth2/accessToken') {
      if (fields.appKey !== ACCOUNT.app_key || fields.appSecret !== ACCOUNT.app_secret) {
        return refuse(response, 400, 'invalidClientIdOrSecret', '无效的clientId或者clientSecret')
      }
      fake.tokens += 1
      const token = `dingtalk-${fake.tokens}-${randomUUID()}`
      valid.add(token)
      return json(response, 200, { accessToken: token, expireIn: 7200 })
    }
    const token = request.headers['x-acs-dingtalk-access-token']
    if (!valid.has(token)) return refuse(response, 401, 'InvalidAuthentication', '不合法的access_token')
    if (pathname === '/v1.0/robot/messageFiles/download') {
      if (fields.robotCode !== ACCOUNT.robot_code) return refuse(response, 400, 'resource.not.found', 'robot 不存在')
      if (!fake.files.has(fields.downloadCode)) return refuse(response, 400, 'invalidParameter', 'downloadCode 已失效')
      return json(response, 200, { downloadUrl: `${fake.url}/oss?code=${encodeURIComponent(fields.downloadCode)}` })
    }
    const at = Date.now()
    fake.calls.push({ at })
    const scripted = fake.next.shift()
    if (scripted) return json(response, scripted.status, scripted.body, scripted.headers)
    if (fake.calls.filter((call) => at - call.at < 1000).length > 20) {
      return refuse(response, 403, 'Forbidden.AccessDenied.QpsLimitForAppkeyAndApi', '应用调用该接口的QPS超限')
    }
    const { robotCode, msgKey, msgParam, userIds, openConversationId } = fields
    if (robotCode !== ACCOUNT.robot_code) return refuse(response, 400, 'resource.not.found', 'robot 不存在')
    must(['sampleImageMsg', 'sampleMarkdown'].includes(msgKey) && typeof msgParam === 'string', 'msgKey, msgParam')
    const { title, text = '', photoURL } = JSON.parse(msgParam)
    const isImage = msgKey === 'sampleImageMsg'
    // As the people's apps do, each when it shows the message.
    const file = isImage ? await read(photoURL) : undefined
    if (isImage ? !photoURL : !title || !text)
      return refuse(response, 400, 'invalidParameter.msgParam', 'msgParam is invalid')
    if (Buffer.byteLength(text) > 20_000) return refuse(response, 400, 'invalidParameter.msgParam.tooLong', 'too long')
    const taken = { processQueryKey: randomUUID() }
    if (pathname === '/v1.0/robot/groupMessages/send') {
      if (!groups.has(openConversationId))
        return refuse(response, 400, 'invalidParameter.openConversationId', '会话不存在')
      fake.sent.push({ to: openConversationId, title, text, file, token, at })
      return json(response, 200, taken)
    }
    must(pathname === '/v1.0/robot/oToMessages/batchSend', pathname)
    must(userIds.length === 1, 'an answer to several people')
    const invalidStaffIdList = userIds.filter((id) => !MEMBERS.test(id))
    if (invalidStaffIdList.length === 0) fake.sent.push({ to: userIds[0], title, text, file, token, at })
    return json(response, 200, { ...taken, invalidStaffIdList, flowControlledStaffIdList: [] })
  })
  return Object.assign(fake, server)
}

/** A callback as the robot sends it: its signature does not cover the body. */
export function callback(body, { secret = ACCOUNT.app_secret, at = Date.now() } = {}) {
  const timestamp = String(at)
  const sign = createHmac('sha256', secret).update(`${timestamp}\n${secret}`).digest('base64')
  return { headers: { 'content-type': 'application/json; charset=utf-8', timestamp, sign }, body: JSON.stringify(body) }
}
