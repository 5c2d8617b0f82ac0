/** The address to enter on the platform, which calls it for every event. */
export function webhookAddress(platform: string, account: string): string {
  return `${location.origin}/webhook/${platform}/${encodeURIComponent(account)}`
}
