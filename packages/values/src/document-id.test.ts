import { bytesToHex, hexToBytes } from '@concave/base'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  createInternalId,
  dayOfTs,
  decodeDocumentId,
  decodeLegacyId,
  encodeDocumentId,
  findDocumentId,
} from './index.ts'

// database.md §2.2
const vectors: readonly (readonly [tableNumber: number, internalId: string, text: string])[] = [
  [1, '00000000000000000000000000000000', '0400000000000000000000000000248'],
  [127, 'ffffffffffffffffffffffffffffffff', 'fzzzzzzzzzzzzzzzzzzzzzzzzzzpzsr'],
  [128, '000102030405060708090a0b0c0d0e0f', 'g00g00820c20a1g7104gm2rc1m70zyds'],
  [513, '0123456789abcdeffedcba9876543210', 'g42028t5cy4tqkffzvebn63pags10z9j'],
  [539, 'deadbeefdeadbeefdeadbeefdead5099', 'kc2dxbdyxzfavfqfvtpvxvyynn89kez0'],
  [540, 'a1b2c3d4e5f60718293a4b5c6d7e5099', 'kg2a3cp3tkjzc1rr54x4pq3dfs89jrk7'],
  [10_001, '00000000000000000000000000000000', 'j5700000000000000000000000001qv0'],
  [10_001, 'f0e1d2c3b4a5968778695a4b3c2d5099', 'j57f1rejretab5m7f1mnmjsw5n89k4zp'],
  [10_002, '7f3c9a5be0d142868e11c3275fa45099', 'j977yf4tbfgd2gm6hr8w69tzmh89jzmk'],
  [16_384, 'ffffffffffffffffffffffffffff50da', 'g2003zzzzzzzzzzzzzzzzzzzzzzn1pgxgr'],
  [2_097_152, '112233445566778899aabbccddee50da', 'g208008h48sm8nb6ey49kanvskeywm6tmgpg'],
  [4_294_967_295, 'ffffffffffffffffffffffffffffffff', 'zzzzzzrfzzzzzzzzzzzzzzzzzzzzzzzzzzxjj'],
]
const sample = 'j57f1rejretab5m7f1mnmjsw5n89k4zp'

describe('document ids', () => {
  it.each(vectors)('table %i, internal id %s is %s', (tableNumber, internalId, text) => {
    expect(encodeDocumentId(tableNumber, hexToBytes(internalId))).toBe(text)
    const id = decodeDocumentId(text)
    expect(id.tableNumber).toBe(tableNumber)
    expect(bytesToHex(id.internalId)).toBe(internalId)
  })

  it.each([
    ['a bad footer', sample.replace(/p$/, '0'), 'Invalid ID version'],
    ['two characters too few', sample.slice(0, -2), 'Invalid ID length 30'],
    ['upper case', sample.toUpperCase(), "ID wasn't valid base32"],
    ['a letter outside the alphabet', `l${sample.slice(1)}`, "ID wasn't valid base32"],
    ['a non-ASCII character', `é${sample.slice(1)}`, "ID wasn't valid base32"],
    ['an appended 0', `${sample}0`, 'Invalid ID length 33'],
    ['nothing', '', 'Invalid ID length 0'],
    ['38 characters', '0'.repeat(38), 'Invalid ID length 38'],
    ['table number 0', '0'.repeat(31), 'Invalid table number'],
    ['a table number without end', 'z'.repeat(37), 'Invalid table number'],
  ])('refuses %s', (_case, text, reason) => {
    expect(findDocumentId(text)).toBeUndefined()
    expect(() => decodeDocumentId(text)).toThrow(
      expect.objectContaining({
        code: 'InvalidId',
        message: expect.stringContaining(`Unable to decode ID: ${reason}`),
      }),
    )
  })

  it('names the version it found', () => {
    // Vector 7 with footer df60 XOR 0001.
    const bytes = hexToBytes('914e00000000000000000000000000000000de60')
    const text = base32(bytes)
    expect(() => decodeDocumentId(text)).toThrow('Unable to decode ID: Invalid ID version 1 (expected 0)')
  })

  it('refuses a table number that is longer than needed', () => {
    expect(findDocumentId(base32(hexToBytes(`8100${'00'.repeat(16)}0000`)))).toBeUndefined()
  })

  it('refuses the letter l in every place', () => {
    for (let i = 0; i < sample.length; i++) {
      expect(findDocumentId(`${sample.slice(0, i)}l${sample.slice(i + 1)}`)).toBeUndefined()
    }
  })

  it('decodes what it encodes', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 0xffff_ffff }),
        fc.uint8Array({ minLength: 16, maxLength: 16 }),
        (tableNumber, internalId) => {
          const text = encodeDocumentId(tableNumber, internalId)
          expect(text).toMatch(/^[0-9a-hjkmnp-tv-z]{31,37}$/)
          expect(decodeDocumentId(text)).toEqual({ tableNumber, internalId: new Uint8Array(internalId) })
        },
      ),
    )
  })

  it('has one text: a change of any one character is noticed', () => {
    fc.assert(
      fc.property(
        fc.nat({ max: sample.length - 1 }),
        fc.constantFrom(...Array.from('0123456789abcdefghjkmnpqrstvwxyz')),
        (at, character) => {
          const changed = sample.slice(0, at) + character + sample.slice(at + 1)
          fc.pre(changed !== sample)
          const id = findDocumentId(changed)
          // Fletcher's checksum modulo 256 misses nothing that one character can change.
          expect(id).toBeUndefined()
        },
      ),
    )
  })

  it('asserts its arguments', () => {
    expect(() => encodeDocumentId(0, new Uint8Array(16))).toThrow('table number')
    expect(() => encodeDocumentId(1, new Uint8Array(15))).toThrow('16 bytes')
  })
})

describe('internal ids', () => {
  it('end with the day', () => {
    const nowMs = Date.UTC(2026, 5, 29, 23, 59, 59)
    expect(dayOfTs(nowMs)).toBe(20_633)
    const internalId = createInternalId({ bytes: (length) => new Uint8Array(length).fill(7) }, nowMs)
    expect(bytesToHex(internalId)).toBe(`${'07'.repeat(14)}5099`)
  })
})

describe('legacy ids', () => {
  it('are 22 characters of URL-safe base64', () => {
    expect(bytesToHex(decodeLegacyId('AAECAwQFBgcICQoLDA0O_w')!)).toBe('000102030405060708090a0b0c0d0eff')
  })

  it.each(['', 'AAECAwQFBgcICQoLDA0O/w', 'AAECAwQFBgcICQoLDA0O_x', 'AAECAwQFBgcICQoLDA0O', sample])(
    'refuses %j',
    (text) => {
      expect(decodeLegacyId(text)).toBeUndefined()
    },
  )
})

/** Straightforward base32, to build ids that the encoder would not. */
function base32(bytes: Uint8Array): string {
  const bits = Array.from(bytes, (byte) => byte.toString(2).padStart(8, '0')).join('')
  const groups = bits.padEnd(Math.ceil(bits.length / 5) * 5, '0').match(/.{5}/g) ?? []
  return groups.map((group) => '0123456789abcdefghjkmnpqrstvwxyz'[Number.parseInt(group, 2)]).join('')
}
