import { describe, expect, it } from 'vitest'
import { checkFieldName, checkIdentifier } from './index.ts'

describe('checkIdentifier', () => {
  it.each(['a', '_a', 'messages', 'A1_b', 'x'.repeat(64)])('allows %s', (text) => {
    expect(checkIdentifier(text)).toBeUndefined()
  })

  it.each([
    ['', 'Identifier cannot be empty'],
    ['1a', "Invalid first character '1' in 1a: Identifiers must start with an alphabetic character or underscore"],
    [
      '\u{1F600}a',
      "Invalid first character '\u{1F600}' in \u{1F600}a: Identifiers must start with an alphabetic character or underscore",
    ],
    [
      'a-b',
      "Identifier a-b has invalid character '-': Identifiers can only contain alphanumeric characters or underscores",
    ],
    ['x'.repeat(65), 'Identifier is too long (65 > maximum 64)'],
    ['__', 'Identifier __ cannot have exclusively underscores'],
  ])('refuses %s', (text, message) => {
    expect(checkIdentifier(text)).toBe(message)
  })
})

describe('checkFieldName', () => {
  it.each(['', 'a b', 'a.b', '__proto__', '~', 'a$', '"', 'x'.repeat(1024)])('allows %s', (text) => {
    expect(checkFieldName(text)).toBeUndefined()
  })

  it.each([
    ['$a', "Field name $a starts with '$', which is reserved."],
    ['é', "Field name é has invalid character 'é': Field names can only contain non-control ASCII characters"],
    ['a\n', "Field name a\n has invalid character '\n': Field names can only contain non-control ASCII characters"],
    [
      'a\x7f',
      "Field name a\x7f has invalid character '\x7f': Field names can only contain non-control ASCII characters",
    ],
    ['x'.repeat(1025), 'Field name is too long (1025 > maximum 1024)'],
  ])('refuses %s', (text, message) => {
    expect(checkFieldName(text)).toBe(message)
  })
})
