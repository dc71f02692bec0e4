import { valuesEqual, type Validator } from '@concave/values'

/**
 * True only if every value that `inner` accepts is accepted by `outer`: documents that `inner` was enforced on need no
 * walk. May be false although it holds.
 */
export function isSubset(inner: Validator, outer: Validator): boolean {
  if (outer.type === 'any') return true
  if (inner.type === 'union') return inner.members.every((member) => isSubset(member, outer))
  if (outer.type === 'union') return outer.members.some((member) => isSubset(inner, member))
  switch (inner.type) {
    case 'literal':
      if (outer.type === 'literal') return valuesEqual(inner.value, outer.value)
      return outer.type === literalKind(inner.value)
    case 'id':
      return outer.type === 'string' || (outer.type === 'id' && outer.tableName === inner.tableName)
    case 'array':
      return outer.type === 'array' && isSubset(inner.element, outer.element)
    case 'record':
      return outer.type === 'record' && isSubset(inner.keys, outer.keys) && isSubset(inner.values, outer.values)
    case 'object':
      return outer.type === 'object' && isObjectSubset(inner, outer)
    default:
      return outer.type === inner.type
  }
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

function literalKind(value: unknown): Validator['type'] | undefined {
  switch (typeof value) {
    case 'string':
      return 'string'
    case 'number':
      return 'number'
    case 'bigint':
      return 'bigint'
    case 'boolean':
      return 'boolean'
    default:
      return value === null ? 'null' : undefined
  }
}
