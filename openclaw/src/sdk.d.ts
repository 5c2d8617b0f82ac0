// What this plugin uses of OpenClaw's SDK, and nothing else: the real types come with 650 MB. Checked by running
// against the version in package.json (tests/e2e/openclaw.test.mjs); SDK subpaths vanish between releases.

declare module 'openclaw/plugin-sdk/channel-core' {
  export function createChatChannelPlugin(params: object): object
  export function defineChannelPluginEntry(params: {
    id: string
    name: string
    description: string
    plugin: object
    setRuntime(runtime: import('./openclaw').Runtime): void
  }): object
}

declare module 'openclaw/plugin-sdk/channel-inbound' {
  export function toInboundMediaFacts(media: object[]): object[]
}

declare module 'openclaw/plugin-sdk/channel-ingress-runtime' {
  export function defineStableChannelIngressIdentity(params: {
    key: string
    normalize(value: string): string
    authentication: 'verified' | 'asserted'
  }): object
}

declare module 'openclaw/plugin-sdk/channel-pairing' {
  export function createChannelPairingController(params: {
    core: import('./openclaw').Runtime
    channel: string
    accountId: string
  }): {
    readAllowFromStore(): Promise<string[]>
    issueChallenge(params: {
      senderId: string
      senderIdLine: string
      meta?: Record<string, string | undefined>
      sendPairingReply(text: string): Promise<void>
    }): Promise<{ created: boolean }>
  }
}

declare module 'openclaw/plugin-sdk/channel-setup' {
  export function defineChannelSetupContract(params: object): object
}

declare module 'openclaw/plugin-sdk/interactive-runtime' {
  export function renderMessagePresentationFallbackText(params: {
    text?: string
    presentation?: import('./openclaw').Presentation
  }): string
}

declare module 'openclaw/plugin-sdk/outbound-media' {
  /** Reads a path that OpenClaw's policy allows, or an address on the net. */
  export function loadOutboundMediaFromUrl(
    url: string,
    options: import('./openclaw').MediaAccess & { maxBytes: number; optimizeImages: boolean },
  ): Promise<{ buffer: Buffer; contentType?: string; fileName?: string }>
}

declare module 'openclaw/plugin-sdk/plugin-runtime' {
  export function getPluginRuntimeGatewayRequestScope(): { client?: object } | undefined
}

declare module 'openclaw/plugin-sdk/websocket-runtime' {
  export class WebSocket {
    static readonly OPEN: 1
    readyState: number
    constructor(
      url: string,
      protocol: string,
      options: { headers: Record<string, string>; handshakeTimeout: number; maxPayload: number },
    )
    on(event: 'open', run: () => void): void
    on(event: 'message', run: (data: { toString(): string }, isBinary: boolean) => void): void
    on(event: 'unexpected-response', run: (request: object, response: { statusCode: number }) => void): void
    on(event: 'error', run: (error: Error) => void): void
    on(event: 'close', run: (code: number, reason: { toString(): string }) => void): void
    send(text: string): void
    close(code: number): void
    terminate(): void
  }
}
