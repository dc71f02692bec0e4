/** Generators of values for property tests. */
import fc from 'fast-check'
import { createValueObject } from '../value-kind.ts'
import type { Value } from '../value.ts'

/** Well-formed texts with the code points where orders and escapes differ: NUL, quotes, surrogate pairs, U+E000 and above. */
export const arbitraryText: fc.Arbitrary<string> = fc.oneof(
  fc.string({ maxLength: 12 }),
  fc.string({
    unit: fc.constantFrom('a', 'b', '\0', '"', '\\', 'é', '\uD7FF', '\uE000', '\uFF5E', '\u{1F600}', '\u{10FFFF}'),
    maxLength: 6,
  }),
)

/** Legal field names, often integer-like or known to JavaScript. */
export const arbitraryFieldName: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom('', 'a', 'b', 'ab', '10', '9', '_id', '__proto__', 'constructor', 'toJSON', 'a b', '"', '\\', 'a.b'),
  fc.string({ unit: fc.constantFrom('a', 'B', '0', '_', ' ', '-', '~'), maxLength: 4 }),
)

export const arbitraryInt64: fc.Arbitrary<bigint> = fc.oneof(
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc
    .tuple(fc.constantFrom(0n, 7n, 8n, 15n, 16n, 31n, 32n, 62n), fc.bigInt({ min: -2n, max: 2n }), fc.boolean())
    .map(([bits, delta, isNegative]) => (isNegative ? -(2n ** bits) : 2n ** bits) + delta),
)

const arbitraryScalar: fc.Arbitrary<Value> = fc.oneof(
  fc.constant(null),
  fc.boolean(),
  arbitraryInt64,
  fc.double(),
  fc.constantFrom(0, -0, 1, -1, Number.NaN, Infinity, -Infinity, Number.MIN_VALUE, Number.MAX_VALUE),
  arbitraryText,
  fc.uint8Array({ maxLength: 10 }),
  fc.array(fc.constantFrom(0, 1, 254, 255), { maxLength: 3 }).map((bytes) => new Uint8Array(bytes)),
)

/** Values of every kind but the commit timestamp placeholder, a few levels deep. */
export const arbitraryValue: fc.Arbitrary<Value> = fc.letrec<{ value: Value }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    arbitraryScalar,
    fc.array(tie('value'), { maxLength: 4 }),
    fc.array(fc.tuple(arbitraryFieldName, tie('value')), { maxLength: 4 }).map((fields) => {
      const object = createValueObject()
      for (const [name, value] of fields) object[name] = value
      return object
    }),
  ),
})).value
