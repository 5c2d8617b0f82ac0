// A question becomes a turn of OpenClaw's: who writes, may they, and what comes of it. OpenClaw decides on pairing,
// allow-lists and commands; the relay only tells who wrote.

import { defineStableChannelIngressIdentity } from 'openclaw/plugin-sdk/channel-ingress-runtime'
import { createChannelPairingController } from 'openclaw/plugin-sdk/channel-pairing'
import type { Envelope } from '../../web/src/lib/frame'
import { type Account, CHANNEL } from './account'
import type { Clock } from './clock'
import type { Agent, Outcome, Turn } from './desk'
import type { Log } from './log'
import { type Received, receive, send } from './media'
import type { Access, Config, Payload, Route, Runtime } from './openclaw'
import type { Around } from './patience'
import { isQuestion, isUrgent, mediaOf, shownBy } from './payload'
import { push } from './push'
import { OtherRun } from './run'
import { type Kind, targetOf } from './target'

/** Who wrote, and where. What comes from a group was meant for the bot: the relay passes on nothing else. */
interface Facts {
  kind: Kind
  conversation: string
  /** As allow-lists name them: `feishu:ou_1`, or `web` for the user's own devices. */
  sender: string
  /** For the model to read: nobody is let in by it. */
  name: string
}

export class OpenClaw implements Agent {
  /** Sessions whose turn has asked something and waits for the answer: that turn, and when it can be answered. */
  private readonly asking = new Map<string, { turn: Turn; isReady: Promise<void> }>()

