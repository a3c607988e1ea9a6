import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { defineConfig } from 'vite'

/** Bundles every src/**\/*.test.ts into .test/, where Node's own test runner finds them. */
const source = join(import.meta.dirname, 'src')
const tests = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.test.ts'))

export default defineConfig({
  publicDir: false,
  build: {
    ssr: true,
    outDir: '.test',
    emptyOutDir: true,
    minify: false,
    rolldownOptions: {
      input: Object.fromEntries(tests.map((name) => [name.replaceAll('/', '-').replace(/\.ts$/, ''), join(source, name)])),
      external: [/^node:/],
      output: { entryFileNames: '[name].mjs' },
    },
  },
})
