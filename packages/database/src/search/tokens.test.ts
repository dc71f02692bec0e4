import { describe, expect, it } from 'vitest'

import { encodeFieldLength, fieldLengths } from './field-length.ts'
import { tokenize } from './tokens.ts'

describe('tokenize', () => {
  it.each([
    ['The quick, brown-fox!', ['the', 'quick', 'brown', 'fox']],
    ["it's 3.5 m² and ½", ['it', 's', '3', '5', 'm²', 'and', '½']],
    ['Grüße, ΟΔΟΣ ΟΔΟΣΣ', ['grüße', 'οδοσ', 'οδοσσ']],
    ['日本語 テスト', ['日本語', 'テスト']],
    ['a_b c\u0000d', ['a', 'b', 'c', 'd']],
    ['', []],
    ['… 😀 !', []],
  ])('splits %j', (text, tokens) => {
    expect(tokenize(text)).toEqual(tokens)
  })

  it('leaves out words of 32 bytes and more', () => {
    expect(tokenize(`${'x'.repeat(31)} ${'x'.repeat(32)} ${'ä'.repeat(15)} ${'ä'.repeat(16)} y`)).toEqual([
      'x'.repeat(31),
      'ä'.repeat(15),
      'y',
    ])
  })

  it('stops after as many as are wanted', () => {
    expect(tokenize('a b c d', 2)).toEqual(['a', 'b'])
  })
})

describe('field lengths', () => {
  it('are those of tantivy', () => {
    expect(fieldLengths.slice(0, 40)).toEqual(Array.from({ length: 40 }, (_, length) => length))
    expect(fieldLengths.slice(40, 60)).toEqual([
      40, 42, 44, 46, 48, 50, 52, 54, 56, 60, 64, 68, 72, 76, 80, 84, 88, 96, 104, 112,
    ])
    expect(fieldLengths[255]).toBe(2_013_265_944)
  })

  it('are rounded down', () => {
    for (const [length, expected] of [
      [0, 0],
      [39, 39],
      [41, 40],
      [59, 56],
      [1_000_000, 983_064],
      [4_000_000_000, 2_013_265_944],
    ] as const) {
      expect(fieldLengths[encodeFieldLength(length)]).toBe(expected)
    }
  })
})
