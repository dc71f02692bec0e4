import { kindOf, valuesEqual, type Validator, type ValueKind } from '@concave/values'

/**
 * True only if every value that `inner` accepts is accepted by `outer`: documents that `inner` was enforced on need no
 * walk. May be false although it holds.
 */
export function isSubset(inner: Validator, outer: Validator): boolean {
  if (outer.type === 'any') return true
  if (inner.type === 'union') return inner.members.every((member) => isSubset(member, outer))
  if (outer.type === 'union') return outer.members.some((member) => isSubset(inner, member))
  if (inner.type === 'literal') {
    if (outer.type === 'literal') return valuesEqual(inner.value, outer.value)
    return outer.type === literalKinds[kindOf(inner.value)]
  }
  if (inner.type === 'id') {
    return outer.type === 'string' || (outer.type === 'id' && outer.tableName === inner.tableName)
  }
  if (inner.type === 'array') return outer.type === 'array' && isSubset(inner.element, outer.element)
  if (inner.type === 'record') {
    return outer.type === 'record' && isSubset(inner.keys, outer.keys) && isSubset(inner.values, outer.values)
  }
  if (inner.type === 'object') return outer.type === 'object' && isObjectSubset(inner, outer)
  return outer.type === inner.type
}

type ObjectValidator = Extract<Validator, { type: 'object' }>

function isObjectSubset(inner: ObjectValidator, outer: ObjectValidator): boolean {
  for (const [name, field] of inner.fields) {
    const wider = outer.fields.get(name)
    if (wider === undefined || !isSubset(field.validator, wider.validator)) return false
    if (field.isOptional && !wider.isOptional) return false
  }
  for (const [name, field] of outer.fields) {
    if (!inner.fields.has(name) && !field.isOptional) return false
  }
  return true
}

const literalKinds: Partial<Record<ValueKind, Validator['type']>> = {
  null: 'null',
  int64: 'bigint',
  float64: 'number',
  boolean: 'boolean',
  string: 'string',
}
