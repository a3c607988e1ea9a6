import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'

// The compiler takes any name for a class of a style sheet's: one that is gone leaves a
// page without its looks, and nobody notices.
test('every class that a component names is in its style sheet', () => {
  const source = join(process.cwd(), 'src')
  const components = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.tsx'))
  let named = 0
  for (const component of components) {
    const text = readFileSync(join(source, component), 'utf8')
    for (const [, styles, file] of text.matchAll(/^import (\w+) from '(.+\.module\.css)'$/gm)) {
      const sheet = readFileSync(join(source, dirname(component), file), 'utf8')
      for (const [, name] of text.matchAll(new RegExp(`\\b${styles}\\.(\\w+)`, 'g'))) {
        assert.match(sheet, new RegExp(`\\.${name}\\b`), `${component}: ${styles}.${name}`)
        named++
      }
    }
  }
  assert.ok(named > 100, `only ${named} were found`)
})
