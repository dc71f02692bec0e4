import { v } from 'convex/values'
import { describe, expect, it } from 'vitest'
import { getTableReferences, parseValidator, renderValidator, ValueError, validatorToJson } from './index.ts'

/** The JSON that the npm package pushes. */
function jsonOf(validator: unknown): unknown {
  return (validator as { json: unknown }).json
}

const everything = v.object({
  nothing: v.null(),
  float: v.number(),
  int: v.int64(),
  flag: v.optional(v.boolean()),
  text: v.string(),
  raw: v.bytes(),
  whatever: v.any(),
  literal: v.union(v.literal('a"'), v.literal(1), v.literal(2n), v.literal(true)),
  author: v.id('users'),
  list: v.array(v.object({})),
  scores: v.record(v.union(v.string(), v.id('games')), v.float64()),
  ts: v.commitTs(),
})

describe('parseValidator', () => {
  it('reads what the npm package writes, and writes it back', () => {
    const json = jsonOf(everything)
    expect(validatorToJson(parseValidator(json))).toEqual(json)
  })

  it('takes map and set for any', () => {
    expect(parseValidator({ type: 'map' })).toEqual({ type: 'any' })
    expect(parseValidator({ type: 'set' })).toEqual({ type: 'any' })
  })

  it.each([
    [null, 'a validator must be an object'],
    [{ type: 'float' }, 'unknown type "float"'],
    [{ type: 'id' }, '`tableName` must be a string'],
    [{ type: 'id', tableName: 'a b' }, "Identifier a b has invalid character ' '"],
    [{ type: 'union', value: {} }, 'the members of a union must be an array'],
    [{ type: 'object', value: [] }, 'the fields of an object validator must be an object'],
    [{ type: 'object', value: { a: { type: 'any' } } }, 'a validator must be an object'],
    [{ type: 'object', value: { 'a-b': { fieldType: { type: 'any' } } } }, "Identifier a-b has invalid character '-'"],
    [{ type: 'object', value: { a: { fieldType: { type: 'any' }, optional: 1 } } }, '`optional` must be a boolean'],
  ])('refuses %j', (json, reason) => {
    expect(() => parseValidator(json)).toThrow(
      expect.objectContaining({ code: 'InvalidValidator', message: expect.stringContaining(reason) }),
    )
  })

  it('refuses endless nesting', () => {
    let json: unknown = { type: 'any' }
    for (let i = 0; i < 10_000; i++) json = { type: 'array', value: json }
    expect(() => parseValidator(json)).toThrow('nested more than 256 levels deep')
  })

  it.each([
    [{ type: 'number' }, 'v.float64()'],
    [{ type: 'literal', value: 'a' }, 'v.literal("a")'],
    [{ type: 'union', value: [{ type: 'string' }, { type: 'any' }] }, 'v.union(v.string(), v.any())'],
  ])('refuses a record with keys %j', (keys, rendered) => {
    const json = { type: 'record', keys, values: { fieldType: { type: 'any' }, optional: false } }
    expect(() => parseValidator(json)).toThrow(
      new ValueError(
        'InvalidRecordType',
        `Records can only have string keys. Your validator contains a record with key typed as \`${rendered}\`, which is not a subtype of \`v.string()\``,
      ),
    )
  })

  it('refuses a record with optional values', () => {
    const json = { type: 'record', keys: { type: 'string' }, values: { fieldType: { type: 'any' }, optional: true } }
    expect(() => parseValidator(json)).toThrow(expect.objectContaining({ code: 'InvalidRecordType' }))
  })
})

describe('getTableReferences', () => {
  it('finds every table that v.id names', () => {
    expect(getTableReferences(parseValidator(jsonOf(everything)))).toEqual(new Set(['users', 'games']))
    expect(getTableReferences(parseValidator({ type: 'any' }))).toEqual(new Set())
  })
})

describe('renderValidator', () => {
  it('shows a validator as its developer would write it, keys sorted', () => {
    expect(renderValidator(parseValidator(jsonOf(everything)))).toBe(
      'v.object({author: v.id("users"), flag: v.optional(v.boolean()), float: v.float64(), int: v.int64(), ' +
        'list: v.array(v.object({})), literal: v.union(v.literal("a\\""), v.literal(1.0), v.literal(2), v.literal(true)), ' +
        'nothing: v.null(), raw: v.bytes(), scores: v.record(v.union(v.string(), v.id("games")), v.float64()), ' +
        'text: v.string(), ts: v.commitTs(), whatever: v.any()})',
    )
  })
})
