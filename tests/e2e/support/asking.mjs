// An agent that asks back, with buttons under its answers.

import { startFiles } from './files.mjs'

export const ALLOW = { label: '允许一次 · Allow once', text: '/approve 7f3a allow-once', style: 'primary' }
export const DENY = { label: '拒绝 · Deny', text: '/approve 7f3a deny', style: 'danger' }

/** An agent that asks back, and remembers what it was asked: `asks` answers a question so and gives its place. */
export async function startAsking(world) {
  const agent = await startFiles(world)
  const { platform } = world.fake.account
  const texts = async () => {
    const conversations = (await world.call(world.token, 'GET', '/v1/conversations')).conversations
    const pages = conversations.map(({ id }) =>
      world.call(world.token, 'GET', `/v1/conversations/${encodeURIComponent(id)}/messages`),
    )
    return (await Promise.all(pages)).flatMap(({ messages }) => messages)
  }
  /** The place of the answer to a question in the timeline. */
  const placeOf = async (question) => (await texts()).find((message) => message.reply_to === question.seq).seq
  return {
    ...agent,
    placeOf,
    /** A person's question is answered with buttons: the message as it was sent, and its place in the timeline. */
    async asks(sent, id, text, buttons = [ALLOW, DENY]) {
      const before = world.fake.sent.length
      const question = await agent.receives(sent, id)
      agent.say({ type: 'reply', reply_to: question.seq, text, buttons })
      const [message] = await agent.sent(before, 1)
      return { message, seq: await placeOf(question), conversation: question.conversation, platform }
    },
    /** What people said so often. */
    count: async (text) =>
      (await texts()).filter((message) => message.from.kind === 'user' && message.text === text).length,
  }
}
