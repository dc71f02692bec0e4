import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseJson } from './index.ts'

describe('parseJson', () => {
  it.each([
    [String.raw`{"\\":1}`, String.raw`{"\"":1}`, { '"': 1 }],
    [String.raw`{"x":1,"a\\\"":1}`, String.raw`{"x":1,"a\"b":1}`, { x: 1, 'a"b': 1 }],
    [String.raw`{"y":1,"\\u006":1}`, String.raw`{"y":1,"\u0061dmin":[{"\u0062" : 2}]}`, { y: 1, admin: [{ b: 2 }] }],
  ])('after %s reads %s', (earlier, text, expected) => {
    parseJson(earlier)
    JSON.parse(earlier)
    expect(parseJson(text)).toEqual(expected)
  })

  it('reads escapes outside keys, and keys that look like its own stand-ins', () => {
    expect(parseJson(String.raw`{"a":"\"b\":\\","c\\":"\\"}`)).toEqual({ a: '"b":\\', 'c\\': '\\' })
    expect(parseJson('{"\uE0000":1,"\\n":2,"\\uE0000":3}')).toEqual({ '\uE0000': 3, '\n': 2 })
    expect(parseJson('"\\n"')).toBe('\n')
  })

  it('makes `__proto__` an own field', () => {
    const object = parseJson(String.raw`{"__proto__":1,"\n":2,"\u005f_proto__":3}`) as object
    expect(Object.entries(object)).toEqual([
      ['__proto__', 3],
      ['\n', 2],
    ])
  })

  it.each([
    String.raw`{\"a":1}`,
    String.raw`{"a"\n":1}`,
    String.raw`{"\x":1}`,
    String.raw`{"a\":1}`,
    String.raw`{"a\n":1`,
    String.raw`\":1`,
    '"\\',
    '',
  ])('refuses %s', (text) => {
    expect(() => parseJson(text)).toThrow(SyntaxError)
  })

  it('reads what JSON.stringify writes', () => {
    const key = fc.string({ unit: fc.constantFrom('a', '"', '\\', 'u', '0', '\n', ':', '\uE000'), maxLength: 4 })
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(
            key,
            fc.oneof(
              key,
              fc.array(fc.tuple(key, key)).map((pairs) => Object.fromEntries(pairs)),
            ),
          ),
        ),
        (entries) => {
          const object = Object.fromEntries(entries)
          expect(parseJson(JSON.stringify(object))).toEqual(object)
          expect(parseJson(JSON.stringify([object], null, 2))).toEqual([object])
        },
      ),
      { numRuns: 300 },
    )
  })

  it('takes time in proportion to the text', () => {
    const text = JSON.stringify({ a: '\n'.repeat(500_000), b: Array.from({ length: 50_000 }, () => '"') })
    expect(parseJson(text)).toEqual(JSON.parse(text))
  })
})
