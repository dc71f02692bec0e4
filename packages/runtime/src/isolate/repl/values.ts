/** The wire form of values (database.md §1.2), as user code meets them: int64 is bigint, bytes are an ArrayBuffer. */
declare const atob: (text: string) => string
declare const btoa: (text: string) => string

type Json = null | boolean | number | string | readonly Json[] | { readonly [field: string]: Json }

export function decode(json: unknown): unknown {
  if (typeof json !== 'object' || json === null) return json
  if (Array.isArray(json)) return json.map(decode)
  const entries = Object.entries(json)
  const [tag, content] = entries.length === 1 ? (entries[0] as [string, unknown]) : ['', undefined]
  if (typeof content === 'string') {
    if (tag === '$integer') return new DataView(fromBase64(content)).getBigInt64(0, true)
    if (tag === '$float') return new DataView(fromBase64(content)).getFloat64(0, true)
    if (tag === '$bytes') return fromBase64(content)
  }
  return Object.fromEntries(entries.map(([field, member]) => [field, decode(member)]))
}

/** Undefined fields of objects are left out. Throws for what is no value. */
export function encode(value: unknown): Json {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value
    case 'bigint':
      return { $integer: encodeWord((view) => view.setBigInt64(0, value, true)) }
    case 'number':
      if (Number.isFinite(value) && !Object.is(value, -0)) return value
      return { $float: encodeWord((view) => view.setFloat64(0, value, true)) }
    case 'object':
      return value === null ? null : encodeObject(value)
    case 'undefined':
    case 'function':
    case 'symbol':
      throw new Error(`${typeof value} is not a supported Convex type.`)
  }
}

/** Where a missing field may be meant: in filters and index ranges. */
export function encodeOrUndefined(value: unknown): Json {
  return value === undefined ? { $undefined: null } : encode(value)
}

function encodeObject(value: object): Json {
  if (Array.isArray(value)) return value.map(encode)
  if (value instanceof ArrayBuffer) return { $bytes: toBase64(value) }
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) {
    throw new Error(`${value.constructor?.name ?? 'This object'} is not a supported Convex type.`)
  }
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .map(([field, member]) => [field, encode(member)]),
  )
}

function encodeWord(write: (view: DataView) => void): string {
  const word = new ArrayBuffer(8)
  write(new DataView(word))
  return toBase64(word)
}

function toBase64(bytes: ArrayBuffer): string {
  return btoa(Array.from(new Uint8Array(bytes), (byte) => String.fromCharCode(byte)).join(''))
}

function fromBase64(text: string): ArrayBuffer {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0)).buffer
}
