// A member of a company writes to a DingTalk robot; their own agent answers.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { callback, startDingtalk } from './support/dingtalk.mjs'
import { linksTo, picture, read, startFiles } from './support/files.mjs'
import {
  answersInParts,
  answersOnce,
  endsWell,
  failsSaying,
  pairsStrangers,
  refusesCredentials,
  refusesForgeries,
  refusesOthers,
  renewsTheToken,
  saysWhyRefused,
  startPlatformWorld,
  triesAgain,
} from './support/platform.mjs'

test('dingtalk', async (t) => {
  const world = await startPlatformWorld(t, startDingtalk)
  const { fake } = world

  await t.test('a robot is tried before it is kept', () =>
    refusesCredentials(world, { app_secret: 'x-must-not-leak' }, /^app_key, app_secret: DingTalk 400 invalidClientId/),
  )

  await t.test('a question is answered once, by a message to whoever asked', () => answersOnce(world, { from: 'bob' }))

  await t.test('in groups the answer goes to the group, with a title', async () => {
    await world.asks('m-group', 'in a group', { group: 'cidGroup+/==' })
    // The model is told who wrote.
    const { to, title } = await world.answered('韩梅梅: in a group')
    assert.deepEqual([to, title], ['cidGroup+/==', 'answer to: 韩梅梅: in a'])
  })

  await t.test('a long answer comes in parts', () => answersInParts(world, { chars: 14_000, parts: 2 }))

  await t.test('an expired access token is renewed once', () => renewsTheToken(world))

  await t.test('a busy platform is tried again', () =>
    triesAgain(world, [
      { status: 403, body: { code: 'Forbidden.AccessDenied.QpsLimitForApi', message: '接口限流' } },
      { status: 200, body: { processQueryKey: 'q', invalidStaffIdList: [], flowControlledStaffIdList: ['alice'] } },
    ]),
  )

  await t.test('an answer that is refused says why', async () => {
    const body = { code: 'Forbidden.AccessDenied.AccessTokenPermissionDenied', message: '应用尚未开通所需的权限' }
    await saysWhyRefused(world, { status: 403, body }, /AccessTokenPermissionDenied: 应用尚未开通/)
    await failsSaying(world, 'out of sight', /成员不存在或不可见/, { from: 'outsider' })
  })

  await t.test('a stranger is told a code', () => pairsStrangers(world, { from: 'stranger' }))

  await t.test('speech and rich texts are questions; outsiders are ignored', async () => {
    const says = async (id, fields) => {
      const response = await world.receive(callback(fake.message(id, {}, fields)))
      assert.deepEqual([response.status, await response.text()], [200, '{}'])
    }
    const richText = [{ text: 'rich ' }, { type: 'picture', downloadCode: 'd' }, { text: 'words' }]
    await says('m-voice', { msgtype: 'audio', content: { recognition: '说的话', downloadCode: 'd' } })
    await says('m-rich', { msgtype: 'richText', content: { richText } })
    await world.answeredWithFile('说的话')
    await world.answeredWithFile('rich words')
    await says('m-outsider', { msgtype: 'text', text: { content: 'not for the bot' }, senderStaffId: undefined })
    await world.ignored('not for the bot')
  })

  await t.test('forgeries are refused with the same words', async () => {
    const good = fake.question('m-forged', 'forged')
    const body = JSON.parse(good.body)
    const { sign, timestamp, ...headers } = good.headers
    await refusesForgeries(world, {
      'another secret': callback(body, { secret: 'another' }),
      'two hours old': callback(body, { at: Date.now() - 7_200_000 }),
      'from the future': callback(body, { at: Date.now() + 7_200_000 }),
      'no signature': { ...good, headers: { ...headers, timestamp } },
      'no time': { ...good, headers: { ...headers, sign } },
      'another time': { ...good, headers: { ...headers, sign, timestamp: String(Number(timestamp) + 1) } },
      'for another robot': callback({ ...body, robotCode: 'dingother' }),
    })
  })

  await t.test('what is no callback is refused', () =>
    refusesOthers(world, { methods: ['POST'], notRead: { 'no JSON': [{ body: 'nothing' }, 400] } }),
  )

  await t.test('files go both ways: pictures as they are, others as links', async () => {
    const files = await startFiles(world)
    const [photo, speech, table] = [picture(90_000), Buffer.from('#!AMR\n speech'), Buffer.from('a,b\n')]
    fake.files.set('pic/+=', { bytes: photo, type: 'image/png' })
    fake.files.set('voice', { bytes: speech })
    const receives = (id, options, msgtype, content) => files.receives(fake.says(id, options, { msgtype, content }), id)

    const image = await receives('f-image', {}, 'picture', { downloadCode: 'pic/+=' })
    assert.deepEqual([image.text, image.files.map(({ kind }) => kind)], ['', ['image']])
    await files.holds(image.files[0], photo, 'image/png')
    fake.expireToken()
    const voice = await receives('f-voice', {}, 'audio', { downloadCode: 'voice', recognition: '说的话', duration: 1 })
    assert.deepEqual([voice.text, voice.files[0].kind], ['说的话', 'audio'])
    await files.holds(voice.files[0], speech, 'audio/amr')
    const richText = [{ text: 'see ' }, { type: 'picture', downloadCode: 'pic/+=' }]
    const rich = await receives('f-rich', { group: 'cid-files==' }, 'richText', { richText })
    assert.deepEqual([rich.text, rich.files.length], ['see', 1])
    const writer = { kind: 'user', via: 'dingtalk', sender: 'alice', name: '韩梅梅' }
    assert.deepEqual([image.from, rich.from], [writer, { ...writer, group: true }])
    const gone = await receives('f-gone', {}, 'file', { downloadCode: 'gone', fileName: '报告.pdf' })
    assert.equal(gone.files[0].name, '报告.pdf')
    const said = await read(gone.files[0].url)
    assert.deepEqual([said.status, /downloadCode 已失效/.test(said.bytes)], [404, true], said.bytes.toString())

    const plot = await files.upload(photo)
    const csv = await files.upload(table, { name: '表.csv', type: 'text/csv' })
    for (const [question, to] of [
      [image, 'alice'],
      [rich, 'cid-files=='],
    ]) {
      const before = fake.sent.length
      files.reply(question, 'here', [plot, csv])
      const sent = await files.sent(before, 3)
      assert.deepEqual(
        sent.map((message) => message.to),
        [to, to, to],
      )
      assert.equal(sent[0].text, 'here')
      assert.ok(sent[1].file.bytes.equals(photo))
      await linksTo(sent[2].text, table)
    }
    files.close()
  })

  await t.test('the fakes found nothing wrong', () => endsWell(world))
})
