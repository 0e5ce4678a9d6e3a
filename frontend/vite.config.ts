import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

// `npm run dev` serves the page alone; the server behind it is a running `make run`.
const server = process.env.UC_DEV_SERVER ?? 'http://127.0.0.1:8000';
const proxied = { target: server, changeOrigin: false, ws: true };

export default defineConfig({
  base: '/static/app/',
  plugins: [svelte()],
  build: {
    outDir: 'dist',
    // Not in a hidden folder: the server reads it beside the files it serves, and collectstatic skips hidden ones.
    manifest: 'manifest.json',
    target: 'es2022',
    // The page's policy is default-src 'self': nothing may become a data: URL or an inline script.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: { proxy: { '/api': proxied, '/sip': proxied, '/events': proxied, '/accounts': proxied, '/admin': proxied } },
  test: { include: ['src/**/*.test.ts'], environment: 'node' },
});
