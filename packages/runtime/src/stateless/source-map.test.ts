import { originalPositionFor, TraceMap } from '@jridgewell/trace-mapping'
import { transform } from 'esbuild'
import { expect, it } from 'vitest'
import { prepareModule } from './prepare-module.ts'
import { shiftSourceMap } from './source-map.ts'

const original = `
export const add = (first, second) => [1].map((step) => first + step + second);
const make = (options) => { const { name, ...rest } = options; return () => [name, rest, options] };
export class Counter { list = [1]; each = () => this.list.map((item) => make(item)) }
`

it('finds the original place of every token behind an insertion', async () => {
  const { code, map } = await transform(original, {
    sourcemap: true,
    sourcefile: 'app.ts',
    minifyIdentifiers: true,
    minifySyntax: true,
  })
  const prepared = prepareModule(code, 'app.js')
  expect(prepared.inserted.length).toBeGreaterThan(3)
  const before = new TraceMap(map)
  const after = new TraceMap(shiftSourceMap(map, prepared.inserted))
  const [oldLines, newLines] = [code.split('\n'), prepared.source.split('\n')]
  let compared = 0
  for (const [index, text] of oldLines.entries()) {
    for (const token of text.matchAll(/\[1\]|\.map|\.list|this|return|\.\.\./g)) {
      const occurrence = text.slice(0, token.index).split(token[0]).length
      const column = nthIndex(newLines[index] ?? '', token[0], occurrence)
      expect(originalPositionFor(after, { line: index + 1, column })).toEqual(
        originalPositionFor(before, { line: index + 1, column: token.index }),
      )
      compared += 1
    }
  }
  expect(compared).toBeGreaterThan(6)
})

it('leaves a map alone if nothing was inserted', () => {
  const map = '{"version":3,"mappings":"AAAA","sources":[],"names":[]}'
  expect(shiftSourceMap(map, [])).toBe(map)
})

function nthIndex(text: string, part: string, occurrence: number): number {
  let at = -1
  for (let count = 0; count < occurrence; count++) at = text.indexOf(part, at + 1)
  return at
}
