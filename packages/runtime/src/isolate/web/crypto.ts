/** `crypto`: random values of the execution's own source, and `subtle` with what function-runtime.md §3.3 lists. */
import { keepForever } from '../kept-values.ts'
import { defineHidden } from '../primordials.ts'
import { CryptoKey } from './crypto-key.ts'
import { defineInterface } from './interface.ts'
import { getRandomValues, randomUuid } from './random-values.ts'
import { subtleMethods } from './subtle.ts'

const token = Symbol('crypto')

class SubtleCrypto {
  constructor(permission: unknown) {
    if (permission !== token) throw new TypeError('Illegal constructor')
  }
}

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
  for (const [name, method] of Object.entries(subtleMethods)) defineHidden(SubtleCrypto.prototype, name, method)
  for (const [name, constructor] of Object.entries({ Crypto, SubtleCrypto })) defineInterface(name, constructor)
  defineInterface('CryptoKey', CryptoKey as never)
  defineHidden(globalThis, 'crypto', new Crypto(token))
}
