import { expect, test } from 'vitest'
import { prepareModule } from './prepare-module.ts'

const refusalOf = (source: string): string | undefined => prepareModule(source, 'a.js').refused

test('refuses what would wait or look outside while a module is evaluated', () => {
  const awaits = 'Top-level awaits in source files are unsupported'
  expect(refusalOf('const x = await fetch("/")')).toBe(awaits)
  expect(refusalOf('if (true) { for await (const x of []) {} }')).toBe(awaits)
  expect(refusalOf('class A { static x = 1; [await 1]() {} }')).toBe(awaits)
  expect(refusalOf('export const f = () => import.meta.url')).toBe('Uncaught TypeError: import.meta unsupported')
})

test('takes the same inside functions, and other meta properties', () => {
  expect(refusalOf('export const f = async () => { await 1; for await (const x of []) {} }')).toBeUndefined()
  expect(refusalOf('export function F() { return new.target }')).toBeUndefined()
  expect(refusalOf('export const experimental_reuseContext = true; await 1')).toBe(
    'Top-level awaits in source files are unsupported',
  )
})
