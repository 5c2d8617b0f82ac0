import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  plugins: [vue()],
  build: {
    // The relay's content security policy allows no inline scripts; nothing may become one.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      output: {
        // The library changes rarely, the pages often: a returning visitor fetches only what changed. What only a page
        // needs that is fetched later (its icons, QR codes) stays out of what the chat begins with.
        codeSplitting: { groups: [{ name: 'vendor', test: /node_modules/, entriesAware: true }] },
      },
    },
  },
  server: {
    // `npm run dev` here, beside a relay at its usual address.
    proxy: { '/v1': { target: 'http://127.0.0.1:8787', ws: true } },
  },
  test: { include: ['test/**/*.test.ts'], environment: 'node' },
})
