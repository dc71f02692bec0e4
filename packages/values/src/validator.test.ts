import { v } from 'convex/values'
import { describe, expect, it } from 'vitest'
import {
  checkValue,
  commitTs,
  encodeDocumentId,
  kindOf,
  parseValidator,
  parseValue,
  renderValue,
  type TableNumbers,
  type Value,
} from './index.ts'

const tables: TableNumbers = {
  numberOf: (table) => ({ users: 10_001, messages: 10_002, _storage: 540 })[table],
  nameOf: (tableNumber) => {
    if (tableNumber === 10_001) return { name: 'users', system: false }
    if (tableNumber === 10_002) return { name: 'messages', system: false }
    return tableNumber === 540 ? { name: '_storage', system: true } : undefined
  },
}
const internalId = new Uint8Array(16)
const userId = encodeDocumentId(10_001, internalId)
const messageId = encodeDocumentId(10_002, internalId)
const storageId = encodeDocumentId(540, internalId)
const strangerId = encodeDocumentId(10_003, internalId)

function check(validator: unknown, value: Value): string | undefined {
  return checkValue(parseValidator((validator as { json: unknown }).json), value, tables)
}

describe('scalars', () => {
  const samples: readonly (readonly [name: string, validator: unknown, fitting: readonly Value[]])[] = [
    ['null', v.null(), [null]],
    ['number', v.number(), [1, -0, Number.NaN]],
    ['int64', v.int64(), [1n, commitTs]],
    ['commitTs', v.commitTs(), [1n, commitTs]],
    ['boolean', v.boolean(), [true]],
    ['string', v.string(), ['a']],
    ['bytes', v.bytes(), [new Uint8Array(1)]],
    ['array', v.array(v.any()), [[1, 'a']]],
    ['object', v.object({}), [{}]],
    ['record', v.record(v.string(), v.any()), [{}]],
  ]
  it.each(samples)('%s accepts its own kind and no other', (_name, validator, fitting) => {
    for (const value of fitting) expect(check(validator, value)).toBeUndefined()
    const ownKind = kindOf(fitting[0])
    const others = samples.flatMap(([, , values]) => values).filter((value) => kindOf(value) !== ownKind)
    expect(others.length).toBeGreaterThan(8)
    for (const value of others) {
      expect(check(validator, value)).toMatch(/^Value does not match validator\.\n\nValue: /)
    }
  })

  it('any accepts everything', () => {
    for (const value of samples.flatMap(([, , values]) => values)) expect(check(v.any(), value)).toBeUndefined()
  })
})

describe('objects', () => {
  const validator = v.object({ b: v.number(), a: v.optional(v.string()) })
  const rendered = 'v.object({a: v.optional(v.string()), b: v.float64()})'

  it('may lack optional fields', () => {
    expect(check(validator, { b: 1 })).toBeUndefined()
    expect(check(validator, { a: 'x', b: 1 })).toBeUndefined()
  })

  it('report a missing field', () => {
    expect(check(validator, { a: 'x' })).toBe(
      `Object is missing the required field \`b\`. Consider wrapping the field validator in \`v.optional(...)\` if this is expected.\n\nObject: {a: "x"}\nValidator: ${rendered}`,
    )
  })

  it('report an extra field', () => {
    expect(check(validator, { b: 1, c: 1n })).toBe(
      `Object contains extra field \`c\` that is not in the validator.\n\nObject: {b: 1.0, c: 1}\nValidator: ${rendered}`,
    )
  })

  it('do not take inherited names for fields', () => {
    expect(check(v.object({ constructor: v.any() }), {})).toContain('missing the required field `constructor`')
    expect(check(v.object({}), parseValue('{"__proto__":1}'))).toContain('extra field `__proto__`')
  })

  it('check declared fields by name before extra ones', () => {
    expect(check(validator, { a: 1, z: 1 })).toBe(
      'Value does not match validator.\nPath: .a\nValue: 1.0\nValidator: v.string()',
    )
    expect(check(validator, { b: 'x', A: 1 })).toBe(
      'Value does not match validator.\nPath: .b\nValue: "x"\nValidator: v.float64()',
    )
  })

  it('report what is no object', () => {
    expect(check(validator, [])).toBe(`Value does not match validator.\n\nValue: []\nValidator: ${rendered}`)
  })
})

