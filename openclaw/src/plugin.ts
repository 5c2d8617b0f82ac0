// The channel as OpenClaw sees it: config, status, access, sending.

import { createChatChannelPlugin, defineChannelPluginEntry } from 'openclaw/plugin-sdk/channel-core'
import { defineChannelSetupContract } from 'openclaw/plugin-sdk/channel-setup'
import {
  type Account,
  accountIds,
  applyInput,
  CHANNEL,
  defaultAccountId,
  inputMistake,
  isConfigured,
  resolveAccount,
} from './account'
import { BUTTON_TEXT_BYTES_MAX, BUTTONS_MAX } from './buttons'
import { startAccount } from './gateway'
import type { ChannelContext, Config, Runtime } from './openclaw'
import { renderPresentation, sendPayload, sendPlain } from './send'
import { conversationOf, kindOf, normalizeTarget } from './target'

let runtime: Runtime | null = null

type Setup = { cfg: Config; accountId: string; input: { relayUrl?: string; token?: string } }

export const plugin = createChatChannelPlugin({
  base: {
    id: CHANNEL,
    meta: {
      id: CHANNEL,
      label: 'claw-relay',
      selectionLabel: 'claw-relay (Feishu, WeCom, WeChat, QQ, web)',
      docsPath: `/channels/${CHANNEL}`,
      blurb: 'your chat apps, through your own relay; nothing to open in your firewall.',
      markdownCapable: true,
    },
    capabilities: { chatTypes: ['direct', 'group'], media: true },
    // The agent's `message` tool may send choices.
    actions: { describeMessageTool: () => ({ capabilities: ['presentation'] }) },
    reload: { configPrefixes: [`channels.${CHANNEL}`] },
    config: {
      listAccountIds: accountIds,
      defaultAccountId,
      resolveAccount,
      inspectAccount: (config: Config, accountId?: string | null) => describe(resolveAccount(config, accountId)),
      isEnabled: ({ enabled }: Account) => enabled,
      isConfigured,
      unconfiguredReason: ({ mistake }: Account) => mistake ?? '',
      describeAccount: describe,
      resolveAllowFrom: ({ cfg, accountId }: { cfg: Config; accountId?: string | null }) =>
        resolveAccount(cfg, accountId).allowFrom,
    },
    setupContract: defineChannelSetupContract({
      fields: {
        relayUrl: { kind: 'string', cli: { flags: '--relay-url <url>', description: 'Address of the relay' } },
        token: { kind: 'string', sensitive: true, cli: { flags: '--token <key>', description: 'Agent key' } },
      },
      adapter: {
        validateInput: ({ cfg, accountId, input }: Setup) => inputMistake(cfg, accountId, input),
        applyAccountConfig: ({ cfg, accountId, input }: Setup) => applyInput(cfg, accountId, input),
      },
    }),
    messaging: {
      targetPrefixes: [CHANNEL],
      targetIdComparison: 'case-sensitive',
      normalizeTarget,
      inferTargetChatType: ({ to }: { to: string }) => kindOf(to),
      targetResolver: {
        looksLikeId: (raw: string) => /^[A-Za-z0-9._:@-]{1,200}$/.test(conversationOf(raw)),
        hint: '<a conversation of the relay, such as feishu:main:oc_1 or web; a group with group: before it>',
      },
    },
    gateway: {
      startAccount: (context: ChannelContext<Account>) => {
        if (runtime === null) throw new Error('OpenClaw started the channel before it registered the plugin')
        return startAccount(context, runtime)
      },
    },
  },
  security: {
    dm: {
      channelKey: CHANNEL,
      resolvePolicy: ({ dmPolicy }: Account) => dmPolicy,
      resolveAllowFrom: ({ allowFrom }: Account) => allowFrom,
      defaultPolicy: 'pairing',
    },
  },
  pairing: {
    text: {
      idLabel: 'sender',
      message: 'OpenClaw 已允许你使用 · you may write to OpenClaw now.',
      notify: async ({
        cfg,
        id,
        message,
        accountId,
      }: {
        cfg: Config
        id: string
        message: string
        accountId?: string
      }) => {
        // A sender is no conversation; only the user's own devices are both.
        if (id === 'web') await sendPlain({ cfg, to: id, text: message, ...(accountId && { accountId }) })
      },
    },
  },
  outbound: {
    // In characters, which take at most three bytes each: a part stays below the relay's 128 KiB.
    base: {
      deliveryMode: 'direct',
      textChunkLimit: 40_000,
      chunkerMode: 'markdown',
      presentationCapabilities: {
        supported: true,
        buttons: true,
        selects: true,
        context: true,
        divider: false,
        limits: {
          actions: {
            maxActions: BUTTONS_MAX,
            maxValueBytes: BUTTON_TEXT_BYTES_MAX,
            supportsStyles: true,
            supportsDisabled: false,
          },
        },
      },
      renderPresentation,
      sendPayload,
    },
    attachedResults: { channel: CHANNEL, sendText: sendPlain, sendMedia: sendPlain },
  },
})

export default defineChannelPluginEntry({
  id: CHANNEL,
  name: 'claw-relay',
  description: 'Talk to your OpenClaw from every chat app that is bound to a claw-relay.',
  plugin,
  setRuntime(value) {
    runtime = value
  },
})

function describe(account: Account): Record<string, unknown> {
  return {
    accountId: account.accountId,
    ...(account.name !== undefined && { name: account.name }),
    enabled: account.enabled,
    configured: isConfigured(account),
    tokenStatus: account.token === '' ? 'missing' : 'available',
    baseUrl: account.relayUrl,
    dmPolicy: account.dmPolicy,
    groupPolicy: account.groupPolicy,
    ...(account.mistake !== null && { lastError: account.mistake }),
  }
}
