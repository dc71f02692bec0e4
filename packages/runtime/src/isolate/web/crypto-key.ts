/** `CryptoKey` (WebCrypto §13): its bytes are out of reach of user code unless it may be exported. */
import { keep } from '../kept-values.ts'

export type KeyType = 'secret' | 'private' | 'public'
export type KeyAlgorithm = {
  readonly name: string
  readonly hash?: { readonly name: string }
  readonly length?: number
  readonly namedCurve?: string
  readonly modulusLength?: number
  readonly publicExponent?: Uint8Array
}
export type KeyParts = {
  readonly type: KeyType
  readonly extractable: boolean
  readonly algorithm: KeyAlgorithm
  readonly usages: readonly string[]
  /** Of a secret key its bytes; PKCS #8 or SPKI of the others. */
  readonly bytes: Uint8Array
}

const token = Symbol('CryptoKey')

/** The bytes of a key, whatever may be exported. */
export let keyBytes: (key: CryptoKey) => Uint8Array

export class CryptoKey {
  readonly #parts: KeyParts

  static {
    keyBytes = (key) => key.#parts.bytes
  }

  constructor(permission: unknown, parts?: KeyParts) {
    if (permission !== token || parts === undefined) throw new TypeError('Illegal constructor')
    keep(parts.algorithm)
    keep(parts.algorithm.hash)
    this.#parts = parts
  }

  get type(): KeyType {
    return this.#parts.type
  }
  get extractable(): boolean {
    return this.#parts.extractable
  }
  get algorithm(): KeyAlgorithm {
    return this.#parts.algorithm
  }
  get usages(): readonly string[] {
    return [...this.#parts.usages]
  }
}

export function createKey(parts: KeyParts): CryptoKey {
  return new CryptoKey(token, parts)
}
