/** What outlives a reload: `localStorage`, `sessionStorage`, the mini program's storage, a map in tests. */
export interface Storage {
  getItem(key: string): string | null
  setItem(key: string, value: string): void
  removeItem(key: string): void
}
