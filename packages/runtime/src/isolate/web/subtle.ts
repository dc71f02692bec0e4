/**
 * `crypto.subtle` (W3C WebCrypto): checks what is asked and of which key; the runner does the mathematics
 * (`runner/crypto.ts`), at once. Wrapping and AES-KW are missing, as in the official runtime.
 */
import { copyBytes } from './interface.ts'
import { CryptoKey, keyBytes, type KeyType } from './crypto-key.ts'
import {
  type Algorithm,
  base64,
  base64Of,
  assertRandomnessAllowed,
  blockBits,
  checkUse,
  compute,
  fail,
  isRandomized,
  notImplemented,
  parameters,
  ruleOf,
  toDictionary,
  toHash,
} from './subtle-algorithms.ts'
import { exportPair, exportSecret, generatePair, generateSecret, importPair, importSecret } from './subtle-keys.ts'

function derive(algorithm: Algorithm, key: CryptoKey, length: number): Uint8Array<ArrayBuffer> {
  const args = { key: base64(keyBytes(key)), length }
  const { name } = algorithm
  if (name === 'X25519') throw notImplemented('deriveBits with X25519')
  if (name === 'ECDH') {
    const other = algorithm['public']
    if (!(other instanceof CryptoKey) || other.type !== 'public')
      fail('InvalidAccessError', 'algorithm.public must be a public key')
    if (other.algorithm.name !== name || other.algorithm.namedCurve !== key.algorithm.namedCurve) {
      fail('InvalidAccessError', 'Named curve mismatch')
    }
    return compute('derive', { ...args, algorithm: { name, publicKey: base64(keyBytes(other)) } })
  }
  const salt = base64Of(algorithm['salt'], 'The salt')
  const hash = toHash(algorithm['hash'])
  if (name === 'HKDF') {
    return compute('derive', {
      ...args,
      algorithm: { name, hash, salt, info: base64Of(algorithm['info'], 'The info') },
    })
  }
  const iterations = Number(algorithm['iterations'])
  if (!(iterations >= 1)) fail('OperationError', 'iterations cannot be zero')
  return compute('derive', { ...args, algorithm: { name, hash, salt, iterations } })
}

function toLength(value: unknown, name: string): number {
  if ((value === null || value === undefined) && name === 'ECDH') return 0
  const length = Number(value)
  if (!(length > 0) || length % 8 !== 0) fail('OperationError', 'length must be a multiple of 8')
  return length
}

/** Bits that a key of the derived algorithm takes. */
function lengthOfDerived(given: Algorithm): number {
  const { family } = ruleOf(given.name)
  if (family === 'hmac') return Number(given['length'] ?? blockBits[toHash(given['hash'])])
  const length = Number(given['length'])
  if (family !== 'aes' || ![128, 192, 256].includes(length)) fail('OperationError', 'Invalid key length')
  return length
}

type Transform = (algorithm: unknown, key: unknown, data: unknown) => Promise<ArrayBuffer>

const transform =
  (operation: 'encrypt' | 'decrypt' | 'sign', type: KeyType): Transform =>
  async (algorithm, key, data) => {
    const given = toDictionary(algorithm)
    const used = checkUse(given, key, operation, type)
    if (isRandomized(given.name, operation)) assertRandomnessAllowed()
    const args = { algorithm: parameters(given, used), key: base64(keyBytes(used)) }
    return compute(operation, args, copyBytes(data, 'The data')).buffer
  }

export const subtleMethods = {
  digest: async (algorithm: unknown, data: unknown): Promise<ArrayBuffer> =>
    compute('digest', { algorithm: { name: 'digest', hash: toHash(algorithm) } }, copyBytes(data, 'The data to digest'))
      .buffer,
  encrypt: transform('encrypt', 'public'),
  decrypt: transform('decrypt', 'private'),
  sign: transform('sign', 'private'),
  verify: async (algorithm: unknown, key: unknown, signature: unknown, data: unknown): Promise<boolean> => {
    const given = toDictionary(algorithm)
    const used = checkUse(given, key, 'verify', 'public')
    const args = {
      algorithm: parameters(given, used),
      key: base64(keyBytes(used)),
      signature: base64Of(signature, 'The signature'),
    }
    return compute('verify', args, copyBytes(data, 'The data'))[0] === 1
  },
  importKey: async (
    format: unknown,
    data: unknown,
    algorithm: unknown,
    extractable: unknown,
    usages: unknown,
  ): Promise<CryptoKey> => {
    const given = toDictionary(algorithm)
    const isSecret = ruleOf(given.name).usages.secret !== undefined
    return (isSecret ? importSecret : importPair)(String(format), data, given, extractable, usages)
  },
  exportKey: async (format: unknown, key: unknown): Promise<ArrayBuffer | object> => {
    if (!(key instanceof CryptoKey)) throw new TypeError('The key must be a CryptoKey')
    if (!key.extractable) fail('InvalidAccessError', 'key is not extractable')
    return (key.type === 'secret' ? exportSecret : exportPair)(String(format), key)
  },
  generateKey: async (algorithm: unknown, extractable: unknown, usages: unknown): Promise<object> => {
    const given = toDictionary(algorithm)
    const { family } = ruleOf(given.name)
    if (family === 'derivation') fail('NotSupportedError', 'Unrecognized algorithm name')
    assertRandomnessAllowed()
    return (family === 'hmac' || family === 'aes' ? generateSecret : generatePair)(given, extractable, usages)
  },
  deriveBits: async (algorithm: unknown, key: unknown, length?: unknown): Promise<ArrayBuffer> => {
    const given = toDictionary(algorithm)
    return derive(given, checkUse(given, key, 'deriveBits', 'private'), toLength(length, given.name)).buffer
  },
  deriveKey: async (
    algorithm: unknown,
    key: unknown,
    derived: unknown,
    extractable: unknown,
    usages: unknown,
  ): Promise<CryptoKey> => {
    const given = toDictionary(algorithm)
    const wanted = toDictionary(derived)
    const bytes = derive(given, checkUse(given, key, 'deriveKey', 'private'), lengthOfDerived(wanted))
    return importSecret('raw', bytes, wanted, extractable, usages)
  },
  wrapKey: async (): Promise<never> => {
    throw notImplemented('wrapKey')
  },
  unwrapKey: async (): Promise<never> => {
    throw notImplemented('unwrapKey')
  },
}
