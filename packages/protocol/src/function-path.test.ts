import { describe, expect, test } from 'vitest'
import { canonicalFunctionPath, canonicalModulePath, displayFunctionPath, parseFunctionPath } from './function-path.ts'

describe('a function path', () => {
  test.each([
    ['messages:list', 'messages.js', 'list', 'messages:list'],
    ['messages.js:list', 'messages.js', 'list', 'messages:list'],
    ['messages', 'messages.js', 'default', 'messages'],
    ['messages:default', 'messages.js', 'default', 'messages'],
    ['a/b:c', 'a/b.js', 'c', 'a/b:c'],
    ['_system/cli/tables', '_system/cli/tables.js', 'default', '_system/cli/tables'],
    ['_system/cli/tables.js:default', '_system/cli/tables.js', 'default', '_system/cli/tables'],
    ['m:$x_1', 'm.js', '$x_1', 'm:$x_1'],
  ])('%s is read', (text, module, name, display) => {
    const path = parseFunctionPath(text)
    expect(path).toEqual({ module, name })
    expect(displayFunctionPath(path)).toBe(display)
    expect(canonicalFunctionPath(path)).toBe(`${module}:${name}`)
    expect(parseFunctionPath(display)).toEqual(path)
  })

  test.each([
    '',
    ':',
    ':f',
    'm:',
    'm:1a',
    'm:a-b',
    '../m:f',
    '/m:f',
    'm//n:f',
    'a b:f',
    'm:f:g',
    '___:f',
    `${'a'.repeat(65)}:f`,
  ])('%j is refused', (text) => {
    expect(() => parseFunctionPath(text)).toThrow(
      expect.objectContaining({ code: 'BadConvexFunctionIdentifier', status: 400 }),
    )
  })

  test('has a canonical module', () => {
    expect(canonicalModulePath('a/b')).toBe('a/b.js')
    expect(canonicalModulePath('a/b.js')).toBe('a/b.js')
    expect(canonicalModulePath('a/..')).toBeUndefined()
  })
})
