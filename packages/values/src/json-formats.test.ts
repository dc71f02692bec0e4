import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { commitTs, parseValue, stringifyExport, stringifyValue, toCleanJson, valuesEqual, type Value } from './index.ts'
import { arbitraryValue } from './testing/value-arbitrary.ts'

describe('json', () => {
  it('loses kinds', () => {
    const value: Value = [1n, 1.5, Number.NaN, Infinity, -Infinity, new Uint8Array([1, 2, 255]), 'a', null, true]
    expect(toCleanJson(value)).toEqual(['1', 1.5, 'NaN', 'Infinity', '-Infinity', 'AQL/', 'a', null, true])
  })

  it('keeps every field', () => {
    expect(JSON.stringify(toCleanJson(parseValue('{"b":1,"__proto__":{"a":2}}')))).toBe('{"__proto__":{"a":2},"b":1}')
  })

  it('refuses an unresolved commit timestamp', () => {
    expect(() => toCleanJson([commitTs])).toThrow('unresolved commit timestamp')
    expect(() => stringifyExport([commitTs])).toThrow('unresolved commit timestamp')
  })
})

describe('export_json', () => {
  it.each([
    [123n, '123'],
    [-(2n ** 63n), '-9223372036854775808'],
    [123, '123.0'],
    [-0, '-0.0'],
    [0.5, '0.5'],
    [1e21, '1e+21'],
    [Number.NaN, '{"$float":"AAAAAAAA+H8="}'],
    [Infinity, '{"$float":"AAAAAAAA8H8="}'],
    [new Uint8Array([1]), '{"$bytes":"AQ=="}'],
    ['a"', '"a\\""'],
    [null, 'null'],
  ] as const)('%s is %s', (value, text) => {
    expect(stringifyExport(value)).toBe(text)
  })

  it('sorts keys by bytes', () => {
    expect(stringifyExport(parseValue('{"b":[1],"9":true,"10":null}'))).toBe('{"10":null,"9":true,"b":[1.0]}')
  })

  it('is lossless for a reader that sees the digits', () => {
    fc.assert(
      fc.property(arbitraryValue, (value) => {
        expect(valuesEqual(readExport(stringifyExport(value)), value)).toBe(true)
      }),
    )
  })
})

/** Writes bare integers as `$integer`, as a reader that sees the digits would take them. */
function readExport(text: string): Value {
  const strings = /"(?:[^"\\]|\\.)*"/
  const numbers = /-?\d+(?:\.\d+)?(?:e[+-]?\d+)?/
  return parseValue(
    text.replace(new RegExp(`${strings.source}|${numbers.source}`, 'g'), (token) =>
      /^-?\d+$/.test(token) ? stringifyValue(BigInt(token)) : token,
    ),
  )
}
