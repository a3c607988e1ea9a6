import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { defineConfig, type Plugin } from 'vite'

/** The committed page that lets the Go side compile and explain itself without a web build. */
const placeholder = 'placeholder.html'

/** Where `vite dev` finds a broker. */
const portal = process.env['STINT_PORTAL_URL'] ?? 'http://localhost:8420'

/** Empties dist before a build and keeps the placeholder, which Vite's own emptyOutDir would delete. */
function emptyDist(): Plugin {
  return {
    name: 'empty-dist-but-placeholder',
    apply: 'build',
    buildStart() {
      const dist = join(import.meta.dirname, 'dist')
      for (const name of readdirSync(dist)) {
        if (name !== placeholder) rmSync(join(dist, name), { recursive: true })
      }
    },
  }
}

export default defineConfig({
  plugins: [emptyDist()],
  build: {
    outDir: 'dist',
    emptyOutDir: false,
    target: ['chrome123', 'edge123', 'firefox128', 'safari17.5'],
    // Browsers that have light-dark(): for older ones Vite would lower it to something that ignores the reader's choice.
    cssTarget: ['chrome123', 'edge123', 'firefox128', 'safari17.5'],
    // The polyfill and inlined files would need inline scripts or data: fonts, which the content security policy refuses.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    reportCompressedSize: true,
    rolldownOptions: {
      onLog(level, log, report) {
        // "use client" in libraries is for servers that render; it means nothing here and would bury real warnings.
        if (log.code !== 'MODULE_LEVEL_DIRECTIVE') report(level, log)
      },
    },
  },
  server: {
    // `vite dev` beside a running stint-dev: STINT_PORTAL_URL says where its portal listens. Host and Origin are made the
    // broker's own, which refuses all others.
    proxy: Object.fromEntries(
      ['/api', '/auth', '/healthz'].map((path) => [path, { target: portal, changeOrigin: true, headers: { origin: portal } }]),
    ),
  },
})
