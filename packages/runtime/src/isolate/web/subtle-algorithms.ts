/* oxlint-disable typescript/no-base-to-string -- WebIDL converts whatever it is given by ToString */
/** Names, parameters and rules of the algorithms of `crypto.subtle`, and the way to the runner that computes. */
import { DOMException } from './dom-exception.ts'
import { btoa } from './base64.ts'
import { copyBytes } from './interface.ts'
import { decodeUtf8 } from './text-encoding.ts'
import { bytesToText, textToBytes } from '../byte-text.ts'
import { askAtOnce } from '../compute.ts'
import { endFunction, notAllowedError, state } from '../execution-state.ts'
import { CryptoKey, type KeyType } from './crypto-key.ts'

export type Dictionary = Readonly<Record<string, unknown>>
export type Algorithm = Dictionary & { readonly name: string }
export type Family = 'hmac' | 'aes' | 'rsa' | 'ec' | 'okp' | 'derivation'
type Rule = { readonly family: Family; readonly usages: { readonly [Type in KeyType]?: readonly string[] } }

const signing = { private: ['sign'], public: ['verify'] }
const deriving = ['deriveBits', 'deriveKey']
const ciphering = ['encrypt', 'decrypt', 'wrapKey', 'unwrapKey']

/** What keys of each algorithm may be used for. */
const rules: Readonly<Record<string, Rule>> = {
  HMAC: { family: 'hmac', usages: { secret: ['sign', 'verify'] } },
  'AES-CBC': { family: 'aes', usages: { secret: ciphering } },
  'AES-CTR': { family: 'aes', usages: { secret: ciphering } },
  'AES-GCM': { family: 'aes', usages: { secret: ciphering } },
  'RSASSA-PKCS1-v1_5': { family: 'rsa', usages: signing },
  'RSA-PSS': { family: 'rsa', usages: signing },
  'RSA-OAEP': { family: 'rsa', usages: { private: ['decrypt', 'unwrapKey'], public: ['encrypt', 'wrapKey'] } },
  ECDSA: { family: 'ec', usages: signing },
  ECDH: { family: 'ec', usages: { private: deriving, public: [] } },
  Ed25519: { family: 'okp', usages: signing },
  X25519: { family: 'okp', usages: { private: deriving, public: [] } },
  PBKDF2: { family: 'derivation', usages: { secret: deriving } },
  HKDF: { family: 'derivation', usages: { secret: deriving } },
}
const hashes: readonly string[] = ['SHA-1', 'SHA-256', 'SHA-384', 'SHA-512']
const curves: readonly string[] = ['P-256', 'P-384', 'P-521']
/** Bits that a hash takes in at a time: the length of an HMAC key of which nothing is said. */
export const blockBits: Readonly<Record<string, number>> = {
  'SHA-1': 512,
  'SHA-256': 512,
  'SHA-384': 1024,
  'SHA-512': 1024,
}
const noBytes = new Uint8Array(0)

export function fail(name: string, message: string): never {
  throw new DOMException(message, name)
}

export function toDictionary(algorithm: unknown): Algorithm {
  const given = typeof algorithm === 'object' && algorithm !== null ? (algorithm as Dictionary) : { name: algorithm }
  const asked = String(given['name'])
  const name = Object.keys(rules).find((known) => known.toUpperCase() === asked.toUpperCase())
  if (asked.toUpperCase() === 'AES-KW') throw notImplemented('AES-KW')
  if (name === undefined) fail('NotSupportedError', 'Unrecognized algorithm name')
  return { ...given, name }
}

export function toHash(value: unknown): string {
  const name = String(typeof value === 'object' && value !== null ? (value as Dictionary)['name'] : value).toUpperCase()
  if (!hashes.includes(name)) fail('NotSupportedError', 'Unrecognized algorithm name')
  return name
}

export function toCurve(value: unknown): string {
  const name = String(value)
  if (!curves.includes(name)) fail('NotSupportedError', 'Unrecognized namedCurve')
  return name
}

export function ruleOf(name: string): Rule {
  return rules[name] as Rule
}

export function toUsages(value: unknown, allowed: readonly string[]): readonly string[] {
  const usages = [...new Set([...(value as Iterable<unknown>)].map(String))]
  if (usages.some((usage) => !allowed.includes(usage))) {
    fail('SyntaxError', 'Unsupported key usage for this key')
  }
  return usages
}

