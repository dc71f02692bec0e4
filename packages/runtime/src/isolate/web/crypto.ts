/** `crypto`: random values from the execution's seeded key stream; `subtle` has `digest`, the rest answers with a clear error. */
import { state } from '../execution-state.ts'
import { keepForever } from '../kept-values.ts'
import { defineHidden, typedArrayTag } from '../primordials.ts'
import { fillRandom } from '../random.ts'
import { DOMException } from './dom-exception.ts'
import { findBytes, defineInterface } from './interface.ts'
import { digest } from './digest.ts'

const token = Symbol('crypto')
const maxRandomBytes = 65_536
const integerArrays = new Set(
  'Int8Array Uint8Array Uint8ClampedArray Int16Array Uint16Array Int32Array Uint32Array BigInt64Array BigUint64Array'.split(
    ' ',
  ),
)

function assertRandomnessAllowed(): void {
  if (state.phase === 'import' || state.phase === 'idle') {
    throw new Error('Cannot use cryptographic randomness at import time')
  }
}

class CryptoKey {
  constructor(permission: unknown) {
    if (permission !== token) throw new TypeError('Illegal constructor')
  }
}

function notImplemented(what: string): Error {
  return new Error(
    `Not implemented: ${what} for crypto.subtle. Consider calling an action defined in Node.js instead (https://docs.convex.dev/functions/actions).`,
  )
}

class SubtleCrypto {
  constructor(permission: unknown) {
    if (permission !== token) throw new TypeError('Illegal constructor')
  }
  async digest(algorithm: unknown, data: unknown): Promise<ArrayBuffer> {
    return digest(algorithm, data)
  }
}

const missing =
  'decrypt deriveBits deriveKey encrypt exportKey generateKey importKey sign unwrapKey verify wrapKey'.split(' ')

class Crypto {
  constructor(permission: unknown) {
    if (permission !== token) throw new TypeError('Illegal constructor')
  }
  get subtle(): SubtleCrypto {
    return subtle
  }
  getRandomValues<T>(array: T): T {
    assertRandomnessAllowed()
    if (!integerArrays.has(typedArrayTag(array) ?? '')) {
      throw new DOMException('The data argument must be an integer-type TypedArray', 'TypeMismatchError')
    }
    const bytes = findBytes(array) as Uint8Array
    if (bytes.length > maxRandomBytes) {
      throw new DOMException(
        `The ArrayBufferView's byte length (${bytes.length}) exceeds the number of bytes of entropy available via this API (${maxRandomBytes})`,
        'QuotaExceededError',
      )
    }
    fillRandom(bytes, bytes.length)
    return array
  }
  /** Version 4 (RFC 9562 §5.4). */
  randomUUID(): string {
    assertRandomnessAllowed()
    const bytes = new Uint8Array(16)
    fillRandom(bytes, 16)
    bytes[6] = ((bytes[6] as number) & 0x0f) | 0x40
    bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80
    const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
  }
}

const subtle = keepForever(new SubtleCrypto(token))

export function installCrypto(): void {
  for (const name of missing) {
    const method = async (): Promise<never> => {
      throw notImplemented(name)
    }
    Reflect.defineProperty(method, 'name', { value: name, configurable: true })
    defineHidden(SubtleCrypto.prototype, name, method)
  }
  for (const [name, constructor] of Object.entries({ Crypto, SubtleCrypto, CryptoKey }))
    defineInterface(name, constructor)
  defineHidden(globalThis, 'crypto', new Crypto(token))
}
