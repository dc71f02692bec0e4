/** `crypto`: random values from the execution's seeded key stream; `subtle` has `digest`, the rest answers with a clear error. */
import { keepForever } from '../kept-values.ts'
import { defineHidden } from '../primordials.ts'
import { defineInterface } from './interface.ts'
import { getRandomValues, randomUuid } from './random-values.ts'
import { digest } from './digest.ts'

const token = Symbol('crypto')

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
    return getRandomValues(array)
  }
  randomUUID(): string {
    return randomUuid()
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