describe('paths', () => {
  it('lead through fields and elements', () => {
    const validator = v.object({ a: v.array(v.object({ b: v.string() })) })
    expect(check(validator, { a: [{ b: 'x' }, { b: null }] })).toBe(
      'Value does not match validator.\nPath: .a[1].b\nValue: null\nValidator: v.string()',
    )
    expect(check(validator, { a: [{}] })).toContain('\nPath: .a[0]\nObject: {}\nValidator: v.object({b: v.string()})')
  })

  it('tell keys of records from values', () => {
    const validator = v.object({ r: v.record(v.id('users'), v.number()) })
    expect(check(validator, { r: { [userId]: 1 } })).toBeUndefined()
    expect(check(validator, { r: { x: 1 } })).toBe(
      'Value does not match validator.\nPath: .r.keys()\nValue: "x"\nValidator: v.id("users")',
    )
    expect(check(validator, { r: { [userId]: 'x' } })).toBe(
      'Value does not match validator.\nPath: .r.values()\nValue: "x"\nValidator: v.float64()',
    )
  })
})

describe('ids', () => {
  it('must be of the named table', () => {
    expect(check(v.id('users'), userId)).toBeUndefined()
    expect(check(v.id('_storage'), storageId)).toBeUndefined()
    expect(check(v.id('users'), messageId)).toBe(
      `Found ID "${messageId}" from table \`messages\`, which does not match the table name in validator \`v.id("users")\`.`,
    )
  })

  it('carry the path without a line break', () => {
    expect(check(v.array(v.id('users')), [messageId])).toBe(
      `Found ID "${messageId}" from table \`messages\`, which does not match the table name in validator \`v.id("users")\`.Path: [0]`,
    )
  })

  it('of system tables have a text of their own', () => {
    expect(check(v.object({ u: v.id('users') }), { u: storageId })).toBe(
      `Found ID "${storageId}" from a system table, which does not match the table name in validator \`v.id("users")\`.Path: .u`,
    )
  })

  it.each([['no id'], [strangerId], [1]])('refuse %s as any other value', (value) => {
    expect(check(v.id('users'), value)).toBe(
      `Value does not match validator.\n\nValue: ${renderValue(value)}\nValidator: v.id("users")`,
    )
  })

  it('of a table that does not exist never fit', () => {
    expect(check(v.id('nowhere'), strangerId)).toContain('Value does not match validator.')
    expect(check(v.id('nowhere'), userId)).toContain('from table `users`')
  })
})

describe('literals', () => {
  it('compare type and value', () => {
    expect(check(v.literal(1), 1)).toBeUndefined()
    expect(check(v.literal(1), 1n)).toBe('`1` does not match literal validator `v.literal(1.0)`.')
    expect(check(v.object({ kind: v.literal('a') }), { kind: 'b' })).toBe(
      '`"b"` does not match literal validator `v.literal("a")`.Path: .kind',
    )
  })
})

describe('unions', () => {
  it('accept what a member accepts', () => {
    expect(check(v.union(v.string(), v.null()), null)).toBeUndefined()
  })

  it('report the union as a whole', () => {
    const validator = v.object({ u: v.union(v.object({ a: v.string() }), v.literal(1)) })
    expect(check(validator, { u: { a: 1 } })).toBe(
      'Value does not match validator.\nPath: .u\nValue: {a: 1.0}\nValidator: v.union(v.object({a: v.string()}), v.literal(1.0))',
    )
  })

  it('of one member report its error', () => {
    expect(check(v.union(v.literal('a')), 'b')).toBe('`"b"` does not match literal validator `v.literal("a")`.')
  })

  it('without members accept nothing', () => {
    expect(check(v.union(), null)).toBe('Value does not match validator.\n\nValue: null\nValidator: v.union()')
  })
})

describe('renderValue', () => {
  it.each([
    [null, 'null'],
    [true, 'true'],
    ['a"\n', '"a\\"\\n"'],
    [1, '1.0'],
    [1.5, '1.5'],
    [-0, '-0.0'],
    [10n, '10'],
    [[1, 'a', []], '[1.0, "a", []]'],
    [{ b: 1n, a: [null] }, '{a: [null], b: 1}'],
    [{ 'a b': 1n }, '{"a b": 1}'],
  ] as readonly (readonly [Value, string])[])('of %s is %s', (value, text) => {
    expect(renderValue(value)).toBe(text)
  })
})
