// What OpenClaw says unasked: cron, its `message` tool, `openclaw message send`, and what a turn asks while it runs.

import type { Button } from '../../web/src/lib/frame'
import { type Account, CHANNEL, resolveAccount } from './account'
import { inWords, spelledOut } from './buttons'
import { clock, deskOf } from './gateway'
import { send as carry, type Media } from './media'
import type { Payload, Presentation, SendContext, SendPayloadContext } from './openclaw'
import type { Around } from './patience'
import { isUrgent, mediaOf, type Shown, shownBy } from './payload'
import { type Push, push } from './push'
import { conversationOf } from './target'

/** OpenClaw asks for this before it sends, and takes a payload without presentation back: its buttons travel in our part. */
export function renderPresentation({
  payload,
  presentation,
}: {
  payload: Payload
  presentation: Presentation
}): Payload {
  const shown = shownBy({ ...payload, presentation })
  // What is urgent is made by OpenClaw itself, the rest by agents too.
  const { text, buttons } = isUrgent(payload) ? shown : inTheOpen(shown)
  if (buttons.length === 0) return { ...payload, text }
  return { ...payload, text, channelData: { ...payload.channelData, [CHANNEL]: { buttons } satisfies Ours } }
}

/** Which command a button says can be read, on it or in the text. */
function inTheOpen({ text, buttons }: Shown): Shown {
  const spelled = buttons.map((button) => spelledOut(button) ?? inWords(button))
  const words = spelled.filter((one) => typeof one === 'string').join('\n')
  return {
    text: [text, words].filter((part) => part !== '').join('\n\n'),
    buttons: spelled.filter((one) => typeof one !== 'string'),
  }
}

/** What `renderPresentation` leaves for `sendPayload`. */
type Ours = { buttons: Button[] }

export async function sendPayload(context: SendPayloadContext): Promise<{ channel: string; messageId: string }> {
  const { payload } = context
  const { buttons } = (payload.channelData?.[CHANNEL] ?? { buttons: [] }) as Ours
  const content = { text: payload.text ?? '', media: mediaOf(payload), buttons }
  const { messageId } = await (isUrgent(payload) ? sendAlone(context, content) : send(context, content))
  return { channel: CHANNEL, messageId }
}

export function sendPlain(context: SendContext): Promise<{ messageId: string }> {
  const { text, mediaUrl } = context
  return send(context, { text, media: mediaUrl ? [{ url: mediaUrl }] : [], buttons: [] })
}

/** Into a conversation, as the answer to a question that waits for one there, or as a message of its own. */
async function send(context: SendContext, content: Content): Promise<{ messageId: string }> {
  const { account, message } = await prepare(context, content)
  const { conversation, text, files, buttons } = message
  const desk = deskOf(account.accountId)
  if (desk?.say(conversation, text, files, buttons)) return { messageId: `${conversation}:${clock.now()}` }
  const messageId = await push(account, message, surroundings(), context.signal)
  desk?.pushed(conversation)
  return { messageId }
}

/** Into a conversation as a message of its own, which answers nothing. */
async function sendAlone(context: SendContext, content: Content): Promise<{ messageId: string }> {
  const { account, message } = await prepare(context, content)
  return { messageId: await push(account, message, surroundings(), context.signal) }
}

type Content = { text: string; media: Media[]; buttons: Button[] }

/** The message as the relay takes it: its files are there already. */
async function prepare(
  context: SendContext,
  { text, media, buttons }: Content,
): Promise<{ account: Account; message: Push }> {
  const account = resolveAccount(context.cfg, context.accountId)
  const { deliveryQueueId, deliveryPartIndex = 0, mediaAccess, mediaLocalRoots, mediaReadFile } = context
  const access = {
    ...(mediaAccess && { mediaAccess }),
    ...(mediaLocalRoots && { mediaLocalRoots }),
    ...(mediaReadFile !== undefined && { mediaReadFile }),
  }
  const { files, words } = await carry(account, media, access, surroundings(), context.signal)
  const message = {
    conversation: conversationOf(context.to),
    text: [text, ...words].filter((part) => part !== '').join('\n\n'),
    files,
    buttons,
    ...(deliveryQueueId !== undefined && { key: `${deliveryQueueId}-${deliveryPartIndex}` }),
  }
  return { account, message }
}

function surroundings(): Around {
  return { after: clock.after, fetch, random: Math.random }
}
