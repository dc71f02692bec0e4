import { expect, test } from 'vitest'
import { allowsPrivateFetch, parseServeConfig } from './options.ts'

test.each([
  [{}, true],
  [{ host: 'localhost' }, true],
  [{ host: '::1' }, true],
  [{ host: '0.0.0.0' }, false],
  [{ host: '::' }, false],
  [{ host: '192.168.1.5' }, false],
  [{ host: '127.0.0.1.example.org' }, false],
  [{ host: '0.0.0.0', privateFetch: 'allow' }, true],
  [{ privateFetch: 'refuse' }, false],
])('with %j actions may fetch from private addresses: %s', (flags, expected) => {
  expect(allowsPrivateFetch(parseServeConfig(flags))).toBe(expected)
})

test('an option that is none of the choices is refused by name', () => {
  expect(() => parseServeConfig({ privateFetch: 'perhaps' })).toThrow('--private-fetch "perhaps"')
})
