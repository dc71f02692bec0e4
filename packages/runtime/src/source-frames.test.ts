import { expect, test } from 'vitest'
import type { RawFrame } from './isolate-interface.ts'
import { renderError } from './source-frames.ts'
import { bundledCode } from './testing/sample-code.ts'

test('shows places in the developer’s files, without the library around them and without foreign frames', async () => {
  const code = await bundledCode(
    `import { queryGeneric } from 'convex/server'\nexport const f = queryGeneric(() => {\n  throw new Error('x')\n})`,
  )
  const source = code.modules.get('app.js')?.source ?? ''
  const frameAt = (text: string, functionName: string | null, isAsync: boolean): RawFrame => {
    const offset = source.indexOf(text)
    expect(offset).toBeGreaterThan(0)
    const before = source.slice(0, offset).split('\n')
    return {
      functionName,
      fileName: 'app.js',
      lineNumber: before.length,
      columnNumber: (before.at(-1) ?? '').length + 1,
      isAsync,
    }
  }
  const frames = [
    frameAt(`throw new Error("x")`, null, false),
    { functionName: 'own', fileName: 'concave:isolate.js', lineNumber: 1, columnNumber: 1, isAsync: false },
  ]
  const rendered = renderError({ message: 'Uncaught Error: x', frames, frozenWrite: false }, code)
  expect(rendered).toMatch(/^Uncaught Error: x\n {4}at <anonymous> \(.*app\.ts:3:3\)\n$/)
})

test('leaves texts of the platform as they are', async () => {
  const code = await bundledCode('export const x = 1')
  expect(renderError({ message: 'Returned promise will never resolve', frames: [], frozenWrite: false }, code)).toBe(
    'Returned promise will never resolve',
  )
})