export function base64(bytes: Uint8Array): string {
  return btoa(bytesToText(bytes))
}

export function base64Of(value: unknown, what: string): string {
  return base64(copyBytes(value, what))
}

/** What the runner answers; its failures are `error`. */
export function compute(
  operation: string,
  args: object,
  data: Uint8Array = noBytes,
  error = 'OperationError',
): Uint8Array<ArrayBuffer> {
  const answer = askAtOnce(`crypto/${operation}`, JSON.stringify(args), bytesToText(data))
  if (answer.startsWith('0')) return textToBytes(answer.slice(1))
  return fail(error, 'The operation failed for an operation-specific reason')
}

export function computeJson(operation: string, args: object, error?: string): Dictionary {
  return JSON.parse(decodeUtf8(compute(operation, args, noBytes, error))) as Dictionary
}

/** Ends the function, whatever it does with the error. */
export function notImplemented(what: string): Error {
  return endFunction(
    new Error(
      `Not implemented: ${what} for crypto.subtle. Consider calling an action defined in Node.js instead (https://docs.convex.dev/functions/actions).`,
    ),
  )
}

/** Results that differ every time belong to actions. */
export function assertRandomnessAllowed(): void {
  if (state.phase === 'import' || state.phase === 'idle')
    throw new Error('Cannot use cryptographic randomness at import time')
  if (state.phase !== 'action') throw notAllowedError('cryptographic randomness')
}

/** Whether using a private or public key of the algorithm takes random bits. */
export function isRandomized(name: string, operation: string): boolean {
  if (operation === 'sign') return name === 'ECDSA' || ruleOf(name).family === 'rsa'
  return operation === 'encrypt' && name === 'RSA-OAEP'
}

/** The algorithm's own parameters and the key's, in the form that the runner takes. */
export function parameters(algorithm: Algorithm, key: CryptoKey): object {
  const { name } = algorithm
  const hash = key.algorithm.hash?.name
  switch (name) {
    case 'ECDSA':
      return { name, hash: toHash(algorithm['hash']) }
    case 'RSA-PSS':
      return { name, hash, saltLength: Number(algorithm['saltLength']) }
    case 'RSA-OAEP':
      return { name, hash, ...optionalBytes('label', algorithm['label']) }
    case 'AES-CTR':
      return { name, counter: blockOf(algorithm['counter'], 'counter'), length: counterLength(algorithm['length']) }
    case 'AES-CBC':
      return { name, iv: blockOf(algorithm['iv'], 'iv') }
    case 'AES-GCM': {
      const tagLength = Number(algorithm['tagLength'] ?? 128)
      if (![32, 64, 96, 104, 112, 120, 128].includes(tagLength))
        fail('OperationError', `${tagLength} is not a valid AES-GCM tag length`)
      const additionalData = optionalBytes('additionalData', algorithm['additionalData'])
      return { name, iv: base64Of(algorithm['iv'], 'The iv'), tagLength, ...additionalData }
    }
    default:
      return { name, hash }
  }
}

function optionalBytes(name: string, value: unknown): object {
  return value === undefined ? {} : { [name]: base64Of(value, `The ${name}`) }
}

function blockOf(value: unknown, what: string): string {
  const bytes = copyBytes(value, `The ${what}`)
  if (bytes.length !== 16) fail('OperationError', `algorithm.${what} must contain exactly 16 bytes`)
  return base64(bytes)
}

function counterLength(value: unknown): number {
  const length = Number(value)
  if (!(length >= 1 && length <= 128)) fail('OperationError', 'AES-CTR algorithm.length must be between 1 and 128')
  return length
}

export function checkUse(algorithm: { readonly name: string }, key: unknown, usage: string, type?: KeyType): CryptoKey {
  if (!(key instanceof CryptoKey)) throw new TypeError('The key must be a CryptoKey')
  if (key.algorithm.name !== algorithm.name) fail('InvalidAccessError', 'Key algorithm mismatch')
  const isRightType = type === undefined || key.type === type || key.type === 'secret'
  if (!key.usages.includes(usage) || !isRightType) fail('InvalidAccessError', `Unable to use this key to ${usage}`)
  return key
}
