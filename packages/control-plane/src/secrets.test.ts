import { systemRandom } from '@concave/base'
import { describe, expect, it } from 'vitest'
import { prefixOf, secretOf, Secrets } from './secrets.ts'

const pepper = new Uint8Array(32).fill(1)
const secrets = new Secrets({ random: systemRandom, pepper })

describe('a secret', () => {
  it('starts like the official ones and holds only letters and digits', () => {
    for (let round = 0; round < 200; round++) expect(secrets.create().text).toMatch(/^eyJ2MiI6I[A-Za-z0-9]+$/)
  })

  it('is found again by its hash, which the pepper decides', () => {
    const { text, hash } = secrets.create()
    expect(secrets.hash(text)).toBe(hash)
    expect(new Secrets({ random: systemRandom, pepper: new Uint8Array(32).fill(2) }).hash(text)).not.toBe(hash)
    expect(hash).not.toContain(text)
  })

  it('is recognised as mistyped without the database', () => {
    const { text } = secrets.create()
    const position = 30
    const other = text[position] === 'A' ? 'B' : 'A'
    const mistyped = [
      text.slice(0, -1),
      `${text}=`,
      `${text} `,
      ` ${text}`,
      text.slice(0, position) + other + text.slice(position + 1),
      Buffer.from('{"v2":"short"}').toString('base64'),
      Buffer.from('{"v1":"x"}').toString('base64'),
      '',
      '|',
    ]
    for (const bad of mistyped) expect(secrets.hash(bad)).toBeUndefined()
  })

  it('needs a long pepper', () => {
    expect(() => new Secrets({ random: systemRandom, pepper: new Uint8Array(31) })).toThrow('at least 32 bytes')
  })
})

it('takes a key apart at the first bar', () => {
  expect(secretOf('dev:happy-otter-123|abc|d')).toBe('abc|d')
  expect(secretOf('abc')).toBe('abc')
  expect(prefixOf('dev:happy-otter-123|abc')).toBe('dev:happy-otter-123')
  expect(prefixOf('abc')).toBeUndefined()
})