  constructor(
    private readonly runtime: Runtime,
    /** Replaced when the channel starts again with other settings. */
    public account: Account,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  lane(question: Envelope): string | null {
    // `/approve` and the like are for the turn that runs.
    if (this.isCommand(question.text)) return null
    const { sessionKey } = this.route(question)
    // OpenClaw would put a second question of its session into the turn that runs: right for its answer alone.
    return this.asking.has(sessionKey) ? null : sessionKey
  }

  async renew(question: Envelope): Promise<Outcome> {
    const { files: _, ...command } = { ...question, id: `${question.id}:new`, text: '/new' }
    // The relay has let them do it, and keeps what is said from now on apart.
    const access = await this.admit(command, factsOf(command), this.route(command), EVERYONE)
    // Whoever is not let in has said nothing that could be forgotten.
    return access.ingress.admission === 'dispatch' ? this.take(command, access, NOBODY) : 'over'
  }

  async answer(question: Envelope, turn: Turn): Promise<Outcome> {
    const facts = factsOf(question)
    const route = this.route(question)
    const access = await this.admit(question, facts, route)
    const { admission, reasonCode = '' } = access.ingress
    if (admission === 'pairing-required') return this.challenge(facts, turn)
    if (admission !== 'dispatch') {
      const why = reasonCode || admission
      // Where OpenClaw shall be quiet, nothing is said about it either.
      if (why === 'group_policy_disabled') {
        this.log.info(`question ${question.seq} is not answered: groupPolicy is disabled`)
        return 'over'
      }
      return { refused: `OpenClaw did not let this in (${why}): ${REMEDY[facts.kind]} of channels.${CHANNEL}` }
    }
    return this.take(question, access, turn)
  }

  /** Of somebody who was let in. */
  private async take(question: Envelope, access: Access, turn: Turn): Promise<Outcome> {
    const facts = factsOf(question)
    const route = this.route(question)
    const received = await receive(this.runtime, this.account, question, this.around, this.log, turn.signal)
    if (turn.signal.aborted) return 'over'
    const other = new OtherRun(this.runtime.events, route.sessionKey, turn, this.clock)
    try {
      if (await this.dispatch(question, received, facts, route, access, turn)) return 'over'
      // It went into a run that is not ours; or OpenClaw remembers it from before a restart, and takes up the interrupted
      // turn by itself, soon …
      if (await other.end()) return 'over'
      // … unless that turn was over, and only its answer got lost.
      const anew = { ...question, id: `${question.id}:${Date.now()}` }
      await this.dispatch(anew, received, facts, route, await this.admit(anew, facts, route), turn)
    } catch (error) {
      // The gateway is being ended, or is about to be suspended.
      if (error instanceof Error && error.name === 'GatewayDrainingError') return 'later'
      // Too busy with its own state; meanwhile it may go on with the interrupted turn, which then answers.
      if (turn.isAgain && (await other.end())) return 'over'
      throw error
    } finally {
      other.leave()
      if (this.asking.get(route.sessionKey)?.turn === turn) this.asking.delete(route.sessionKey)
    }
    return 'over'
  }

  private get around(): Around {
    return { after: this.clock.after, fetch, random: Math.random }
  }

  private get config(): Config {
    return this.runtime.config.current()
  }

  private isCommand(text: string): boolean {
    return this.runtime.channel.text.hasControlCommand(text, this.config)
  }

  private route(question: Envelope): Route {
    const { kind, conversation } = factsOf(question)
    return this.runtime.channel.routing.resolveAgentRoute({
      cfg: this.config,
      channel: CHANNEL,
      accountId: this.account.accountId,
      peer: { kind, id: conversation },
    })
  }

  /** `commanders`: who may write commands, if that is not for OpenClaw to say. */
  private async admit(
    question: Envelope,
    { kind, conversation, sender }: Facts,
    route: Route,
    commanders?: object,
  ): Promise<Access> {
    const { accountId, dmPolicy, allowFrom, groupPolicy, groupAllowFrom } = this.account
    const isGroup = kind === 'group'
    const { readAllowFromStore } = this.pairing()
    // Of its own, OpenClaw lets nobody in in a group who only has a code, nor to a command there, such as a press.
    const known = isGroup ? [...allowFrom, ...(dmPolicy === 'pairing' ? await readAllowFromStore() : [])] : []
    const command = this.isCommand(question.text) && {
      allowTextCommands: true,
      hasControlCommand: true,
      ...(isGroup && { commandOwnerAllowFrom: known }),
      ...commanders,
    }
    return this.runtime.channel.inbound.ingress.resolve({
      channelId: CHANNEL,
      accountId,
      identity: IDENTITY,
      subject: { stableId: sender },
      conversation: { kind, id: conversation },
      contextBinding: {
        agentId: route.agentId,
        sessionKey: route.sessionKey,
        messageId: question.id,
        inboundEventKind: 'user_request',
        nativeChannelId: conversation,
      },
      // A code is for one person, who would show it to everyone.
      event: { kind: 'message', authMode: 'inbound', mayPair: !isGroup },
      policy: {
        dmPolicy,
        groupPolicy,
        ...(isGroup && { activation: { requireMention: true, allowTextCommands: true } }),
      },
      allowFrom,
      groupAllowFrom: groupAllowFrom.length > 0 ? groupAllowFrom : known,
      accessGroups: this.config.accessGroups,
      readStoreAllowFrom: readAllowFromStore,
      ...(isGroup && { mentionFacts: MENTIONED }),
      ...(command && { command }),
    })
  }

  private async challenge({ sender, conversation }: Facts, turn: Turn): Promise<Outcome> {
    await this.pairing().issueChallenge({
      senderId: sender,
      senderIdLine: `Your id: ${sender}`,
      meta: { conversation },
      sendPairingReply: async (text) => turn.say(text),
    })
    return { refused: `OpenClaw waits for its owner to let you in (openclaw pairing list ${CHANNEL})` }
  }

  /** Whether a turn of ours answered, or will have by now. */
  private async dispatch(
    question: Envelope,
    received: Received,
    facts: Facts,
    route: Route,
    access: Access,
    turn: Turn,
  ): Promise<boolean> {
    let isTaken = false
    const asking = this.asking.get(route.sessionKey)
    await asking?.isReady
    const { kind, conversation, sender, name } = facts
    const { agentId, dmScope, sessionKey } = route
    const { accountId } = this.account
    const { inbound } = this.runtime.channel
    const { text, id: messageId } = question
    const target = targetOf(conversation, kind)
    const told = [text, ...received.words].filter((part) => part !== '').join('\n')
    const context = inbound.buildContext({
      channelIngress: access,
      channel: CHANNEL,
      accountId,
      messageId,
      messageIdFull: messageId,
      timestamp: question.at_ms,
      from: kind === 'group' ? `${CHANNEL}:${target}` : target,
      sender: { id: sender, name },
      conversation: { kind, id: conversation, label: conversation, nativeChannelId: conversation },
      route: { agentId, dmScope, accountId, routeSessionKey: sessionKey },
      reply: { to: target, originatingTo: target, replyToId: messageId },
      message: { body: told, rawBody: told, bodyForAgent: told, commandBody: text },
      ...(received.facts.length > 0 && { media: received.facts }),
      access: {
        commands: { authorized: access.commandAccess.authorized },
        ...(kind === 'group' && { mentions: { ...MENTIONED, requireMention: true } }),
      },
    })
    const settled = Promise.withResolvers<void>()
    turn.signal.addEventListener('abort', () => settled.resolve(), { once: true })
    const { dispatchResult } = await inbound.dispatch({
      cfg: this.config,
      channel: CHANNEL,
      accountId,
      route: { agentId, dmScope, sessionKey },
      ctxPayload: context,
      messageId,
      turnAdoptionLifecycle: {
        admission: 'exclusive',
        onAdopted: () => {
          isTaken = true
          turn.adopted()
        },
        onAbandoned: () => settled.resolve(),
        onSettled: () => settled.resolve(),
        abortSignal: turn.signal,
      },
      replyOptions: {
        abortSignal: turn.signal,
        onPartialReply: ({ text }: Payload) => turn.partial(text ?? ''),
        onAssistantMessageStart: () => turn.partial(''),
        onToolStart: ({ name, phase }: { name?: string; phase?: string }) => {
          if (name !== undefined && (phase === undefined || phase === 'start')) turn.doing(`⏳ ${name} …`)
        },
        // Without this OpenClaw tells of tools in messages of their own, or not at all.
        suppressDefaultToolProgressMessages: true,
      },
      delivery: {
        observeMessageSent: true,
        deliver: async (payload: Payload) => {
          isTaken = true
          // Before it is said: an answer is kept with its files, and sent again with the same ones.
          const { files, words } = await send(this.account, mediaOf(payload), {}, this.around, turn.signal)
          for (const word of words) this.log.warn(`question ${question.seq}: a file of its answer: ${word}`)
          const { text, buttons } = shownBy(payload)
          const said = [text, ...words].filter((part) => part !== '').join('\n\n')
          const isVisible = said !== '' || files.length > 0
          if (isVisible && isUrgent(payload)) {
            const sent = push(this.account, { conversation, text: said, files, buttons }, this.around)
            // At once: the answer may be here before the relay has confirmed the question.
            if (isQuestion(payload)) this.asking.set(sessionKey, { turn, isReady: this.settled(sent) })
            return { messageIds: [await sent], visibleReplySent: true }
          }
          if (isVisible) turn.say(said, files, buttons)
          return { messageIds: [`reply:${question.seq}`], visibleReplySent: isVisible }
        },
        onError: (error: unknown) =>
          this.log.error(`question ${question.seq}: a part could not be delivered: ${error}`),
      },
    })
    switch (dispatchResult?.deferredToActiveRun) {
      case 'followup':
        turn.deferred()
        await settled.promise
        return true
      case 'steer':
        // The answer to a question of the turn that waited for it: that turn may be over by now.
        if (asking !== undefined) {
          if (this.asking.get(sessionKey) === asking) this.asking.delete(sessionKey)
          turn.say(PASSED_ON)
          return true
        }
        // Into a run that another surface began, and that answers there.
        return false
      case undefined:
        return isTaken || this.isCommand(text)
    }
  }

  /** OpenClaw wants no answer while it still hands over the question. */
  private async settled(sent: Promise<string>): Promise<void> {
    await sent.catch(() => {})
    await new Promise<void>((resolve) => this.clock.after(HANDED_OVER_MS, resolve))
  }

  private pairing() {
    return createChannelPairingController({ core: this.runtime, channel: CHANNEL, accountId: this.account.accountId })
  }
}

/** The one place that reads who wrote. */
function factsOf({ conversation, from }: Envelope): Facts {
  const { via, sender: id, name, group } = from as Envelope['from'] & { kind: 'user' }
  const sender = id === undefined ? via : `${via}:${id}`
  return { kind: group ? 'group' : 'direct', conversation, sender, name: name ?? sender }
}

/** What whoever was not let in can do. */
const REMEDY: Record<Kind, string> = {
  direct: 'see dmPolicy and allowFrom',
  group: 'write to it in private first, or see groupPolicy and groupAllowFrom',
}
/** The relay passes on what mentions the bot, or answers it. */
const MENTIONED = { canDetectMention: true, wasMentioned: true }
/** Whoever may write at all may write this command. */
const EVERYONE = { useAccessGroups: false }
/** What OpenClaw needs to see that its question was delivered. */
const HANDED_OVER_MS = 500
/** What an answer to a question of OpenClaw's is answered with: the rest is said where it was asked. */
const PASSED_ON = '✓ 已转达 · passed on'
/** Nobody reads what comes of it. */
const NOBODY: Turn = {
  signal: new AbortController().signal,
  isAgain: false,
  adopted() {},
  deferred() {},
  partial() {},
  doing() {},
  say() {},
}
/** The platform, or the relay's own sign-in, has proved who wrote; the relay passes it on. */
const IDENTITY = defineStableChannelIngressIdentity({
  key: 'sender',
  normalize: (value) => value.trim(),
  authentication: 'asserted',
})
